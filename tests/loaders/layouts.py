"""Small copies of public datasets, laid out as their makers lay them out; nothing in them is theirs."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pillow
from scipy.io import savemat

from masksmith import files, images

HEIGHT, WIDTH = 48, 64
Ring = Sequence[Sequence[int]]


def photo(path: Path, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Write a picture whose every pixel differs from its neighbours, and give it."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows * 3 + seed, columns * 2, (rows + columns) * 2], axis=2).astype(np.uint8)
    encoded = images.encode_png(image) if path.suffix == ".png" else images.encode_jpeg(image, 95)
    files.write_bytes(path, encoded, durable=False)
    return image


def marks(path: Path, values: np.ndarray) -> np.ndarray:
    """Write (H, W) values as PNG, and give them."""
    files.write_bytes(path, images.encode_png(values), durable=False)
    return values


def block(value: int, top: int, bottom: int, left: int, right: int, into: np.ndarray | None = None) -> np.ndarray:
    """(H, W) uint8 with a rectangle of a value."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8) if into is None else into
    mask[top:bottom, left:right] = value
    return mask


def easyportrait(
    root: Path, version: int = 2, separator: str = "\t", splits: Sequence[str] = ("test", "train", "val")
) -> Path:
    """EasyPortrait: two people in each split, the first with two photos; masks 0..8 and a padded column of 255."""
    rows = []
    for split in ("test", "train", "val"):
        for number, person in enumerate(("a", "a", "b")):
            name = f"{split}{number:08d}-1111-2222"
            photo(root / "images" / split / f"{name}.jpg", number)
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[8:40, 10:50] = 1
            for part in range(2, 9):
                mask[10 + part : 11 + part, 20:30] = part
            mask[:, -4:] = 255
            marks(root / "annotations" / split / f"{name}.png", mask)
            rows.append((name, f"{split}-{person}", split, 100.5 + number))
    if version == 2:
        header = ["", "image_name", "user_id", "height", "width", "set", "brightness"]
        lines = [[str(k), n, u, str(HEIGHT), str(WIDTH), s, str(b)] for k, (n, u, s, b) in enumerate(rows)]
        place = root / "meta" / ("meta.csv" if separator != "\t" else "meta.tsv")
    else:
        header = ["attachment_id", "user_id", "data_hash", "width", "height", "brightness", "train", "test", "valid"]
        lines = [
            [n, u, "f" * 32, str(WIDTH), str(HEIGHT), str(b), *(str(s == k) for k in ("train", "test", "val"))]
            for n, u, s, b in rows
        ]
        place = root / "annotations" / "meta.csv"
    text = "\n".join(separator.join(line) for line in [header, *lines]) + "\n"
    files.write_bytes(place, text.encode(), durable=False)
    return root


def polygon(
    exterior: Sequence[Sequence[int]], *interior: Sequence[Sequence[int]], title: str = "person_poly"
) -> dict[str, Any]:
    """An object of Supervisely: corners [x, y], and those of its holes."""
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": title, "tags": [], "bitmap": None, "points": points}


def bitmap(mask: np.ndarray, origin: tuple[int, int], form: str = "alpha", title: str = "person_bmp") -> dict[str, Any]:
    """An object of Supervisely: a PNG of (h, w) 0/1 at [x, y]; form ``alpha``, ``grey``, ``palette``, ``clear``."""
    if form == "alpha":
        picture = pillow.fromarray(np.dstack([np.full((*mask.shape, 3), 255, np.uint8), mask * 255]))
    elif form == "grey":
        picture = pillow.fromarray(mask * 255)
    else:
        picture = pillow.fromarray(mask).convert("P")
        picture.putdata(mask.ravel().tolist())
        picture.putpalette([0, 0, 0, 255, 255, 255])
    held = io.BytesIO()
    picture.save(held, "PNG", **({"transparency": 0} if form == "clear" else {}))
    data = base64.b64encode(zlib.compress(held.getvalue())).decode()
    return {"classTitle": title, "tags": [], "bitmap": {"origin": list(origin), "data": data}}


def annotation(*objects: Mapping[str, Any], height: int = HEIGHT, width: int = WIDTH) -> dict[str, Any]:
    """The JSON of an image of Supervisely."""
    return {"description": "", "tags": [], "size": {"height": height, "width": width}, "objects": list(objects)}


def supervisely(root: Path, noted: Mapping[str, Mapping[str, Any]], new: bool = False) -> Path:
    """Supervisely Person: ``dsN/name.ext`` to annotation, in the old export or the new one."""
    classes = [
        {"title": title, "shape": shape, "color": "#FFFFFF"}
        for title, shape in (("person_bmp", "bitmap"), ("person_poly", "polygon"), ("neutral", "polygon"))
    ]
    files.write_json(root / "meta.json", {"classes": classes, "tags_images": [], "tags_objects": []}, durable=False)
    for number, (path, note) in enumerate(noted.items()):
        folder, name = path.split("/")
        photo(root / folder / "img" / name, number)
        stem = name if new else name.rsplit(".", 1)[0]
        files.write_bytes(root / folder / "ann" / f"{stem}.json", json.dumps(note).encode(), durable=False)
    return root


