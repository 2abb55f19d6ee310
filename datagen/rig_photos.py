"""Photos of a four-camera scanner rig (document F) with masks or as cut-outs, checked and written as a manifest.

Document F photographs feet with four fixed cameras and composes those pictures onto floors. Here such a folder becomes
records with ``camera`` and ``subject`` to group by; a cut-out's soft edge is kept beside its mask for composing.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

from datagen.compose import CLASSES
from datagen.foot import SIDES
from manifests import Info, ManifestWriter, Record
from masksmith import __version__, files, images
from masksmith.engine import Engine, Shard, cut
from masksmith.errors import BadInput, MasksmithError
from masksmith.receipts import FOLDER, Receipts

TABLE = "photos.csv"
CAMERAS = 4
_SHARD = 32
_NAME = re.compile(
    r"^(?P<subject>.+?)(?:[ _.-]+(?P<side>left|right|l|r))?[ _.-]+(?:camera|cam|view|c)[ _.-]?(?P<camera>\d+)$",
    re.IGNORECASE,
)
_MASK_TAIL = re.compile(r"[ _.-]+(?:mask|alpha|matte)$", re.IGNORECASE)
_MASK_FOLDERS = ("masks", "mask", "alphas")
_SOFT_SHARE = 0.25  # of the pixels: a mask with more half tones is no mask of a foot
_SMALL_SHARE = 0.005


@dataclass(frozen=True)
class Photo:
    """A picture that is known to be there; ``mask`` None = the picture's own alpha, ``camera`` None = unknown."""

    path: Path
    mask: Path | None
    subject: str
    camera: str | None
    side: str | None = None
    licence: str = "unknown"


@dataclass(frozen=True)
class Looked:
    """A checked photo.

    Attributes:
        size: (height, width) in pixels, upright.
        mask: (H, W) uint8, 1 = foot.
        alpha: (H, W) uint8, or None where the mask has no soft edge.
        notes: what was found odd, one sentence each.
    """

    size: tuple[int, int]
    mask: images.Mask
    alpha: npt.NDArray[np.uint8] | None
    notes: tuple[str, ...]


def list_photos(folder: str | os.PathLike[str]) -> list[Photo]:
    """The photos of a folder, sorted by path, each with its mask.

    A ``photos.csv`` there (columns ``file, mask, subject, camera, side, licence``; only ``file`` is needed) names them.
    Without one ``P07_left_cam2.png`` is camera 2's picture of the left foot of subject ``P07``. A mask has the
    picture's name and lies in ``masks/``, or ends in ``_mask``; a picture with neither is taken for a cut-out (RGBA).

    Raises:
        BadInput: no such folder, no pictures in it, or a row of the table that is wrong.
    """
    root = Path(folder)
    found = images.list_images(root)
    table = root / TABLE
    if table.is_file():
        return _from_table(root, table)
    masks = [path for path in found if _is_mask(path, root)]
    pictures = [path for path in found if path not in set(masks)]
    if not pictures:
        raise BadInput(root, "photos of feet (PNG, JPEG, ...)", "none", "check the path")
    by_stem = {_mask_key(path, root): path for path in masks}
    return [_from_name(path, by_stem.get(_key(path, root))) for path in pictures]


def look(photo: Photo) -> Looked:
    """Read a photo and its mask and see that they belong together.

    Raises:
        BadInput: no camera known, a picture or mask that cannot be read, without a foot or without a background,
            of unequal sizes, or in half tones throughout.
    """
    if photo.camera is None:
        raise BadInput(
            photo.path, "a camera in its name (P07_left_cam2.png) or in photos.csv", "none", "rename it, or list it"
        )
    picture = images.read_image(photo.path)
    size = (picture.shape[0], picture.shape[1])
    values: npt.NDArray[Any]
    if photo.mask is not None:
        values, where = images.read_mask(photo.mask), photo.mask
        values = values * np.uint8(255) if int(values.max(initial=0)) == 1 else values
    else:
        values, where = _own_alpha(photo.path), photo.path
    if values.shape != size:
        raise BadInput(
            where,
            f"a mask of the picture's {size[1]} x {size[0]} px",
            f"{values.shape[1]} x {values.shape[0]}",
            "export both at one size",
        )
    most = int(values.max(initial=0))
    if 0 < most < 128:
        raise BadInput(
            where, "a mask of foot (255 or 1) and background (0)", f"values up to {most}", "map the ids first"
        )
    soft = float(((values > 0) & (values < 255)).mean())
    if soft > _SOFT_SHARE:
        raise BadInput(
            where, "a mask of foot (255 or 1) and background (0)", f"{soft:.0%} of half tones", "threshold it first"
        )
    mask = (values >= 128).astype(np.uint8)
    share = float(mask.mean())
    if share in (0.0, 1.0):
        found = "no foot at all" if share == 0.0 else "no background at all"
        raise BadInput(where, "a foot and its background", found, "cut the foot out again, or remove the picture")
    return Looked(size, mask, values if soft > 0 else None, tuple(_odd(mask, share)))


