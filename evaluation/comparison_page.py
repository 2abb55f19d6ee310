"""The page of a comparison: its tables and figures, whole in itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.tables import Table
from masksmith import html

CSS = """
.drawn { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 16px; }
.drawn figure { background: #fff; border: 1px solid var(--rule); border-radius: 10px; padding: 12px; }
.drawn figure.broad { grid-column: 1 / -1; }
.drawn img { background: #fff; border-radius: 0; }
.drawn figcaption { color: #565e67; }
"""
BROAD = ("losses", "predictions")
_SAYS = {
    "map_over_x": "mAP@x over x",
    "iou_over_time": "Mean IoU against inference time",
    "losses": "Loss over epochs",
    "search": "Validation scores over the search",
    "predictions": "Predictions, from the worst image to the best; orange is made up, blue is missed",
}


def render(made: Mapping[str, Any], tables: Sequence[Table], figures: Mapping[str, bytes] | None = None) -> str:
    """The page as text.

    Args:
        made: the document of :func:`evaluation.comparison.document`.
        figures: name -> PNG.
    """
    names = [run["name"] for run in made["runs"]]
    title = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    blocks = [
        f'<header><p class="kicker">{len(names)} evaluation{"s" if len(names) != 1 else ""} side by side</p>'
        f"<h1>{html.text(title)}</h1></header>"
    ]
    blocks += [f'<p class="notice">{html.text(note)}.</p>' for note in made["notes"]]
    for table in tables:
        note = f'<p class="lead">{html.text(table.note)}</p>' if table.note else ""
        blocks.append(
            f"<section><h2>{html.text(table.title)}</h2>{note}{html.table(table.columns, table.rows)}</section>"
        )
    if figures:
        shots = "".join(_shot(name, data) for name, data in figures.items())
        blocks.append(f'<section><h2>Figures to quote</h2><div class="drawn">{shots}</div></section>')
    facts = {run["name"]: f"{run['title']}; {run['path']}; counts {run['digest'][:16]}" for run in made["runs"]}
    facts["Seed"] = str(made["seed"])
    blocks.append(f"<section><h2>Where this comes from</h2>{html.facts(facts)}</section>")
    return html.page(title, "".join(blocks), css=CSS)


def _shot(name: str, data: bytes) -> str:
    uri = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    says = html.text(_SAYS.get(name, name))
    kind = ' class="broad"' if name in BROAD else ""
    return f'<figure{kind}><img src="{uri}" alt="{says}"><figcaption>{says}</figcaption></figure>'
