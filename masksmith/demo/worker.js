// The network, away from the page: a frame in, its mask out. One frame at a time, in the order they come.

importScripts("/engines.js");
let net = null;

self.onmessage = async (event) => {
  const { id, type, ...given } = event.data;
  try {
    const [answer, moved] = await JOBS[type](given);
    self.postMessage({ id, ...answer }, moved);
  } catch (fault) {
    self.postMessage({ id, fault: String((fault && fault.message) || fault) });
  }
};

const JOBS = {
  async load({ model, data, kind, where }) {
    if (net) await net.engine.release();
    net = null;
    const source = data || model.url;
    net = prepared(kind === ".tflite" ? await withLite(source) : await withOnnx(source, where), model);
    await answer(net, null, false); // the first run is slower than all others
    net.before.fill(0);
    return [{ size: [net.height, net.width], carries: Boolean(net.prior) }, []];
  },

  async frame({ bitmap, prior, fresh }) {
    const net_ = need();
    if (fresh) forget(net_);
    const times = [performance.now()];
    see(net_, bitmap);
    times.push(performance.now());
    const soft = await answer(net_, times, prior);
    const { rgba, flips } = shown(net_, soft);
    times.push(performance.now());
    const spent = { pre: times[1] - times[0], run: times[2] - times[1], post: times[3] - times[2] };
    return [{ bitmap, rgba, flips, spent, width: net_.width, height: net_.height }, [bitmap, rgba.buffer]];
  },

  async soft({ bitmap, prior, fresh }) {
    const net_ = need();
    if (fresh) forget(net_);
    see(net_, bitmap);
    const soft = (await answer(net_, null, prior)).slice();
    return [{ soft, width: net_.width, height: net_.height }, [soft.buffer]];
  },

  // the whole way of a frame, again and again without a pause: nothing here that the page would not do
  async bench({ bitmaps, runs, prior }) {
    const net_ = need();
    forget(net_);
    const total = new Float64Array(runs), alone = new Float64Array(runs);
    const start = performance.now();
    for (let k = 0; k < runs; k++) {
      const times = [performance.now()];
      see(net_, bitmaps[k % bitmaps.length]);
      times.push(performance.now());
      shown(net_, await answer(net_, times, prior));
      total[k] = performance.now() - times[0];
      alone[k] = times[2] - times[1];
    }
    return [{ seconds: (performance.now() - start) / 1000, total, alone }, [total.buffer, alone.buffer]];
  },
};

function need() {
  if (!net) throw new Error("no network is loaded");
  return net;
}

function prepared(engine, model) {
  let image = null, prior = null;
  engine.inputs.forEach(({ name, dtype, shape }, place) => {
    const last = shape[3], second = shape[1];
    const nchw = shape.length === 4 && (second === 3 || second === 1);
    const channels = nchw ? second : last;
    const given = { place, dtype, nchw, shape };
    if (channels === 3 && !image) image = given;
    else if (channels === 1 && !prior) prior = given;
    else throw new Error(`the network's input ${name} is neither a picture nor a prior`);
  });
  if (!image) throw new Error("the network takes no picture");
  const sides = image.nchw ? image.shape.slice(2, 4) : image.shape.slice(1, 3);
  const free = (model && model.size) || [224, 224];
  const [height, width] = sides.map((side, k) => (typeof side === "number" && side > 0 ? side : free[k]));
  const pixels = height * width;
  engine.prepare([image, prior].filter(Boolean).sort((a, b) => a.place - b.place).map((given) => {
    const channels = given === image ? 3 : 1;
    return given.nchw ? [1, channels, height, width] : [1, height, width, channels];
  }));
  return {
    engine, height, width, pixels, image, prior,
    output: (model && model.output) || "",
    before: new Float32Array(pixels),
    hard: new Uint8Array(pixels),
    canvas: new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true }),
    halves: [],
  };
}

function forget(net_) {
  net_.before.fill(0);
  net_.hard.fill(0);
}

