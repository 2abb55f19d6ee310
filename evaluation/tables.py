"""Tables of a comparison, once as rows and then as Markdown, LaTeX or markup for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation import boundary, temporal
from masksmith.errors import unknown_choice

SHOWN = ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset", "dice_fg_image", "pixel_accuracy")
DASH = "–"
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
}


@dataclass(frozen=True)
class Table:
    """A table of text; the first column is words, the others numbers.

    Attributes:
        title: what it shows, ``note``: what must be known to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def of(made: Mapping[str, Any], figures: Sequence[str] = ()) -> list[Table]:
    """The tables of a document of :func:`evaluation.comparison.document`.

    Args:
        figures: which figures; by default :data:`SHOWN`, with boundary and time figures where every run has them.

    Raises:
        UsageProblem: a figure that no run has.
    """
    known = {name for run in made["runs"] for name in run["figures"]}
    for name in figures:
        if name not in known:
            raise unknown_choice("figure", name, known)
    chosen = list(figures) or _chosen(made)
    return [_figures(made, chosen), *(_differences(one, chosen) for one in made["differences"]), *_slices(made)]


def markdown(tables: Sequence[Table]) -> str:
    """GitHub's Markdown; every text is escaped, so that a name cannot break its cell."""
    blocks = []
    for table in tables:
        lines = [f"### {_plain(table.title)}", "", _row(table.columns)]
        lines.append(_row(("---", *["---:"] * (len(table.columns) - 1)), escape=False))
        lines += [_row(row) for row in table.rows]
        blocks.append("\n".join([*lines, "", *([_plain(table.note), ""] if table.note else [])]))
    return "\n".join(blocks)


def latex(tables: Sequence[Table]) -> str:
    """LaTeX for ``booktabs``, one ``table`` each; the preamble needs ``\\usepackage{booktabs}``."""
    blocks = [r"% needs \usepackage{booktabs}"]
    for table in tables:
        caption = f"{table.title}. {table.note}" if table.note else table.title
        blocks.append(
            "\n".join(
                [
                    r"\begin{table}",
                    r"\centering",
                    rf"\caption{{{tex(caption)}}}",
                    rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
                    r"\toprule",
                    " & ".join(map(tex, table.columns)) + r" \\",
                    r"\midrule",
                    *(" & ".join(map(tex, row)) + r" \\" for row in table.rows),
                    r"\bottomrule",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )
    return "\n\n".join(blocks) + "\n"


def tex(text: str) -> str:
    """Text with everything that LaTeX would take for a command escaped."""
    return "".join(_TEX.get(letter, letter) for letter in " ".join(text.split()))


def figure(value: float | None, bounds: Sequence[float] | None = None, *, signed: bool = False, digits: int = 4) -> str:
    """``0.9123 [0.9011, 0.9234]``; a dash where it is undefined."""
    if value is None:
        return DASH
    sign = "+" if signed else ""
    told = f"{value:{sign}.{digits}f}"
    if bounds:
        told += f" [{bounds[0]:{sign}.{digits}f}, {bounds[1]:{sign}.{digits}f}]"
    return told.replace("-", "−")


def _chosen(made: Mapping[str, Any]) -> list[str]:
    names = [made["headline"], *(name for name in SHOWN if name != made["headline"])]
    more = [*boundary.CONVENTIONS, *temporal.CONVENTIONS]
    return names + [n for n in more if n not in names and all(n in run["figures"] for run in made["runs"])]


def _figures(made: Mapping[str, Any], chosen: Sequence[str]) -> Table:
    rows = [
        (
            run["name"],
            f"{run['images']:,}",
            *(figure(*_value(run["figures"].get(name))) for name in chosen),
        )
        for run in made["runs"]
    ]
    if len(chosen) > 3 and len(chosen) > len(made["runs"]):  # a figure a row keeps the table narrow
        heads = ("Figure", *(row[0] for row in rows))
        body = [("images", *(row[1] for row in rows))]
        body += [(name, *(row[2 + k] for row in rows)) for k, name in enumerate(chosen)]
    else:
        heads, body = ("Run", "images", *chosen), rows
    notes = [f"In brackets: {100 * made['level']:g} % intervals"]
    units = {(run["unit"], run["groups"]) for run in made["runs"]}
    if len(units) == 1 and not made["runs"][0]["note"]:
        unit, groups = units.pop()
        notes[0] += f", bootstrap over {groups:,} {unit}s"
    absent = sum(run["undefined"]["image_class_pairs"] for run in made["runs"])
    if absent:
        notes.append(f"classes absent from both sides ({absent:,} cases) by policy “{made['empty']}”")
    return Table("Figures", heads, tuple(body), "; ".join([*notes, *made["notes"]]) + ".")


def _differences(one: Mapping[str, Any], chosen: Sequence[str]) -> Table:
    rows = []
    for name in chosen:
        entry = one["figures"].get(name)
        if entry is None:
            continue
        rows.append(
            (
                name + (" (lower is better)" if entry["better"] == "lower" else ""),
                figure(entry["first"]),
                figure(entry["second"]),
                figure(entry["difference"], entry["interval"], signed=True),
                DASH if entry["p_higher"] is None else f"{entry['p_higher']:.3f}",
                DASH if entry["p_value"] is None else f"{entry['p_value']:.3f}",
            )
        )
    heads = ("Figure", one["against"], one["run"], "difference", f"P({one['run']} higher)", "p")
    note = one["note"] or (
        f"Paired over {one['images']:,} images: both runs resampled by the same {one['groups']:,} {one['unit']}s; "
        "p by exchanging the runs' labels"
    )
    left = [f"{len(one[key]):,} images of {one[name]} left out" for key, name in _LEFT if one[key]]
    return Table(f"{one['run']} against {one['against']}", heads, tuple(rows), "; ".join([note, *left]) + ".")


_LEFT = (("only_first", "against"), ("only_second", "run"))


def _slices(made: Mapping[str, Any]) -> list[Table]:
    found = []
    for key, values in made["slices"].items():
        names = [run["name"] for run in made["runs"]]
        rows = []
        for value, runs in values.items():
            one = next(iter(runs.values()))
            cells = [
                figure(runs[name][made["headline"]], runs[name]["intervals"].get(made["headline"]))
                if name in runs
                else DASH
                for name in names
            ]
            rows.append((value, f"{one['images']:,}", f"{one['groups']:,}", *cells))
        unit = next((row["unit"] for runs in values.values() for row in runs.values()), "image")
        bare = any(row["note"] for runs in values.values() for row in runs.values())
        note = f"Slices of too few {unit}s have no interval." if bare else ""
        found.append(Table(f"{made['headline']} by {key}", (key, "images", f"{unit}s", *names), tuple(rows), note))
    return found


def _value(entry: Mapping[str, Any] | None) -> tuple[float | None, Sequence[float] | None]:
    return (entry["value"], entry["interval"]) if entry else (None, None)


def _row(cells: Sequence[str], *, escape: bool = True) -> str:
    return "| " + " | ".join(_plain(cell) if escape else cell for cell in cells) + " |"


def _plain(text: str) -> str:
    flat = " ".join(text.split())
    for letter in "\\`*_|<>":
        flat = flat.replace(letter, f"\\{letter}")
    return flat
