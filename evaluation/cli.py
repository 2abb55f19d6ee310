"""``masksmith jitter``: how still the masks of a clip are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    from evaluation.inputs import Reader
    from evaluation.skipping import SkipCurve
    from evaluation.temporal import ClipFigures


def _alphas(_: click.Context, __: click.Parameter, value: str | None) -> tuple[float, ...]:
    """Callback for a comma-separated list of percentages."""
    try:
        found = tuple(float(part) for part in (value or "").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter("write it as 0,50,80,95") from None
    if not all(0 <= alpha <= 100 for alpha in found) or (value is not None and not found):
        raise click.BadParameter("percentages from 0 to 100, with commas between")
    return found


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
    "--motion",
    "known",
    type=click.Path(path_type=Path),
    help="Known motion instead: .npz, .npy or .flo of each frame, (dx, dy) back to the frame before.",
)
@click.option(
    "--band",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Half width of the boundary's band [default: 2 % of the diagonal].",
)
@click.option(
    "--skip-curve",
    callback=_alphas,
    metavar="ALPHAS",
    help="Quality against frame skipping at these percentiles, such as 0,50,80,95; needs TRUTH and --frames.",
)
@click.option(
    "--skip-floor", type=click.FloatRange(0), metavar="LEVELS", help="Grey levels that a frame must differ by at least."
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
    known: Path | None,
    band: int | None,
    skip_curve: tuple[float, ...],
    skip_floor: float | None,
    seed: int,
    as_json: bool,
) -> None:
    """Judge how still the masks of a clip are.

    PRED and TRUTH are folders of frames, or of one sub-folder per clip. Without TRUTH only flicker can be told, and
    warp_iou where --frames gives the pictures (of the same names) or --motion the motion.

    \b
    Example:
      masksmith jitter predicted/dance-twirl DAVIS/Annotations/480p/dance-twirl --json
      masksmith jitter predicted DAVIS/Annotations/480p --frames DAVIS/JPEGImages/480p
      masksmith jitter predicted truth --frames frames --skip-curve 0,50,80,95
    """
    from evaluation import inputs, motion, motion_files, temporal
    from evaluation.skipping import SkipCurve
    from masksmith.errors import BadInput, UsageProblem

    if truth is None and size is not None and not (frames and size == "pred"):
        raise UsageProblem("--at needs a TRUTH to compare with (or --frames with --at pred)")
    if skip_curve and not (truth and frames):
        raise UsageProblem("--skip-curve needs the TRUTH, and the pictures that are compared (--frames)")
    if skip_floor is not None and not skip_curve:
        raise UsageProblem("--skip-floor goes with --skip-curve")
    motion.Estimator(flow)
    reader = inputs.Reader(inputs.Size.parse(size), soft, threshold)
    judging = _Judging(
        reader,
        inputs.named_files(frames) if frames else None,
        motion_files.named_motions(known) if known else None,
        SkipCurve(skip_curve, threshold=threshold, floor=skip_floor) if skip_curve else None,
        {"flow": flow, "band": band},
    )
    clips, says = _with_truth(pred, truth, judging) if truth is not None else _alone(pred, judging)
    found = temporal.summarise(clips, seed=seed)
    console.note(says)
    if found["left_out"]:
        console.warn(f"left out, one frame only: {', '.join(found['left_out'])}")
    if not found["clips"]:
        raise BadInput(pred, "clips of at least 2 frames", "none", "give a folder of frames, or of clips")
    if truth is None:
        moved = "and warp_iou " if frames or known else ""
        console.note(f"no truth given: flicker {moved}only (the other figures need it)")
    if known:
        console.note(f"motion: known, from the files in {known}")
    elif frames:
        console.note(f"motion: optical flow ({flow}) of the pictures in {frames}")
    else:
        console.note("motion: none; warp_iou is left out (--frames gives the pictures it needs, --motion the motion)")
    short = {name: found["undefined_clips"][name] for name in ("vc8", "vc16") if truth is not None}
    for name, number in short.items():
        if number:
            why = f"fewer than {name[2:]} frames, or no truth at rest"
            console.note(f"{name} is undefined in {number:,} of {len(clips):,} clips ({why})")
    curve = {"skip_curve": judging.curve.rows()} if judging.curve else {}
    if as_json:
        total = sum(clip["frames"] for clip in found["clips"])
        console.emit_json({**found, "frames": total, "read_as": says, **curve})
        return
    names = [name for name in temporal.CONVENTIONS if found[name] is not None]
    rows: list[list[Any]] = [
        [clip["clip"], clip["frames"], *("-" if clip[name] is None else clip[name] for name in names)]
        for clip in found["clips"]
    ]
    if len(rows) > 1:
        rows.append(["mean over clips", sum(row[1] for row in rows), *(found[name] for name in names)])
    console.table("", ["clip", "frames", *names], rows)
    if curve:
        shown = ("alpha", "realised_skip_rate", "iou_fg_image", "miou_image", "iou_fg_dataset", "flicker")
        points = [[f"{row['alpha']:g}", *(row[name] for name in shown[1:])] for row in curve["skip_curve"]]
        console.table("frames skipped", shown, points)


@dataclass(frozen=True)
class _Judging:
    """How clips are read and judged: ``pictures`` and ``motions`` by frame name, ``options`` of a ClipJudge."""

    reader: Reader
    pictures: dict[str, Path] | None
    motions: dict[str, Path] | None
    curve: SkipCurve | None
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
    from evaluation.motion_files import read_motion
    from evaluation.temporal import ClipJudge
    from masksmith.errors import BadInput

    _all_there("--frames", "a picture of each frame", judging.pictures, [n for group in groups for n in group.frames])
    moving = [name for group in groups for name in group.frames[1:]]
    _all_there("--motion", "the motion of each frame but a clip's first", judging.motions, moving)
    clips = []
    with console.progress("judging", sum(len(group.frames) for group in groups), unit="frames ") as advance:
        for group in groups:
            judge = ClipJudge(group.name, threshold=judging.reader.threshold, step=group.step, **judging.options)
            for position, name in enumerate(group.frames):
                mask, truth = read(name)
                number = group.numbers[position] if group.numbers else None
                picture = _picture(judging, name, mask.shape) if judging.pictures is not None else None
                moved = read_motion(judging.motions[name]) if judging.motions is not None and position else None
                seen = picture if judging.motions is None else None
                try:
                    judge.update(mask, truth, frame=number, picture=seen, known=moved)
                    if judging.curve is not None and picture is not None:
                        judging.curve.update(picture, mask, truth, clip=group.name)
                except ValueError as fault:
                    raise BadInput(
                        getattr(where[name], "pred", where[name]),
                        "frames of one size" + (", and their motion" if moved else ""),
                        str(fault),
                        "resize them, or use --at",
                    ) from None
                advance(1)
            clips.append(judge.figures())
    return clips


def _all_there(option: str, what: str, files: dict[str, Path] | None, names: list[str]) -> None:
    from masksmith.errors import BadInput

    lacking = [name for name in names if name not in files] if files is not None else []
    if lacking:
        shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise BadInput(option, what, f"{len(lacking):,} missing: {shown}", "add them")


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
