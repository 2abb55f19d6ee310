"""``masksmith predict``: masks of pictures, folders, videos and what a camera sees."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.errors import BadInput, UsageProblem

NOTE = ".predict.json"
PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=PATH)
@click.argument("source", metavar="INPUT")
@click.option("--out", type=PATH, required=True, help="A folder; or a file (.png, .jpg, .mp4) for one kind.")
@click.option(
    "--write",
    "kinds",
    metavar="KINDS",
    callback=options.names,
    help="masks, soft, overlay, cutout, background, with commas between [default: masks, or what --background asks].",
)
@click.option("--background", metavar="WHAT", help="blur, a colour (white, #2b6cb0) or a picture, put behind.")
@click.option("--colour", default="#00bea0", show_default=True, help="Of overlays.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Of hard masks.")
@click.option("--ids", is_flag=True, help="Write 1 for foreground in masks, not 255.")
@click.option("--mp4", is_flag=True, help="Write every kind as a film.")
@click.option("--clip", is_flag=True, help="The pictures of a folder are the frames of one clip, in natural order.")
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Of films [default: the input's, else 25].")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many.")
@click.option("--skip", type=click.FloatRange(0, 100), help="Frames that moved less than this % of late keep a mask.")
@click.option("--no-prior", is_flag=True, help="Do not hand the mask of a frame to the next.")
@click.option("--no-sharp", is_flag=True, help="Do not draw the mask's edge to the picture's.")
@click.option("--runtime", default="auto", show_default=True, help="onnxruntime, openvino, litert, torch.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of the runtime.")
@click.option("--overwrite", is_flag=True, help="Write over the outputs of another prediction.")
@options.dry_run_option
@options.json_option
def predict(**given: Any) -> None:
    """Masks of a picture, a folder, a video or what a camera sees.

    MODEL is an exported file, a run folder or .safetensors; INPUT a picture, a folder of pictures, a video, or camera
    (camera:1, /dev/video2), which Ctrl-C ends. On video each frame gets the mask of the one before. A folder that was
    predicted in part is gone on with.

    \b
    Example:
      masksmith predict person.onnx photos --out predicted
      masksmith predict person.onnx talk.mp4 --background blur --out talk-blurred.mp4
      masksmith predict run camera --write overlay,soft --frames 300 --out seen
    """
    from masksmith import frames

    drawing, kinds = _drawing(given), _kinds(given)
    place = frames.camera_place(given["source"])
    moves, total, source = _source(given, place)
    if given["dry_run"]:
        what = f"{total:,} pictures" if total else "frames"
        shown = {"input": given["source"], "pictures": total, "outputs": list(kinds), "out": str(given["out"])}
        console.emit_json(shown) if given["as_json"] else console.say(
            f"would write {', '.join(kinds)} of {what} of {given['source']} to {given['out']}"
        )
        return
    from masksmith.segmenter import Segmenter

    segmenter = Segmenter(
        given["model"],
        runtime=given["runtime"],
        threads=given["threads"],
        prior=not given["no_prior"],
        skip=given["skip"] if moves else None,
        sharp=not given["no_sharp"],
        say=console.warn,
    )
    _end(given, _write(given, kinds, drawing, segmenter, moves, total, source))


def _source(given: dict[str, Any], place: int | str | None) -> tuple[bool, int | None, Any]:
    """(whether it moves, how many pictures there are, a camera, a video or (name, path) pairs)."""
    from masksmith.frames import Camera, Video
    from masksmith.images import list_images
    from masksmith.video import VIDEO_SUFFIXES

    if place is not None:
        return True, given["frames"], None if given["dry_run"] else Camera(place)
    path = Path(given["source"])
    if path.is_dir():
        from evaluation.inputs import natural

        found = sorted(list_images(path), key=lambda each: natural(each.relative_to(path).as_posix()))
        if not found:
            raise BadInput(path, "a folder of pictures", "no picture in it", "check the path; a video is named itself")
        names: dict[str, Path] = {}
        for each in found[: given["frames"]]:
            name = each.relative_to(path).with_suffix("").as_posix()
            if name in names:
                raise BadInput(each, "one picture of each name", f"{names[name].name} beside it", "rename one of them")
            names[name] = each
        return given["clip"] or given["mp4"], len(names), names
    if path.suffix.lower() in VIDEO_SUFFIXES:
        video = Video(path)
        count = [number for number in (video.expected, given["frames"]) if number]
        return True, min(count) if count else None, video
    if not path.exists():
        raise BadInput(path, "a picture, a folder, a video or camera", "no such file", "check the path")
    return False, 1, {path.stem: path}


def _kinds(given: dict[str, Any]) -> tuple[str, ...]:
    from masksmith.errors import unknown_choice
    from masksmith.outputs import KINDS

    asked: tuple[str, ...] = given["kinds"]
    for kind in asked:
        if kind not in KINDS:
            raise unknown_choice("output", kind, KINDS)
    if given["background"] and "background" not in asked:
        asked = (*asked, "background")
    out: Path = given["out"]
    if not asked:
        asked = ("overlay",) if out.suffix.lower() == ".mp4" else ("masks",)
    if out.suffix and not out.is_dir():
        if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".mp4"):
            raise UsageProblem(f"--out {out}: give a folder, or a file ending in .png, .jpg or .mp4")
        if len(asked) > 1:
            raise UsageProblem(f"--out {out} is one file, and {' and '.join(asked)} are asked for: name a folder")
        if out.suffix.lower() in (".jpg", ".jpeg") and asked[0] in ("masks", "soft", "cutout"):
            raise UsageProblem(f"--out {out}: JPEG would blur {asked[0]}; take .png")
    return asked


def _drawing(given: dict[str, Any]) -> Any:
    from masksmith import overlay
    from masksmith.outputs import Drawing

    behind = None
    if given["background"] == "blur" or given["background"] is None:
        behind = overlay.blurred()
    elif (colour := _colour(given["background"])) is not None:
        behind = overlay.plain(colour)
    elif Path(given["background"]).is_file():
        from masksmith.images import read_image

        behind = overlay.scenery(read_image(given["background"]))
    else:
        raise UsageProblem(
            f"--background {given['background']}: neither blur, nor a colour, nor a picture that is there"
        )
    colour = _colour(given["colour"])
    if colour is None:
        raise UsageProblem(f"--colour {given['colour']}: no colour; write #00bea0 or a name such as teal")
    return Drawing(
        threshold=given["threshold"], foreground=1 if given["ids"] else 255, colour=colour, background=behind
    )


def _colour(text: str) -> tuple[int, int, int] | None:
    from PIL import ImageColor

    with contextlib.suppress(ValueError):
        return ImageColor.getrgb(text)[:3]
    return None


def _write(
    given: dict[str, Any],
    kinds: tuple[str, ...],
    drawing: Any,
    segmenter: Any,
    moves: bool,
    total: int | None,
    source: Any,
) -> dict[str, Any]:
    from masksmith import files
    from masksmith.outputs import FILMED, Outputs

    out: Path = given["out"]
    single = bool(out.suffix) and not out.is_dir()
    if single and not moves and (out.suffix.lower() == ".mp4" or (total or 0) > 1):
        raise UsageProblem(f"--out {out} is one file: for a folder of pictures name a folder, or a film with --clip")
    if single and moves and out.suffix.lower() != ".mp4":
        raise UsageProblem(f"--out {out} is one picture, and the input moves: name a folder or an .mp4")
    every = given["mp4"] or (single and moves)
    films = [kind for kind in kinds if moves and (every or kind in FILMED)]
    if every and "cutout" in kinds:
        raise UsageProblem("cutout: a film has no opacity; write soft and background instead")
    with contextlib.ExitStack() as held:
        if not single:
            held.enter_context(files.sole_writer(files.writable(out)))
            _ours(given, kinds)
        fps = given["fps"] or getattr(source, "fps", 25.0)
        outputs = held.enter_context(Outputs(out, kinds, drawing, films=films, fps=fps))
        found = (_moving if moves else _stills)(given, segmenter, outputs, source, total)
    if not single:
        files.sync(out)
    return {**found, "written": [str(path) for path in outputs.written]}


def _ours(given: dict[str, Any], kinds: tuple[str, ...]) -> None:
    """Note which prediction a folder holds; files of another one are not taken for this one's."""
    import json

    from masksmith import files

    settings = ("background", "colour", "threshold", "ids", "clip", "skip", "no_prior", "no_sharp")
    told = {"format": "masksmith-prediction-1", "kinds": sorted(kinds), **{key: given[key] for key in settings}}
    told["input"] = str(Path(given["source"]).resolve())
    model: Path = given["model"]
    weights = model / "best.safetensors" if model.is_dir() else model
    told["model"] = {"name": model.name, "sha256": files.sha256(weights) if weights.is_file() else None}
    note: Path = given["out"] / NOTE
    if note.is_file() and not given["overwrite"]:
        try:
            before = json.loads(note.read_text())
        except ValueError:
            before = None
        if before != json.loads(json.dumps(told)):
            fix = "name another folder, or write over it with --overwrite"
            raise BadInput(given["out"], "the outputs of this very prediction", "those of another one", fix)
    files.write_json(note, told)


