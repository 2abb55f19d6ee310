"""``masksmith jitter``: how still the masks of a clip are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    from evaluation.inputs import Reader
    from evaluation.temporal import ClipFigures


@click.command()
@click.argument("pred", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path), required=False)
@click.option("--soft", is_flag=True, help="Predictions are grey levels, 0 to 255 for 0 to 1.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Foreground from here on."
)
@click.option("--at", "size", metavar="SIZE", help="Compare at this size: truth, pred or HEIGHTxWIDTH.")
@click.option("--frames", type=click.Path(path_type=Path), help="Pictures of the frames, for the motion of warp_iou.")
@click.option("--flow", default="dis", show_default=True, help="How motion is estimated: dis or farneback.")
@click.option(
    "--band",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Half width of the boundary's band [default: 2 % of the diagonal].",
)
@options.seed_option
@options.json_option
def jitter(
    pred: Path,
    truth: Path | None,
    soft: bool,
    threshold: float,
    size: str | None,
    frames: Path | None,
    flow: str,
    band: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Judge how still the masks of a clip are.

    PRED and TRUTH are folders of frames, or of one sub-folder per clip. Without TRUTH only flicker can be told, and
    warp_iou where --frames gives the pictures (of the same names).

    \b
    Example:
      masksmith jitter predicted/dance-twirl DAVIS/Annotations/480p/dance-twirl --json
      masksmith jitter predicted DAVIS/Annotations/480p --frames DAVIS/JPEGImages/480p
    """
    from evaluation import inputs, motion, temporal
    from masksmith.errors import BadInput, UsageProblem

    if truth is None and size is not None and not (frames and size == "pred"):
        raise UsageProblem("--at needs a TRUTH to compare with (or --frames with --at pred)")
    motion.Estimator(flow)
    reader = inputs.Reader(inputs.Size.parse(size), soft, threshold)
    pictures = inputs.named_files(frames) if frames else None
    judging = _Judging(reader, pictures, {"flow": flow, "band": band})
    clips, says = _with_truth(pred, truth, judging) if truth is not None else _alone(pred, judging)
    found = temporal.summarise(clips, seed=seed)
    console.note(says)
    if found["left_out"]:
        console.warn(f"left out, one frame only: {', '.join(found['left_out'])}")
    if not found["clips"]:
        raise BadInput(pred, "clips of at least 2 frames", "none", "give a folder of frames, or of clips")
    if truth is None:
        console.note(f"no truth given: flicker {'and warp_iou ' if frames else ''}only (the other figures need it)")
    if frames:
        console.note(f"motion: optical flow ({flow}) of the pictures in {frames}")
    else:
        console.note("motion: none; warp_iou is left out (--frames gives the pictures it needs)")
    short = {name: found["undefined_clips"][name] for name in ("vc8", "vc16") if truth is not None}
    for name, number in short.items():
        if number:
            why = f"fewer than {name[2:]} frames, or no truth at rest"
            console.note(f"{name} is undefined in {number:,} of {len(clips):,} clips ({why})")
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


@dataclass(frozen=True)
class _Judging:
    """How clips are read and judged: ``pictures`` by frame name, ``options`` of a ClipJudge."""

    reader: Reader
    pictures: dict[str, Path] | None
    options: dict[str, Any]


def _with_truth(pred: Path, truth: Path, judging: _Judging) -> tuple[list[ClipFigures], str]:
    from evaluation import inputs
    from evaluation.coding import CodingCheck

    reader = judging.reader
    pairs = {pair.name: pair for pair in inputs.pair_folders(pred, truth)}
    groups = inputs.clips(pairs, pred)
    check = CodingCheck(soft=reader.soft)
    with console.progress("reading", len(pairs), unit="frames ") as advance:
        for _ in inputs.learn(pairs.values(), reader, check):
            advance(1)
    coding = check.settle()
    return _judged(groups, lambda name: reader.frame(pairs[name], coding), judging, pairs), coding.says


def _alone(pred: Path, judging: _Judging) -> tuple[list[ClipFigures], str]:
    from evaluation import inputs
    from evaluation.coding import CodingCheck
    from evaluation.counts import present_values

    reader = judging.reader
    paths = inputs.named_files(pred)
    groups = inputs.clips(paths, pred)
    check = CodingCheck(soft=reader.soft)
    with console.progress("reading", len(paths), unit="frames ") as advance:
        for path in paths.values():
            check.add_pred(path, present_values(inputs.read(path)))
            advance(1)
    coding = check.settle_alone()
    return _judged(groups, lambda name: (reader.alone(paths[name], coding), None), judging, paths), coding.says


def _judged(groups: Any, read: Any, judging: _Judging, where: Any) -> list[ClipFigures]:
    from evaluation.temporal import ClipJudge
    from masksmith.errors import BadInput

    if judging.pictures is not None:
        lacking = [name for group in groups for name in group.frames if name not in judging.pictures]
        if lacking:
            shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            raise BadInput("--frames", "a picture of each frame", f"{len(lacking):,} missing: {shown}", "add them")
    clips = []
    with console.progress("judging", sum(len(group.frames) for group in groups), unit="frames ") as advance:
        for group in groups:
            judge = ClipJudge(group.name, threshold=judging.reader.threshold, step=group.step, **judging.options)
            for position, name in enumerate(group.frames):
                mask, truth = read(name)
                number = group.numbers[position] if group.numbers else None
                picture = _picture(judging, name, mask.shape) if judging.pictures is not None else None
                try:
                    judge.update(mask, truth, frame=number, picture=picture)
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


def _picture(judging: _Judging, name: str, size: tuple[int, int]) -> Any:
    """The picture of a frame, at the size that was chosen for the masks; at its own where none was."""
    from masksmith import images
    from masksmith.errors import BadInput

    path = (judging.pictures or {})[name]
    picture = images.read_image(path)
    if judging.reader.size.at is not None:
        return images.resize_image(picture, *size)
    if picture.shape[:2] != size:
        raise BadInput(
            path,
            f"{size[1]} x {size[0]} pixels (width x height) as in the mask",
            f"{picture.shape[1]} x {picture.shape[0]}",
            "give pictures of the masks' size, or choose one with --at",
        )
    return picture
