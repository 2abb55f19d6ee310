"""A contact sheet as a page: pictures with their masks, and lists to filter them by what they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from masksmith import html
from masksmith.html import text
from masksmith.images import Image

MANY = 200
"""Values that a trait may have and still be filtered by a list."""
CSS = """
main { max-width: 1500px; }
form { position: sticky; top: 0; z-index: 2; background: var(--paper); padding: 12px 0; display: flex;
  flex-wrap: wrap; gap: 10px 14px; align-items: end; border-bottom: 1px solid var(--rule); margin: 16px 0; }
label { font-size: 13px; color: var(--soft); display: grid; gap: 3px; }
label.row { display: flex; align-items: center; gap: 6px; min-height: 34px; }
select, button { font: inherit; font-size: 14px; color: var(--ink); background: var(--card);
  border: 1px solid var(--rule); border-radius: 6px; padding: 6px 8px; max-width: 220px; min-height: 34px; }
#sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(var(--side), 100%), 1fr)); gap: 14px; }
#sheet figure { scroll-margin-top: 140px; }
#sheet .shot { position: relative; }
#sheet .shot img + img { position: absolute; inset: 0; opacity: 0; }
#sheet.masks .shot img + img { opacity: 1; }
#sheet figure[hidden] { display: none; }
"""
# the lists narrow the sheet together; arrow keys go from picture to picture
SCRIPT = """
const form = document.querySelector('form'), sheet = document.getElementById('sheet');
const shots = [...sheet.children].map(node => [node, JSON.parse(node.dataset.f)]);
const said = document.getElementById('said');
function narrow() {
  const wanted = [...form.querySelectorAll('select')].filter(s => s.value !== '').map(s => [s.name, +s.value]);
  let shown = 0;
  for (const [node, has] of shots) {
    node.hidden = !wanted.every(([name, value]) => (has[name] || []).includes(value));
    shown += !node.hidden;
  }
  said.textContent = shown + ' of ' + shots.length + ' pictures';
  sheet.classList.toggle('masks', document.getElementById('masks').checked);
}
form.addEventListener('change', narrow);
form.addEventListener('reset', () => setTimeout(narrow));
form.addEventListener('submit', event => event.preventDefault());
sheet.addEventListener('keydown', event => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!step) return;
  const seen = shots.map(([node]) => node).filter(node => !node.hidden);
  const next = seen[seen.indexOf(document.activeElement) + step];
  if (next) { next.focus(); event.preventDefault(); }
});
narrow();
"""


@dataclass(frozen=True)
class Shot:
    """A picture of the sheet.

    Attributes:
        name: the record's id.
        image: (H, W, 3) uint8 RGB.
        masked: the same with its mask laid over, or None.
        traits: name to values.
    """

    name: str
    image: Image
    masked: Image | None
    traits: Mapping[str, Sequence[str]]


def page(title: str, lead: str, shots: Iterable[Shot], side: int, masks: bool) -> str:
    """The page; pictures are taken one at a time and shrunk to ``side`` pixels, ``masks`` is what it opens with."""
    known: dict[str, dict[str, int]] = {}
    figures = []
    for shot in shots:
        has = {
            name: [known.setdefault(name, {}).setdefault(value, len(known[name])) for value in values]
            for name, values in shot.traits.items()
        }
        figures.append(_figure(shot, has, side))
    lists = "".join(_list(name, values) for name, values in known.items() if 1 < len(values) <= MANY)
    checked = " checked" if masks else ""
    body = (
        f'<header><p class="kicker" id="said" role="status" aria-live="polite">{len(figures)} pictures</p>'
        f'<h1>{text(title)}</h1><p class="lead">{text(lead)}</p></header>'
        f'<form aria-label="Filters">{lists}<label class="row"><input type="checkbox" id="masks"{checked}>masks</label>'
        '<button type="reset">Show all</button></form>'
        f'<div id="sheet" style="--side:{int(side)}px">{"".join(figures)}</div>'
    )
    return html.page(title, body, css=CSS, script=SCRIPT)


def _figure(shot: Shot, has: Mapping[str, Sequence[int]], side: int) -> str:
    over = "" if shot.masked is None else f'<img loading="lazy" src="{html.data_uri(shot.masked, side)}" alt="">'
    said = " · ".join(", ".join(shot.traits[name]) for name in ("split", "subject", "floor") if shot.traits.get(name))
    return (
        f'<figure tabindex="0" data-f="{text(json.dumps(has, separators=(",", ":")))}"><div class="shot">'
        f'<img loading="lazy" src="{html.data_uri(shot.image, side)}" alt="{text(shot.name)}">{over}</div>'
        f"<figcaption><strong>{text(shot.name)}</strong> {text(said)}</figcaption></figure>"
    )


def _list(name: str, values: Mapping[str, int]) -> str:
    options = "".join(f'<option value="{place}">{text(value)}</option>' for value, place in sorted(values.items()))
    first = f'<label>{text(name)}<select name="{text(name)}" aria-label="{text(name)}">'
    return f'{first}<option value="">all</option>{options}</select></label>'
