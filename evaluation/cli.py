"""``masksmith jitter``: how still the masks of a clip are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    from evaluation.temporal import ClipFigures


@click.command()
@click.argument("pred", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path), required=False)
@click.option("--soft", is_flag=True, help="Predictions are grey levels, 0 to 255 for 0 to 1.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Foreground from here on."
)
@click.option("--at", "size", metavar="SIZE", help="Compare at this size: truth, pred or HEIGHTxWIDTH.")
@options.seed_option
@options.json_option
def jitter(
    pred: Path, truth: Path | None, soft: bool, threshold: float, size: str | None, seed: int, as_json: bool
) -> None:
    """Judge how still the masks of a clip are.

    PRED and TRUTH are folders of frames, or of one sub-folder per clip. Without TRUTH only flicker can be told.

    \b
    Example:
      masksmith jitter predicted/dance-twirl DAVIS/Annotations/480p/dance-twirl --json
    """
    from evaluation import inputs, temporal
    from masksmith.errors import BadInput, UsageProblem

    if truth is None and size is not None:
        raise UsageProblem("--at needs a TRUTH to compare with")
    reader = inputs.Reader(inputs.Size.parse(size), soft, threshold)
    clips, says = _with_truth(pred, truth, reader) if truth is not None else _alone(pred, reader)
    found = temporal.summarise(clips, seed=seed)
    console.note(says)
    if found["left_out"]:
        console.warn(f"left out, one frame only: {', '.join(found['left_out'])}")
    if not found["clips"]:
        raise BadInput(pred, "clips of at least 2 frames", "none", "give a folder of frames, or of clips")
    if truth is None:
        console.note("no truth given: flicker only (flicker_excess and dtssd need it)")
    if as_json:
        console.emit_json({**found, "frames": sum(clip["frames"] for clip in found["clips"]), "read_as": says})
        return
    names = [name for name in temporal.CONVENTIONS if found[name] is not None]
    rows: list[list[Any]] = [
        [clip["clip"], clip["frames"], *("-" if clip[name] is None else clip[name] for name in names)]
        for clip in found["clips"]
    ]
    if len(rows) > 1:
        rows.append(["mean over clips", sum(row[1] for row in rows), *(found[name] for name in names)])
    console.table("", ["clip", "frames", *names], rows)


def _with_truth(pred: Path, truth: Path, reader: Any) -> tuple[list[ClipFigures], str]:
    from evaluation import inputs
    from evaluation.coding import CodingCheck

    pairs = {pair.name: pair for pair in inputs.pair_folders(pred, truth)}
    groups = inputs.clips(pairs, pred)
    check = CodingCheck(soft=reader.soft)
    with console.progress("reading", len(pairs), unit="frames ") as advance:
        for _ in inputs.learn(pairs.values(), reader, check):
            advance(1)
    coding = check.settle()
    return _judged(groups, lambda name: reader.frame(pairs[name], coding), reader, pairs), coding.says


def _alone(pred: Path, reader: Any) -> tuple[list[ClipFigures], str]:
    from evaluation import inputs
    from evaluation.coding import CodingCheck
    from evaluation.counts import present_values

    paths = inputs.named_files(pred)
    groups = inputs.clips(paths, pred)
    check = CodingCheck(soft=reader.soft)
    with console.progress("reading", len(paths), unit="frames ") as advance:
        for path in paths.values():
            check.add_pred(path, present_values(inputs.read(path)))
            advance(1)
    coding = check.settle_alone()
    return _judged(groups, lambda name: (reader.alone(paths[name], coding), None), reader, paths), coding.says


def _judged(groups: Any, read: Any, reader: Any, where: Any) -> list[ClipFigures]:
    from evaluation.temporal import ClipJudge
    from masksmith.errors import BadInput

    clips = []
    with console.progress("judging", sum(len(group.frames) for group in groups), unit="frames ") as advance:
        for group in groups:
            judge = ClipJudge(group.name, threshold=reader.threshold, step=group.step)
            for position, name in enumerate(group.frames):
                mask, truth = read(name)
                try:
                    judge.update(mask, truth, frame=group.numbers[position] if group.numbers else None)
                except ValueError as fault:
                    raise BadInput(
                        getattr(where[name], "pred", where[name]),
                        "frames of one size",
                        str(fault),
                        "resize them, or use --at",
                    ) from None
                advance(1)
            clips.append(judge.figures())
    return clips