def prepare_photos(
    folder: str | os.PathLike[str], out: str | os.PathLike[str] | None, engine: Engine
) -> list[dict[str, Any]]:
    """Check every photo of a folder and write those that are right as a manifest; without ``out`` only check them.

    ``out`` holds ``images`` (the files as they were), ``masks`` (ids) and ``alphas`` (soft edges). Records can be
    grouped by ``subject`` and ``camera``. A run that was stopped goes on; the same input gives the same bytes.

    Returns:
        A row a photo: ``file, mask, subject, camera, side, width, height, foot_share, verdict, notes``.

    Raises:
        BadInput: as :func:`list_photos`; ``out`` holds another run or lies inside the folder; nothing was right.
        EnvironmentFault: ``out`` cannot be written to.
    """
    source = Path(folder)
    listed = list_photos(source)
    shards = cut(list(zip(listed, _names(source, listed), strict=True)), _SHARD)
    if out is None:
        return _rows(engine.map(partial(_shard, os.fspath(source), None), shards, label="photos"))
    target = Path(out)
    if target.resolve().is_relative_to(source.resolve()):
        raise BadInput(target, "a folder outside of the photos", "one inside", "choose another --out")
    files.writable(target)
    with files.sole_writer(target / FOLDER):
        receipts = Receipts(target, "photos", {"photos": _digest(source, listed), "version": __version__})
        work = partial(_shard, os.fspath(source), os.fspath(target))
        rows = _rows(engine.map(work, shards, receipts=receipts, label="photos"))
        if all(row["verdict"] != "ok" for row in rows):
            raise BadInput(source, "photos with masks", f"none that is right; {rows[0]['verdict']}", "see `photos`")
        licences = tuple(sorted({photo.licence for photo in listed}))
        info = Info(
            name=target.resolve().name,
            classes=dict(CLASSES),
            licence=licences,
            sources=({"name": source.resolve().name, "licence": list(licences), "sha256": _digest(source, listed)},),
            description="Photos of feet from a rig of fixed cameras, with masks.",
        )
        with ManifestWriter(target, info) as writer:
            for row in rows:
                if row["verdict"] == "ok":
                    writer.add(_record(row))
    return rows


