"""What moves on the report's page: wiping, sorting, naming dots, and traces that follow their video.

Plain JavaScript, held to by its digest in the page's policy. Everything it shows was put into the page escaped; it only
ever sets text, never markup.
"""

SCRIPT = r"""
'use strict';
(() => {
const all = (what, where = document) => [...where.querySelectorAll(what)];
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

// --- stages: a slider wipes between the two sides -----------------------------------------------------------------
const dress = stage => {
  const {left, right} = stage.dataset;
  for (const layer of all('.layer', stage)) {
    const name = layer.dataset.layer;
    layer.classList.toggle('on-left', name === left);
    layer.classList.toggle('on-right', name === right);
  }
  stage.querySelector('.side.left').textContent = left;
  stage.querySelector('.side.right').textContent = right;
  const label = stage.getAttribute('aria-label'), name = label.slice(0, label.lastIndexOf(': wipe'));
  stage.setAttribute('aria-label', name + ': wipe between ' + left + ' and ' + right);
};
const wipe = (stage, percent) => {
  const p = Math.round(clamp(percent, 0, 100));
  stage.style.setProperty('--q', p / 100);
  stage.setAttribute('aria-valuenow', p);
  stage.setAttribute('aria-valuetext', p + ' % ' + stage.dataset.left + ', the rest ' + stage.dataset.right);
  stage.classList.toggle('ends-left', p < 3);
  stage.classList.toggle('ends-right', p > 97);
};
const dialog = document.querySelector('dialog.large');
const enlarge = stage => {
  if (!dialog) return;
  const copy = stage.closest('figure').cloneNode(true);
  dialog.querySelector('.inside').replaceChildren(copy);
  arm(copy.querySelector('.stage'), true);
  dialog.showModal();
  copy.querySelector('.stage').focus({focusVisible: false});
};
const arm = (stage, large) => {
  let from = null, moved = false;
  const at = event => {
    const box = stage.getBoundingClientRect();
    return 100 * (event.clientX - box.left) / box.width;
  };
  stage.addEventListener('pointerdown', event => {
    if (event.button) return;
    from = event; moved = false;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener('pointermove', event => {
    if (!from) return;
    if (!moved && Math.abs(event.clientX - from.clientX) < 4) return;
    moved = true;
    wipe(stage, at(event));
  });
  stage.addEventListener('pointerup', event => {
    if (from && !moved) { if (large) wipe(stage, at(event)); else enlarge(stage); }
    from = null;
  });
  stage.addEventListener('pointercancel', () => { from = null; });
  stage.addEventListener('keydown', event => {
    const now = Number(stage.getAttribute('aria-valuenow')), step = event.shiftKey ? 10 : 2;
    const to = {
      ArrowLeft: now - step, ArrowDown: now - step, ArrowRight: now + step, ArrowUp: now + step,
      PageDown: now - 20, PageUp: now + 20, Home: 0, End: 100,
    }[event.key];
    if (to !== undefined) { wipe(stage, to); event.preventDefault(); }
    else if ((event.key === 'Enter' || event.key === ' ') && !large) { enlarge(stage); event.preventDefault(); }
  });
  dress(stage);
};
all('.stage').forEach(stage => arm(stage, false));
if (dialog) dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
for (const button of all('.switch button')) {
  button.addEventListener('click', () => {
    const {side, show} = button.dataset, other = side === 'left' ? 'right' : 'left';
    const pressed = (where, name) => all('.switch [data-side="' + where + '"]').forEach(
      one => one.setAttribute('aria-pressed', String(one.dataset.show === name)));
    const before = document.querySelector('.switch [data-side="' + side + '"][aria-pressed="true"]').dataset.show;
    const opposite = document.querySelector('.switch [data-side="' + other + '"][aria-pressed="true"]').dataset.show;
    pressed(side, show);
    if (opposite === show) pressed(other, before);
    for (const stage of all('.stage')) {
      if (opposite === show) stage.dataset[other] = before;
      stage.dataset[side] = show;
      dress(stage);
    }
  });
}

// --- tables: a heading sorts ---------------------------------------------------------------------------------------
const value = cell => {
  if (!cell) return '';
  const given = cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent.trim();
  const plain = Number(given.replace(/,/g, '').replace('\u2212', '-'));
  return given !== '' && !Number.isNaN(plain) ? plain : given === '\u2013' ? '' : given;
};
for (const table of all('table.sorts')) {
  const body = table.tBodies[0], heads = all('thead th', table);
  heads.forEach((head, column) => {
    const button = head.querySelector('button');
    if (!button) return;
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      heads.forEach(one => one.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const rows = [...body.rows].map((row, place) => [value(row.cells[column]), place, row]);
      rows.sort(([a, i], [b, j]) => {
        if ((a === '') !== (b === '')) return a === '' ? 1 : -1;  // nothing to compare goes last either way
        const kind = typeof a === typeof b ? 0 : typeof a === 'number' ? -1 : 1;
        const way = kind || (typeof a === 'number' ? a - b : String(a).localeCompare(String(b), 'en'));
        return (down ? -way : way) || i - j;
      });
      body.append(...rows.map(([, , row]) => row));
    });
  });
}

// --- plots: the nearest dot is named -------------------------------------------------------------------------------
for (const plot of all('svg.named')) {
  const dots = JSON.parse(plot.dataset.dots), ring = plot.querySelector('.ring');
  const says = plot.parentNode.querySelector('.says');
  const idle = says.textContent;
  let chosen = -1;
  const show = k => {
    chosen = k;
    ring.classList.toggle('shown', k >= 0);
    if (k < 0) { says.textContent = idle; return; }
    const [x, y, text] = dots[k];
    ring.setAttribute('cx', x); ring.setAttribute('cy', y);
    says.textContent = text;
  };
  const near = event => {
    const box = plot.getBoundingClientRect(), scale = plot.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = -1, least = (event.pointerType === 'mouse' ? 14 : 24) ** 2;
    dots.forEach(([a, b], k) => {
      const far = (a - x) ** 2 + (b - y) ** 2;
      if (far < least) { best = k; least = far; }
    });
    return best;
  };
  plot.addEventListener('pointermove', event => { if (event.pointerType === 'mouse') show(near(event)); });
  plot.addEventListener('pointerdown', event => show(near(event)));
  plot.addEventListener('pointerleave', event => { if (event.pointerType === 'mouse') show(-1); });
  plot.addEventListener('blur', () => show(-1));
  plot.addEventListener('keydown', event => {
    const to = {ArrowRight: chosen + 1, ArrowLeft: chosen < 0 ? dots.length - 1 : chosen - 1, Home: 0,
      End: dots.length - 1}[event.key];
    if (event.key === 'Escape') show(-1);
    if (to === undefined || !dots.length) return;
    show((to + dots.length) % dots.length);
    event.preventDefault();
  });
}

// --- clips: the traces' cursor follows the video, a click seeks ----------------------------------------------------
for (const reel of all('.reel')) {
  const video = reel.querySelector('video'), says = reel.querySelector('.now');
  const frames = Number(reel.dataset.frames), fps = Number(reel.dataset.fps), first = Number(reel.dataset.first);
  const traces = all('svg.trace', reel).map(plot => ({
    plot, line: plot.querySelector('.cursor'), from: Number(plot.dataset.from), to: Number(plot.dataset.to),
    name: plot.dataset.name, values: JSON.parse(plot.dataset.values),
  }));
  const draw = time => {
    const frame = clamp(Math.floor(time * fps + 1e-6), 0, frames - 1);
    for (const {plot, line, from, to} of traces) {
      const x = from + (to - from) * (frames > 1 ? frame / (frames - 1) : 0);
      line.setAttribute('x1', x); line.setAttribute('x2', x);
      plot.setAttribute('aria-valuenow', frame);
    }
    const told = traces.map(({name, values: {[frame]: v}}) => name + ' ' + (v === null ? '\u2013' : v.toFixed(3)));
    says.textContent = ['frame ' + (first + frame)].concat(told).join(' \u00b7 ');
  };
  const seek = frame => {
    const time = (clamp(frame, 0, frames - 1) + 0.5) / fps;
    video.currentTime = time;
    draw(time);
  };
  if (video.requestVideoFrameCallback) {
    const next = (_, shown) => { draw(shown.mediaTime + 0.25 / fps); video.requestVideoFrameCallback(next); };
    video.requestVideoFrameCallback(next);
  }
  for (const event of ['timeupdate', 'seeked', 'loadedmetadata']) {
    video.addEventListener(event, () => { if (video.paused) draw(video.currentTime); });
  }
  for (const {plot, from, to} of traces) {
    const pick = event => {
      const box = plot.getBoundingClientRect();
      const x = (event.clientX - box.left) * plot.viewBox.baseVal.width / box.width;
      seek(Math.round((x - from) / (to - from) * (frames - 1)));
    };
    plot.addEventListener('pointerdown', event => { plot.setPointerCapture(event.pointerId); pick(event); });
    plot.addEventListener('pointermove', event => { if (event.buttons) pick(event); });
    plot.addEventListener('keydown', event => {
      const now = Number(plot.getAttribute('aria-valuenow'));
      const to = {ArrowLeft: now - 1, ArrowRight: now + 1, ArrowDown: now - 1, ArrowUp: now + 1, Home: 0,
        End: frames - 1, PageDown: now - 10, PageUp: now + 10}[event.key];
      if (to !== undefined) { video.pause(); seek(to); event.preventDefault(); }
    });
  }
  draw(0);
}
})();
"""
