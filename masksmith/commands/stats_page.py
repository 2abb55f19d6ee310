"""The page of ``masksmith stats``: bars, a map of positions, and tables that need nothing else."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from masksmith import html
from masksmith.html import text

SHOWN = 24
"""Values of a trait that get a bar; the rest are counted together."""
CSS = """
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 16px; }
.grid .card h3 { font-size: 15px; font-weight: 600; margin: 0 0 8px; }
.bars { width: 100%; font-size: 13.5px; table-layout: fixed; }
.bars td { padding: 3px 0 3px 10px; border: 0; }
.bars td:first-child { width: 38%; padding-left: 0; overflow-wrap: anywhere; min-width: 0; }
.bars td:last-child { width: 84px; white-space: nowrap; }
.bar { display: block; height: 12px; background: var(--accent); border-radius: 2px; min-width: 1px; }
.heat img { width: 100%; max-width: 384px; image-rendering: auto; border-radius: 6px; display: block; }
"""


def page(told: dict[str, Any]) -> str:
    """The figures of :func:`masksmith.commands.stats.measure` as a page."""
    columns = ("split", "records", "subjects", "floors", "subject × floor pairs", "without foreground")
    rows = [
        [name, row["records"], row["subjects"], row["floors"], row["pairs"], row["without_foreground"]]
        for name, row in told["splits"].items()
    ]
    areas = {f"{row['from']:g} to {row['to']:g}": row["masks"] for row in told["area_histogram"]}
    classes = [[name, f"{row['pixel_share']:.2%}", f"{row['mask_share']:.1%}"] for name, row in told["classes"].items()]
    cards = "".join(_card(name, values, told["records"]) for name, values in told["traits"].items() if name != "split")
    body = (
        f'<header><p class="kicker">{told["records"]:,} records, {told["masks_read"]:,} masks read</p>'
        f"<h1>{text(told['name'])}</h1></header>"
        f"<section><h2>Splits</h2>{html.table(columns, rows)}</section>"
        '<section><h2>Masks</h2><div class="grid">'
        f'<div class="card"><h3>Share of the picture that is foreground</h3>{_bars(areas, told["masks_read"])}</div>'
        f'<div class="card heat"><h3>Where it lies</h3>{_heat(told["heat"])}</div>'
        f'<div class="card"><h3>Classes</h3>{html.table(("class", "pixels", "in masks"), classes)}</div>'
        f'</div></section><section><h2>Made of</h2><div class="grid">{cards}</div></section>'
    )
    return html.page(f"{told['name']}: what it is made of", body, css=CSS)


def _card(name: str, values: dict[str, int], records: int) -> str:
    first = dict(list(values.items())[:SHOWN])
    rest = len(values) - len(first)
    more = f'<p class="lead">and {rest:,} more</p>' if rest > 0 else ""
    return f'<div class="card"><h3>{text(name)}, {len(values):,} values</h3>{_bars(first, records)}{more}</div>'


def _bars(values: dict[str, int], whole: int) -> str:
    most = max(values.values(), default=0) or 1
    rows = "".join(
        f'<tr><td>{text(name)}</td><td><span class="bar" style="width:{100 * count / most:.1f}%"></span></td>'
        f"<td>{count:,} · {count / max(whole, 1):.0%}</td></tr>"
        for name, count in values.items()
    )
    return f'<table class="bars"><tbody>{rows}</tbody></table>'


def _heat(cells: list[list[float]]) -> str:
    values = np.array(cells, np.float32)
    most = float(values.max(initial=0))
    grey = np.rint(values / (most or 1) * 255).astype(np.uint8)
    large = cv2.resize(grey, (384, 384), interpolation=cv2.INTER_CUBIC)
    shown = cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    said = f"brightest: foreground in {most:.0%} of the masks"
    return f'<img src="{html.data_uri(np.asarray(shown, np.uint8), 384)}" alt="{said}"><p class="lead">{said}</p>'
