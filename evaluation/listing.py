"""The report's tables: every figure with its interval and its undefined cases, classes, slices and clips."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluation import boundary, plots, region, temporal
from masksmith.console import counted
from masksmith.html import number, text

MOST_ROWS = 25
NAMES = {
    "iou_fg_image": "IoU, foreground, per image",
    "miou_image": "Mean IoU, per image",
    "iou_fg_dataset": "IoU, foreground, dataset",
    "miou_dataset": "Mean IoU, dataset",
    "dice_fg_image": "Dice, foreground, per image",
    "mdice_image": "Mean Dice, per image",
    "dice_fg_dataset": "Dice, foreground, dataset",
    "mdice_dataset": "Mean Dice, dataset",
    "pixel_accuracy": "Pixel accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "boundary_iou": "Boundary IoU",
    "boundary_f": "Boundary F",
    "hausdorff95": "Hausdorff distance, 95 %, px",
    "surface_dice": "Surface Dice",
    "flicker": "Flicker",
    "flicker_excess": "Flicker excess",
    "dtssd": "dtSSD",
    "warp_iou": "Warp IoU",
    "boundary_jitter_px": "Boundary jitter, px",
    "boundary_flip_rate": "Boundary flip rate",
    "vc8": "Video consistency, 8 frames",
    "vc16": "Video consistency, 16 frames",
    "coco_ap": "COCO AP",
    "ece": "Calibration error (ECE)",
    "brier": "Brier score",
    "sad": "SAD of mattes",
    "mse": "MSE of mattes",
    "gradient_error": "Gradient error of mattes",
    "connectivity_error": "Connectivity error of mattes",
}
CONVENTIONS: Mapping[str, str] = {**region.CONVENTIONS, **boundary.CONVENTIONS, **temporal.CONVENTIONS}
_FURTHER = ("coco_ap", "ece", "brier", "sad", "mse", "gradient_error", "connectivity_error")
_EMPTY = {"one": "count as IoU 1", "zero": "count as IoU 0", "skip": "are left out of the means"}
_PER_IMAGE = frozenset({"iou_fg_image", "dice_fg_image", "boundary_iou", "boundary_f", "surface_dice"})
_PAIRS = frozenset({"miou_image", "mdice_image"})
_DATASET = frozenset({"miou_dataset", "mdice_dataset"})


def figures(made: Mapping[str, Any]) -> str:
    """Every figure of a document: convention, value, interval, how often it was undefined."""
    bounds, lead = made["intervals"]["values"], made["headline"]["name"]
    shares = [*region.CONVENTIONS, *(name for name in boundary.CONVENTIONS if name in boundary.HIGHER)]
    shown = [name for name in shares if made.get(name) is not None]
    lowest = min([made[name] for name in shown] + [bounds[name][0] for name in shown if name in bounds], default=0)
    floor = max(0.0, math.floor((lowest - 0.02) * 10) / 10)
    rows = []
    for name, convention in CONVENTIONS.items():
        if name in made:
            if name == "surface_dice" and "surface_dice_px" in made:
                convention = convention.replace("a tolerance", f"{made['surface_dice_px']:g} px")
            drawn = plots.interval(made[name], bounds.get(name), floor, 1.0) if name in shares else ""
            rows.append(_row(NAMES[name], convention, name, made, drawn, lead == name))
    for name in further(made):
        rows.append(_row(NAMES[name], "", name, made, "", lead == name))
    for x, share in made["map_at_x"].items():
        name = region.at_name(float(x))
        drawn = plots.interval(share, bounds.get(name), floor, 1.0) if share is not None and share >= floor else ""
        why = f"share of (image, class) pairs with IoU of at least {x}"
        rows.append(_row(f"mAP@{x}", why, name, {**made, name: share}, drawn, lead == name))
    head = "".join(
        f'<th scope="col"{kind}>{inner}</th>'
        for kind, inner in (
            ("", _sorter("Figure")),
            ("", _sorter("Value")),
            ("", "95 % interval"),
            (' class="loose"', _sorter("Undefined")),
            (' class="plotted"', f"{floor:g} to 1"),
        )
    )
    return (
        "<section><h2>Figures</h2><p class='lead'>Four different quantities are called “IoU” in the field. "
        f"All four are here; say which one you quote. {text(policy(made))}</p><div class='wide'>"
        f"<table class='sorts'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def further(made: Mapping[str, Any]) -> list[str]:
    """Figures of a document that not every evaluation has: calibration, mattes, instances."""
    return [name for name in _FURTHER if isinstance(made.get(name), float | int)]


def policy(made: Mapping[str, Any]) -> str:
    """What happens to a class that is absent from both sides, and how often it was so."""
    undefined = made["undefined"]
    cases = undefined["image_class_pairs"]
    what = f"Classes absent from both an image's truth and its prediction {_EMPTY[undefined['policy']]}"
    if not cases:
        return f"{what} (--empty {undefined['policy']}); there were none."
    return f"{what} (--empty {undefined['policy']}); it happened {counted(cases, 'time')}."


def undefined(made: Mapping[str, Any], name: str) -> int:
    """How often a figure was undefined: images, (image, class) pairs, classes or clips, as it is averaged."""
    found = made["undefined"]
    if name == "hausdorff95":
        return int(found.get("hausdorff95_images", 0)) + int(found["foreground_images"])
    if name in _PER_IMAGE:
        return int(found["foreground_images"])
    if name in _PAIRS or name.startswith("map_at_"):
        return int(found["image_class_pairs"])
    if name in _DATASET:
        return int(found["dataset_classes"])
    return int(made.get("undefined_clips", {}).get(name, 0))


def classes(made: Mapping[str, Any]) -> str:
    """The figures of each class."""
    if len(made["classes"]) < 2:
        return ""
    columns = ("iou_image", "iou_dataset", "dice_image", "dice_dataset")
    edges = [name for name in boundary.CONVENTIONS if name in made["classes"][0]]
    heads = ("Class", "Images with it", "IoU per image", "IoU dataset", "Dice per image", "Dice dataset")
    table = sortable(
        (*heads, *(NAMES[name] for name in edges)),
        (
            (
                f"{row['name']} ({row['id']})",
                f"{row['images']:,}",
                *(number(row[name]) for name in columns),
                *(number(row[name] if row["id"] else None) for name in edges),
            )
            for row in made["classes"]
        ),
    )
    return f"<section><h2>Classes</h2>{table}</section>"


def slice_of(key: str, rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """One key's slices, each with a bar for a figure.

    Args:
        name: the figure drawn and sorted by, where the rows have it.
    """
    lead = name if name in rows[0] else "iou_fg_image"
    ordered = sorted(rows, key=lambda row: (row[lead] is None, row[lead] or 0, str(row["value"])))
    others = [n for n in ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset") if n in rows[0] and n != lead]
    edges = [n for n in boundary.CONVENTIONS if n in rows[0] and n != lead]
    heads = [_sorter(key.capitalize()), _sorter("Images"), _sorter(NAMES.get(lead, lead)), "95 % interval"]
    labels = "".join(f'<th scope="col">{head}</th>' for head in heads)
    labels += '<th scope="col" class="plotted">0 to 1</th>'
    labels += "".join(f'<th scope="col" class="loose">{_sorter(NAMES[n])}</th>' for n in (*others, *edges))
    lines = []
    for row in ordered[:MOST_ROWS]:
        pair = (row.get("intervals") or {}).get(lead)
        told = f"{number(pair[0], 3)} – {number(pair[1], 3)}" if pair else ""
        drawn = plots.bar(row[lead], pair) if row[lead] is not None and lead in region.CONVENTIONS else ""
        lines.append(
            f"<tr><td>{text(row['value'])}</td><td>{row['images']:,}</td><td>{number(row[lead])}</td>"
            f'<td class="pair"{_why(row)}>{told}</td><td class="plotted">{drawn}</td>'
            + "".join(f'<td class="loose">{number(row[n])}</td>' for n in (*others, *edges))
            + "</tr>"
        )
    return (
        f'<section><h2>By {text(key)}</h2><p class="lead">{len(rows):,} in all.{_more(len(rows), "worst first")}</p>'
        f'<div class="wide"><table class="sorts"><thead><tr>{labels}</tr></thead><tbody>{"".join(lines)}</tbody>'
        "</table></div></section>"
    )


def clips(made: Mapping[str, Any]) -> str:
    """The time figures of each clip, the most restless first."""
    rows = sorted(made["clips"], key=lambda clip: (-(clip["flicker"] or 0), str(clip["clip"])))
    columns = {
        "flicker": "Flicker",
        "truth_flicker": "Truth’s own",
        "flicker_excess": "Excess",
        "dtssd": "dtSSD",
        "warp_iou": "Warp IoU",
        "boundary_jitter_px": "Jitter, px",
        "boundary_flip_rate": "Flips",
        "vc8": "VC8",
        "vc16": "VC16",
    }
    shown = [name for name in columns if any(clip.get(name) is not None for clip in rows)]
    table = sortable(
        ("Clip", "Frames", *(columns[name] for name in shown)),
        (
            (clip["clip"], f"{clip['frames']:,}", *(number(clip.get(name)) for name in shown))
            for clip in rows[:MOST_ROWS]
        ),
    )
    left = made.get("left_out")
    said = f" Left out, one frame only: {', '.join(map(str, left[:8]))}." if left else ""
    along = {None: "", "identity": " Boundary figures compare the same pixels: no motion was given."}
    moved = along.get(made.get("motion"), f" Boundary figures and warp IoU go along the motion: {made.get('motion')}.")
    lead = f"Lower is stiller, but higher in warp IoU and VC.{moved}{_more(len(rows), 'most restless first')}{said}"
    return f'<p class="lead">{text(lead)}</p>{table}'


def sortable(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of escaped cells whose headings sort it."""
    head = "".join(f'<th scope="col">{_sorter(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table class="sorts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(label: str, why: str, name: str, made: Mapping[str, Any], drawn: str, lead: bool) -> str:
    pair = made["intervals"]["values"].get(name)
    told = f"{number(pair[0], 3)} – {number(pair[1], 3)}" if pair else ""
    kind = ' class="lead-row"' if lead else ""
    said = f"{text(why)} (<code>{text(name)}</code>)" if why else f"<code>{text(name)}</code>"
    times = undefined(made, name)
    return (
        f'<tr{kind}><td data-v="{text(label)}">{text(label)}<span class="why">{said}</span></td>'
        f'<td>{number(made[name])}</td><td class="pair">{told}</td>'
        f'<td class="loose">{times:,}</td><td class="plotted">{drawn}</td></tr>'
    )


def _sorter(label: str) -> str:
    return f'<button type="button">{text(label)}</button>'


def _why(row: Mapping[str, Any]) -> str:
    return f' title="{text(row["note"])}"' if row.get("note") else ""


def _more(rows: int, order: str) -> str:
    if rows <= MOST_ROWS:
        return f" {order.capitalize()}."
    return f" {order.capitalize()}; {MOST_ROWS} of {rows:,} are shown, all are in report.json."
