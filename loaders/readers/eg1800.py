"""The reader ``eg1800``: portraits of Shen et al. 2016, as their authors or as PortraitNet gave them out.

Most copies are not whole: photos were taken off Flickr since. Every id of the masks, lists and URLs is either a record
or a line in ``missing.csv`` with the reason.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from loaders.ledger import NAME as LEDGER
from loaders.readers.layout import locate, walk
from loaders.readers.reader import Item, Published, Seen
from loaders.readers.relabel import PERSON
from masksmith import images
from masksmith.errors import BadInput, EnvironmentFault

LAYOUTS = {"release": ("images_mask",), "repack": ("Images", "Labels")}
MAT = {"train": "trainlist.mat", "test": "testlist.mat"}
TEXT = {"train": "eg1800_train.txt", "test": "eg1800_test.txt"}
TEXT_FOLDERS = (".", "portraitnet_lists", "data", "select_data")
SAME = (("00203", "01175"), ("00784", "00786"), ("00971", "00990"), ("01016", "01023"))
"""One photo under two ids, in train and in test; for copies without ``alldata_urls.txt``."""
PUBLISHED = {"authors": {"train": 1500, "test": 300}, "portraitnet": {"train": 1447, "test": 289}}
ALIVE_2023 = {"train": 1309, "test": 270}
ASPECT_TOLERANCE = 0.03
_FLICKR = re.compile(r"/(\d+)_[0-9a-f]+(_\w+)?\.\w+$")
_ID = re.compile(r"(\d{5})")


class Eg1800(Published):
    """EG1800 below ``root``: ``images_mask/*.mat`` with crops or photos, or ``Images/`` and ``Labels/``.

    Args:
        root: holds the release or the repack, with the lists where they are there.
        images: folder of the photos or crops, where it is called otherwise.
        lists: folder with lists that ``root`` does not hold; also ``authors`` or ``portraitnet``, which of two counts.

    Raises:
        BadInput: neither layout, no photos, or lists that cannot be read.
    """

    name = "eg1800"
    options = ("images", "lists")
    rewrites = True
    classes = PERSON

    def __init__(self, root: Path, *, images: str | None = None, lists: str | None = None) -> None:
        super().__init__(root)
        self.layout, self.base = locate(self.root, self.name, LAYOUTS)
        self.chosen = lists if lists in PUBLISHED else None
        self.lists = None if lists is None or lists in PUBLISHED else Path(lists)
        if self.lists is not None and not self.lists.is_dir():
            self.lists = self.base / self.lists
            if not self.lists.is_dir():
                raise BadInput(self.lists, "a folder of lists, 'authors' or 'portraitnet'", "none", "check --lists")
        self.photos = self._photo_folders(images)
        self.redraws = any(cropped is not True for _, cropped in self.photos)

    def _photo_folders(self, given: str | None) -> list[tuple[Path, bool | None]]:
        """Folders of photos with whether these are crops; None = each photo's size says it."""
        if given is not None:
            place = (self.base / given).resolve()
            if not place.is_dir():
                raise BadInput(place, "the folder of photos", "no such folder", "check --images")
            return [(place, None)]
        if self.layout == "repack":
            return [(self.base / "Images", True)]
        known = [(self.base / "images_data_crop", True), (self.base / "images_data", False)]
        there = [(folder, cropped) for folder, cropped in known if folder.is_dir()]
        if not there:
            raise BadInput(
                self.base, "images_data_crop/ or images_data/ beside images_mask/", "neither", "name it with --images"
            )
        return list(there)

    def items(self) -> Iterator[Item]:
        """Every id that masks, photos, URLs or lists name; see :meth:`Reader.items`."""
        masks = self._masks()
        pictures: dict[str, tuple[str, bool | None]] = {}
        for folder, cropped in self.photos:
            for stem, path in walk(folder):
                pictures.setdefault(stem, (path, cropped))
        urls, crops, lists = self._urls(), self._crops(), self._lists()
        dead = self._dead()
        counts = next((name for name in (self.chosen, *lists) if name in lists), None)
        photos = {name: self._photo(name, urls) for name in {*masks, *pictures, *urls}}
        got: Counter[tuple[str, str]] = Counter()
        rows = []
        for name in sorted({*masks, *pictures, *urls, *(each for listed in lists.values() for each in listed)}):
            path, cropped = pictures.get(name, ("", None))
            extra: dict[str, Any] = {}
            if urls.get(name):
                extra["url"] = urls[name]
            if cropped is not True and name in crops:
                extra["crop"] = crops[name]
            listed = {which: table[name] for which, table in lists.items() if name in table}
            if listed:
                extra["lists"] = listed
            lacks, detail = _lacks(name, masks, path, cropped, crops, urls, dead)
            if not lacks:
                got.update(listed.items())
            photo = photos.get(name)
            rows.append(
                Item(
                    name,
                    path,
                    masks.get(name),
                    groups={"photo": (photo,)} if photo else {},
                    split=lists[counts].get(name) if counts else None,
                    extra=extra,
                    lacks=lacks,
                    detail=detail,
                    excused=True,
                )
            )
        self.notes = [_told(which, table, got, which == counts) for which, table in lists.items()]
        yield from rows

    def look(self, item: Item) -> Seen:
        """Open photo and mask; a photo that is no crop yet is cropped ``[y0:y1, x0:x1]`` to the mask's size."""
        mask = self.read_mask(item.mask or "")
        image = images.read_image(item.image)
        box = item.extra.get("crop")
        always = all(cropped is False for _, cropped in self.photos)
        if box is None or (image.shape[:2] == mask.shape and not always):
            return Seen(image, mask)
        return Seen(_cropped(item, image, box, mask.shape), mask, redrawn=True)

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) 0/1 of a mask in either form."""
        if not path.endswith(".mat"):
            values = images.read_mask(path)
            return np.where(values == 1, 1, 0).astype(np.uint8)  # the repack: other values mean 0
        mask = np.asarray(_from_mat(path, "mask"))
        if mask.ndim != 2 or not np.isin(mask, (0, 1)).all():
            raise BadInput(path, "a mask of 0 and 1, (H, W)", f"shape {mask.shape}, up to {mask.max()}", "restore it")
        return mask.astype(np.uint8)

    def _masks(self) -> dict[str, str]:
        if self.layout == "repack":
            return dict(walk(self.base / "Labels"))
        ending = "_mask"
        return {
            stem.removesuffix(ending): path
            for stem, path in walk(self.base / "images_mask", (".mat",))
            if stem.endswith(ending)
        }

    def _urls(self) -> dict[str, str | None]:
        """Id to URL; None where the list says so."""
        rows = _rows(self.base / "alldata_urls.txt", 2, "NNNNN.jpg URL")
        return {Path(name).stem: None if url == "None" else url for name, url in rows}

    def _crops(self) -> dict[str, list[int]]:
        place = self.base / "crop.txt"
        boxes = {}
        for name, *numbers in _rows(place, 5, "NNNNN.jpg y0 y1 x0 x1"):
            try:
                boxes[Path(name).stem] = [int(number) for number in numbers]
            except ValueError:
                raise BadInput(place, "NNNNN.jpg y0 y1 x0 x1", f"{name} {' '.join(numbers)}", "restore it") from None
        return boxes

    def _lists(self) -> dict[str, dict[str, str]]:
        """Name of a published pair of lists to id to split."""
        found: dict[str, dict[str, str]] = {}
        folders = [self.lists] if self.lists is not None else [self.base, self.root]
        for folder in folders:
            if "authors" not in found and all((folder / name).is_file() for name in MAT.values()):
                found["authors"] = {
                    _id_of(folder / name, value): split
                    for split, name in MAT.items()
                    for value in np.asarray(_from_mat(str(folder / name), None)).ravel().tolist()
                }
            for below in TEXT_FOLDERS:
                if "portraitnet" not in found and all((folder / below / name).is_file() for name in TEXT.values()):
                    found["portraitnet"] = {
                        _id_of(folder / below / name, line): split
                        for split, name in TEXT.items()
                        for line in (folder / below / name).read_text().split()
                    }
        if (self.lists is not None or self.chosen) and not (set(found) & {self.chosen} if self.chosen else found):
            wanted = " and ".join((MAT if self.chosen == "authors" else TEXT).values())
            raise BadInput(folders[0], wanted, "no such lists", "check --lists")
        return found

    def _photo(self, name: str, urls: dict[str, str | None]) -> str | None:
        """The Flickr photo that an id is, so that both ids of one share it."""
        url = urls.get(name)
        if url:
            found = _FLICKR.search(url)
            return found[1] if found else url
        return next((f"eg1800-{first}" for first, second in SAME if name in (first, second)), None)

    def _dead(self) -> dict[str, str]:
        """URL to why it gave nothing, from the ledger of a fetch."""
        try:
            urls = json.loads((self.base / LEDGER).read_text(encoding="utf-8"))["urls"]
            return {url: str(each.get("reason", "")) for url, each in urls.items() if each.get("result") == "failed"}
        except (OSError, ValueError, KeyError, AttributeError):
            return {}


def _lacks(
    name: str,
    masks: dict[str, str],
    path: str,
    cropped: bool | None,
    crops: dict[str, list[int]],
    urls: dict[str, str | None],
    dead: dict[str, str],
) -> tuple[str, str]:
    """Why an id is no record, in few words and in detail; empty where it is one."""
    if not path:
        both = "" if name in masks else " and no mask"
        url = urls.get(name)
        if url is None:
            return (
                f"no photo{both}: no URL is known",
                "None in alldata_urls.txt" if name in urls else "not listed there",
            )
        if url in dead:
            return f"no photo{both}: the link is dead", f"{url}: {dead[url]}"
        return f"no photo{both}: it was not fetched, or the link is dead", url
    if name not in masks:
        return "no mask", ""
    if cropped is False and name not in crops:
        return "no line in crop.txt", ""
    return "", ""


def _told(which: str, table: dict[str, str], got: Counter[tuple[str, str]], counts: bool) -> str:
    listed = Counter(table.values())
    parts = [
        f"{got[which, split]} of {listed[split]} {split} (nominal {PUBLISHED[which][split]}, alive in 2023 "
        f"{ALIVE_2023[split]})"
        for split in ("train", "test")
    ]
    return f"lists of {which}{', which the split follows' if counts else ''}: {', '.join(parts)}"


def _cropped(item: Item, image: images.Image, box: list[int], size: tuple[int, ...]) -> images.Image:
    top, bottom, left, right = box
    height, width = image.shape[:2]
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise BadInput(
            item.image,
            f"a photo that holds its crop, rows {top} to {bottom} and columns {left} to {right}",
            f"{width} x {height}: another size than the authors had",
            "fetch the size that alldata_urls.txt names",
        )
    wanted, got = size[1] / size[0], (right - left) / (bottom - top)
    if abs(got / wanted - 1) > ASPECT_TOLERANCE:
        raise BadInput(
            item.image,
            f"a crop of the shape of its mask, {size[1]} x {size[0]}",
            f"{right - left} x {bottom - top} in crop.txt",
            "restore crop.txt",
        )
    return images.resize_image(np.ascontiguousarray(image[top:bottom, left:right]), size[0], size[1])


def _rows(path: Path, columns: int, form: str) -> Iterator[list[str]]:
    """The lines of a text file as words; nothing where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except UnicodeDecodeError:
        raise BadInput(path, f"lines of {form}", "no text in UTF-8", "restore it") from None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and len(words) != columns:
            raise BadInput(f"{path}:{number}", form, repr(line), "restore it")
        if words:
            yield words


def _id_of(place: Path, value: Any) -> str:
    if isinstance(value, int | float):
        return f"{int(value):05d}"
    found = _ID.search(str(value))
    if found is None:
        raise BadInput(place, "names such as 00001.png", repr(value), "restore the list")
    return found[1]


def _from_mat(path: str, key: str | None) -> Any:
    """The array ``key`` of a MATLAB file, or its only one."""
    from scipy.io import loadmat

    try:
        held = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except PermissionError:
        raise EnvironmentFault(f"{path}: cannot read, no permission; change the file's rights") from None
    except Exception as fault:  # scipy raises whatever its parser stumbles over
        raise BadInput(path, "a MATLAB file", f"a damaged one ({str(fault)[:80]})", "restore it") from None
    names = list(held)
    if key is None and len(names) == 1:
        key = names[0]
    if key not in held:
        raise BadInput(path, f"the array {key!r}" if key else "one array", ", ".join(names) or "none", "restore it")
    return held[key]