def penn_fudan(root: Path) -> Path:
    """Penn-Fudan: two photos, with two people and with one."""
    base = root / "PennFudanPed"
    for number, name in enumerate(("FudanPed00001", "PennPed00001")):
        photo(base / "PNGImages" / f"{name}.png", number)
        mask = block(1, 5, 40, 5, 20)
        if number == 0:
            block(2, 10, 45, 30, 44, mask)
        marks(base / "PedMasks" / f"{name}_mask.png", mask)
        files.write_bytes(base / "Annotation" / f"{name}.txt", b"# PASCAL Annotation Version 1.00\n", durable=False)
    return root


def p3m(root: Path) -> Path:
    """P3M-10k: a portrait in each part; alpha rises from 0 to 255 over the columns."""
    alpha = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))
    for part, pictures in (
        ("train", "blurred_image"),
        ("validation/P3M-500-P", "blurred_image"),
        ("validation/P3M-500-NP", "original_image"),
    ):
        photo(root / part / pictures / "p_0001.jpg")
        marks(root / part / "mask" / "p_0001.png", alpha)
    return root


def eg1800(root: Path, form: str = "release") -> Path:
    """EG1800: ``release`` with photos to be cropped, ``crops`` with crops, ``repack`` as PortraitNet's.

    Of five ids, 00004 has no photo since its URL is None, and 00005 none since it is dead; 00001 and 00003 are one.
    """
    mask = np.zeros((800, 600), np.uint8)
    mask[200:, 100:500] = 1
    if form == "repack":
        for number in (1, 2, 203, 1175):
            photo(root / "Images" / f"{number:05d}.png", number, 800, 600)
            stored = mask.copy()
            stored[:10] = 7
            marks(root / "Labels" / f"{number:05d}.png", stored)
        files.write_bytes(root / "eg1800_train.txt", b"00001.png\n00203.png\n00009.png", durable=False)
        files.write_bytes(root / "eg1800_test.txt", b"00002.png\n01175.png", durable=False)
        return root
    for number in range(1, 6):
        (root / "images_mask").mkdir(parents=True, exist_ok=True)
        savemat(root / "images_mask" / f"{number:05d}_mask.mat", {"mask": mask}, do_compression=True)
    for number in (1, 2, 3):
        if form == "crops":
            photo(root / "images_data_crop" / f"{number:05d}.jpg", number, 800, 600)
        else:
            photo(root / "images_data" / f"{number:05d}.jpg", number, 500, 400)
    savemat(root / "trainlist.mat", {"trainlist": np.array([[1, 2, 4]])})
    savemat(root / "testlist.mat", {"testlist": np.array([[3, 5]])})
    urls = ["http://farm6.static.flickr.com/5474/111_49d351873d_b.jpg", "http://farm3.static.flickr.com/1/222_aa_b.jpg"]
    lines = [urls[0], urls[1], urls[0], "None", "http://farm3.static.flickr.com/2/555_ab_b.jpg"]
    text = "".join(f"{number:05d}.jpg {url}\n" for number, url in enumerate(lines, 1))
    files.write_bytes(root / "alldata_urls.txt", text.encode(), durable=False)
    crops = "".join(f"{number:05d}.jpg 50 450 60 360\n" for number in range(1, 6))
    files.write_bytes(root / "crop.txt", crops.encode(), durable=False)
    return root


def camvid(root: Path, form: str = "segnet") -> Path:
    """CamVid: one frame in each split (``segnet``, ``colours``), or without splits (``original``)."""
    names = {"train": "0001TP_006690", "val": "0016E5_07959", "test": "0001TP_008550"}
    for number, (split, name) in enumerate(names.items()):
        if form == "segnet":
            photo(root / split / f"{name}.png", number)
            mask = block(9, 10, 20, 10, 20, block(10, 10, 20, 30, 40, block(11, 0, 4, 0, WIDTH)))
            marks(root / f"{split}annot" / f"{name}.png", mask)
            continue
        coloured = np.zeros((HEIGHT, WIDTH, 3), np.uint8)  # Void
        coloured[:, 32:] = (128, 128, 128)  # Sky
        coloured[10:20, 40:44], coloured[10:20, 50:54] = (64, 64, 0), (192, 128, 64)  # Pedestrian, Child
        folders = {"colours": (split, f"{split}_labels"), "original": ("701_StillsRaw_full", "LabeledApproved_full")}
        pictures, labels = folders[form]
        photo(root / pictures / f"{name}.png", number)
        marks(root / labels / f"{name}_L.png", coloured)
    return root


def paddle(root: Path, mini: bool = True, white: int = 1) -> Path:
    """mini_supervisely or PP-HumanSeg14K: pairs in lists, or folders a split."""
    for number, split in enumerate(("test", "train", "val")):
        if mini:
            name = f"pexels-photo-{100 + number % 2}"
            image, mask = (
                Path("Images") / f"{name}{split}-4{number}00.png",
                Path("Annotations") / f"{name}{split}-4{number}00.png",
            )
            files.write_bytes(root / f"{split}.txt", f"{image} {mask}\n".encode(), durable=False)
        else:
            image, mask = Path("images") / split / "0001.jpg", Path("annotations") / split / "0001.png"
        photo(root / image, number)
        marks(root / mask, block(white, 5, 30, 5, 30))
    return root


def faces(root: Path, names: Sequence[str]) -> Path:
    """Pictures of those names."""
    for number, name in enumerate(names):
        photo(root / name, number)
    return root