def gaps(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each foot that a camera of the rig has no usable picture of."""
    good = [row for row in rows if row["verdict"] == "ok"]
    cameras = sorted({str(row["camera"]) for row in good})
    feet: dict[tuple[str, str], set[str]] = {}
    for row in good:
        feet.setdefault((row["subject"], row["side"] or ""), set()).add(str(row["camera"]))
    told = [
        f"subject {' '.join(foot).strip()}: no picture from camera {', '.join(sorted(set(cameras) - seen))}"
        for foot, seen in sorted(feet.items())
        if seen != set(cameras)
    ]
    if good and len(cameras) != CAMERAS:
        told.append(f"{len(cameras)} cameras ({', '.join(cameras)}), a rig of document F has {CAMERAS}")
    return told


def _shard(source: str, target: str | None, shard: Shard) -> dict[str, Any]:
    return {"rows": [_one(source, target, photo, name) for photo, name in shard.payload]}


def _rows(done: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for part in done for row in part["rows"]]


def _one(source: str, target: str | None, photo: Photo, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": photo.path.relative_to(source).as_posix(),
        "mask": None if photo.mask is None else photo.mask.relative_to(source).as_posix(),
        "subject": photo.subject,
        "camera": photo.camera,
        "side": photo.side,
        "width": None,
        "height": None,
        "foot_share": None,
    }
    try:
        seen = look(photo)
    except MasksmithError as fault:
        return {**row, "verdict": f"refused: {fault}".replace(f"{source}{os.sep}", ""), "notes": []}
    row |= {
        "width": seen.size[1],
        "height": seen.size[0],
        "foot_share": round(float(seen.mask.mean()), 6),
        "verdict": "ok",
        "notes": list(seen.notes),
    }
    if target is None:
        return row
    place = Path(target)
    data, mask = photo.path.read_bytes(), images.encode_png(seen.mask)
    image_file, mask_file = f"images/{name}{photo.path.suffix.lower()}", f"masks/{name}.png"
    files.write_bytes(place / image_file, data, durable=False)
    files.write_bytes(place / mask_file, mask, durable=False)
    written: dict[str, Any] = {
        "id": name,
        "image": image_file,
        "mask": mask_file,
        "sha256_image": files.digest(data),
        "sha256_mask": files.digest(mask),
        "licence": photo.licence,
        "alpha": None,
    }
    if seen.alpha is not None:
        written["alpha"] = f"alphas/{name}.png"
        files.write_bytes(place / written["alpha"], images.encode_png(seen.alpha), durable=False)
    return {**row, "written": written}


def _record(row: dict[str, Any]) -> Record:
    made = row["written"]
    known = {"side": row["side"], "alpha": made["alpha"], "made_from": row["file"]}
    return Record(
        id=made["id"],
        image=made["image"],
        mask=made["mask"],
        width=row["width"],
        height=row["height"],
        subject=row["subject"],
        groups={"camera": (str(row["camera"]),)},
        source="rig photos",
        licence=(made["licence"],),
        sha256_image=made["sha256_image"],
        sha256_mask=made["sha256_mask"],
        extra={key: value for key, value in known.items() if value},
    )


def _own_alpha(path: Path) -> npt.NDArray[np.uint8]:
    """(H, W) the alpha of a cut-out, at 8 bits."""
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
        raise BadInput(
            path, "a cut-out with transparency (RGBA), or a mask for it", "neither", f"put {path.stem}.png in masks/"
        )
    alpha = pixels[..., 3]
    return np.asarray(alpha // 257 if alpha.dtype == np.uint16 else alpha, np.uint8)


def _odd(mask: images.Mask, share: float) -> list[str]:
    notes = []
    if share < _SMALL_SHARE:
        notes.append(f"the foot covers only {share:.2%} of the picture")
    sizes = np.bincount(label(mask)[0].ravel())[1:]
    if len(sizes) > 1 and sizes.max() < 0.98 * sizes.sum():
        notes.append(f"the mask has {len(sizes)} pieces, the largest of {sizes.max() / sizes.sum():.0%}")
    sides = {"top": mask[0], "bottom": mask[-1], "left": mask[:, 0], "right": mask[:, -1]}
    touched = [name for name, line in sides.items() if line.any()]
    if len(touched) > 1:
        notes.append(f"the foot is cut by the {', '.join(touched)} of the picture")
    return notes


def _is_mask(path: Path, root: Path) -> bool:
    folders = {part.lower() for part in path.relative_to(root).parts[:-1]}
    return bool(folders & set(_MASK_FOLDERS)) or _MASK_TAIL.search(path.stem) is not None


def _mask_key(path: Path, root: Path) -> str:
    """The key of the picture that a mask belongs to."""
    return _MASK_TAIL.sub("", _key(path, root))


def _key(path: Path, root: Path) -> str:
    """Its path below the root without format and without the folders that only say what kind of file it is."""
    folders = [part for part in path.relative_to(root).parts[:-1] if part.lower() not in (*_MASK_FOLDERS, "images")]
    return "/".join([*folders, path.stem])


def _from_name(path: Path, mask: Path | None) -> Photo:
    match = _NAME.match(path.stem)
    if match is None:
        return Photo(path, mask, path.stem, None)
    side = None if match["side"] is None else "left" if match["side"].lower().startswith("l") else "right"
    return Photo(path, mask, match["subject"], str(int(match["camera"])), side)


def _from_table(root: Path, table: Path) -> list[Photo]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise BadInput(table, "a CSV table in UTF-8", str(fault), "save it again as CSV") from None
    if not rows or "file" not in rows[0]:
        found = f"the columns {', '.join(map(str, rows[0]))}" if rows else "no rows"
        raise BadInput(table, "rows with a column `file`", found, "add the column")
    photos: dict[str, Photo] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{table}, line {number}"
        given = {key: (row.get(key) or "").strip() for key in ("file", "mask", "subject", "camera", "side", "licence")}
        for key in ("file", "mask"):
            outside = Path(given[key]).is_absolute() or ".." in Path(given[key]).parts
            missing = not given[key] or outside or not (root / given[key]).is_file()
            if missing and (given[key] or key == "file"):
                raise BadInput(where, f"{key}: a file next to the table", repr(given[key]), "correct or remove the row")
        if given["file"] in photos:
            raise BadInput(where, "each file once", f"{given['file']} a second time", "remove the row")
        if given["side"].lower() not in ("", *SIDES):
            raise BadInput(where, "side to be left or right", repr(given["side"]), "correct the row")
        guess = _from_name(root / given["file"], root / given["mask"] if given["mask"] else None)
        photos[given["file"]] = Photo(
            guess.path,
            guess.mask,
            given["subject"] or guess.subject,
            given["camera"] or guess.camera,
            given["side"].lower() or guess.side,
            given["licence"] or "unknown",
        )
    return [photos[name] for name in sorted(photos)]


def _names(source: Path, listed: Sequence[Photo]) -> list[str]:
    """An id for each photo: its path in one word, with its format where two would share it."""
    flat = [p.path.relative_to(source).with_suffix("").as_posix().replace("/", "-") for p in listed]
    folded = [name.casefold() for name in flat]
    return [
        name if folded.count(name.casefold()) == 1 else f"{name}-{photo.path.suffix[1:].lower()}"
        for name, photo in zip(flat, listed, strict=True)
    ]


def _digest(source: Path, listed: Sequence[Photo]) -> str:
    return files.digest(
        [
            [
                photo.path.relative_to(source).as_posix(),
                files.sha256(photo.path),
                photo.mask and files.sha256(photo.mask),
                *(photo.subject, photo.camera, photo.side, photo.licence),
            ]
            for photo in listed
        ]
    )