def _stills(
    given: dict[str, Any], segmenter: Any, outputs: Any, source: dict[str, Path], total: int | None
) -> dict[str, Any]:
    """Every picture by itself; what cannot be read is named, and the others are done."""
    from masksmith.images import read_image

    start, done, kept, bad = time.monotonic(), 0, 0, []
    with console.progress("predicting", len(source), unit="pictures ") as advance:
        for name, path in source.items():
            if not outputs.single and not given["overwrite"] and outputs.there(name, path.stat().st_mtime_ns):
                kept += 1
            else:
                try:
                    image = read_image(path)
                    outputs.add(name, image, segmenter(image))
                    done += 1
                except BadInput as fault:
                    if len(source) == 1:
                        raise
                    bad.append(str(fault))
                    console.warn(str(fault))
            advance(1)
    unread = f"{len(bad)} of {len(source)} pictures that cannot be read (named above)" if bad else ""
    return _figures(done, done, start) | {"kept": kept, "fault": unread}


def _moving(given: dict[str, Any], segmenter: Any, outputs: Any, source: Any, total: int | None) -> dict[str, Any]:
    """A clip; Ctrl-C ends a camera, and what came before it is kept."""
    from masksmith.frames import Camera

    camera = isinstance(source, Camera)
    if camera and not given["frames"]:
        console.note(f"{source.name}: Ctrl-C ends it")
    start, count = time.monotonic(), 0
    ends: tuple[type[BaseException], ...] = (KeyboardInterrupt,) if camera else ()
    with contextlib.suppress(*ends), console.progress("predicting", total or 0, unit="frames ") as advance:
        for name, image in _named(source):
            outputs.add(name, image, segmenter.step(image))
            count += 1
            advance(1)
            if count == given["frames"]:
                break
    if not count:
        raise BadInput(given["source"], "a video with frames", "not one that decodes", "export it again")
    fault = getattr(source, "fault", "")
    return _figures(count, segmenter.predicted, start) | {"kept": 0, "fault": fault}


def _named(source: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(source, dict):
        from masksmith.images import read_image

        for name, path in source.items():
            yield name, read_image(path)
        return
    for number, image in enumerate(source):
        yield f"{number:06d}", image


def _figures(count: int, predicted: int, start: float) -> dict[str, Any]:
    seconds = time.monotonic() - start
    return {"frames": count, "predicted": predicted, "seconds": seconds, "fps": count / seconds if seconds else None}


def _end(given: dict[str, Any], found: dict[str, Any]) -> None:
    if given["as_json"]:
        console.emit_json({"input": given["source"], "model": str(given["model"]), **found})
    else:
        skipped = found["frames"] - found["predicted"]
        parts = [
            f"{found['frames']:,} predicted" if not skipped else f"{found['frames']:,} frames, {skipped:,} skipped"
        ]
        parts += [f"{found['kept']:,} were there"] if found["kept"] else []
        parts += [f"{found['fps']:.1f} a second"] if found["frames"] else []
        console.note(", ".join(parts))
        for path in found["written"]:
            console.say(path)
    if found["fault"]:
        fix = "what was predicted is kept; replace it and run the same command again"
        raise BadInput(given["source"], "an input that is readable to its end", found["fault"], fix)
