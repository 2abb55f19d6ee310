"""``masksmith mattes``: soft masks against soft truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksmith import console, options


@click.command()
@click.argument("pred", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.option("--trimaps", type=click.Path(path_type=Path), help="Judge only pixels that are 128 in these pictures.")
@options.seed_option
@options.json_option
def mattes(pred: Path, truth: Path, trimaps: Path | None, seed: int, as_json: bool) -> None:
    """Judge soft masks against soft truth.

    PRED and TRUTH are folders of mattes of the same names: grey levels, 0 to 255 (or 65535) for 0 to 1. The errors are
    those of the matting literature: SAD, MSE, gradient and connectivity. Against hard truth, use evaluate --soft.

    \b
    Example:
      masksmith mattes predicted alpha --json
      masksmith mattes predicted alpha --trimaps trimaps
    """
    from evaluation import inputs, intervals, matting, stored

    pairs = inputs.pair_folders(pred, truth)
    unknown = inputs.named_files(trimaps) if trimaps else {}
    _all_there(trimaps, [pair.name for pair in pairs if trimaps and pair.name not in unknown])
    rows: list[dict[str, Any]] = []
    with console.progress("judging", len(pairs), unit="pairs ") as advance:
        for pair in pairs:
            judged = stored.read_ids(unknown[pair.name]) == 128 if trimaps else None
            rows.append({"id": pair.name, **_measured(pair, judged)})
            advance(1)
    found: dict[str, Any] = {}
    bounds: dict[str, tuple[float, float]] = {}
    for name in matting.CONVENTIONS:
        values = [row[name] for row in rows if row[name] == row[name]]
        found[name] = sum(values) / len(values) if values else None
        if interval := intervals.mean_interval(values, seed=seed):
            bounds[name] = interval
    lone = sum(row["mse"] != row["mse"] for row in rows)
    if lone:
        console.note(f"mse: {lone:,} images without a judged pixel are left out")
    if as_json:
        console.emit_json({**found, "images": len(rows), "intervals": bounds, "per_image": rows})
        return
    shown = [
        [
            name,
            "undefined" if value is None else value,
            "{:.4f} to {:.4f}".format(*bounds[name]) if name in bounds else "",
        ]
        for name, value in found.items()
    ]
    console.table(f"{len(rows):,} mattes", ["error", "mean", "95 % interval"], shown)


def _measured(pair: Any, judged: Any) -> dict[str, float]:
    from dataclasses import asdict

    from evaluation import matting, stored
    from masksmith.errors import BadInput

    try:
        return asdict(matting.measure(stored.read_level(pair.pred), stored.read_level(pair.truth), judged=judged))
    except ValueError as fault:
        raise BadInput(pair.pred, "a matte of the truth's size", str(fault), "predict at the truth's size") from None


def _all_there(trimaps: Path | None, lacking: list[str]) -> None:
    from masksmith.errors import BadInput

    if lacking:
        shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise BadInput(trimaps, "a trimap of each matte", f"{len(lacking):,} missing: {shown}", "add them")