// Halved exactly while it is twice as large, then bilinear: as the Python side does it.
function see(net_, bitmap) {
  let from = bitmap, width = bitmap.width, height = bitmap.height, step = 0;
  while (width >= 2 * net_.width && height >= 2 * net_.height) {
    const half = [Math.floor(width / 2), Math.floor(height / 2)];
    let to = net_.halves[step];
    if (!to || to.canvas.width !== half[0] || to.canvas.height !== half[1]) {
      to = new OffscreenCanvas(...half).getContext("2d", { willReadFrequently: true });
      net_.halves[step] = to;
    }
    to.imageSmoothingQuality = "low";
    to.drawImage(from, 0, 0, 2 * half[0], 2 * half[1], 0, 0, half[0], half[1]);
    [from, width, height] = [to.canvas, ...half];
    step += 1;
  }
  net_.canvas.imageSmoothingQuality = "low";
  net_.canvas.drawImage(from, 0, 0, width, height, 0, 0, net_.width, net_.height);
  const rgba = net_.canvas.getImageData(0, 0, net_.width, net_.height).data;
  const { engine, pixels } = net_;
  const values = engine.open(net_.image.place);
  const scale = net_.image.dtype === "uint8" ? 1 : 1 / 255;
  if (net_.image.nchw) {
    const g = pixels, b = 2 * pixels;
    for (let k = 0, p = 0; k < pixels; k++, p += 4) {
      values[k] = rgba[p] * scale;
      values[g + k] = rgba[p + 1] * scale;
      values[b + k] = rgba[p + 2] * scale;
    }
  } else {
    for (let k = 0, p = 0; p < 4 * pixels; k += 3, p += 4) {
      values[k] = rgba[p] * scale;
      values[k + 1] = rgba[p + 1] * scale;
      values[k + 2] = rgba[p + 2] * scale;
    }
  }
  engine.close(net_.image.place);
}

// The foreground's probability, pixel by pixel; `times` gets the moment the network was done.
async function answer(net_, times, prior) {
  const { engine } = net_;
  if (net_.prior) {
    const given = engine.open(net_.prior.place);
    if (!prior) given.fill(0);
    else if (net_.prior.dtype === "uint8") for (let k = 0; k < net_.pixels; k++) given[k] = net_.before[k] * 255 + 0.5;
    else given.set(net_.before);
    engine.close(net_.prior.place);
  }
  const { data, dims } = await engine.run();
  if (times) times.push(performance.now());
  net_.before.set(probability(net_, data, dims));
  return net_.before;
}

function probability(net_, data, dims) {
  const n = net_.pixels;
  if (net_.output === "probability" && data.length === n) return data;
  if (net_.output === "classes") return Float32Array.from(data, (value) => (value > 0 ? 1 : 0));
  const maps = data.length / n;
  if (!Number.isInteger(maps) || maps < 1) throw new Error(`an output of ${dims.join(" x ")} is no map of ${net_.height} x ${net_.width}`);
  if (!net_.output) {
    let inside = true;
    for (let k = 0; k < data.length && inside; k++) inside = data[k] >= -1e-4 && data[k] <= 1.0001;
    net_.output = inside ? "probabilities" : "logits";
  }
  const soft = new Float32Array(n);
  if (maps === 1) {
    for (let k = 0; k < n; k++) soft[k] = net_.output === "logits" ? 1 / (1 + Math.exp(-data[k])) : data[k];
    return soft;
  }
  const last = dims[dims.length - 1] === maps;
  const at = (map, k) => (last ? data[k * maps + map] : data[map * n + k]);
  for (let k = 0; k < n; k++) {
    if (net_.output !== "logits") {
      soft[k] = 1 - at(0, k);
      continue;
    }
    let others = 0;
    for (let map = 1; map < maps; map++) others += Math.exp(at(map, k) - at(0, k));
    soft[k] = others === Infinity ? 1 : others / (1 + others);
  }
  return soft;
}

// The mask as a picture of opacity, and how much of it changed sides.
function shown(net_, soft) {
  const rgba = new Uint8ClampedArray(4 * net_.pixels);
  const words = new Uint32Array(rgba.buffer);
  const { hard } = net_;
  let changed = 0, inside = 0;
  for (let k = 0; k < net_.pixels; k++) {
    const level = (soft[k] * 255 + 0.5) | 0;
    words[k] = (level << 24) | 0xffffff;
    const now = soft[k] >= 0.5 ? 1 : 0;
    changed += now ^ hard[k];
    inside += now;
    hard[k] = now;
  }
  return { rgba, flips: inside ? changed / inside : 0 };
}
