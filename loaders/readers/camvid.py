"""The reader ``camvid``: frames from a car, in the form of SegNet (11 classes) or with the original 32 colours."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from loaders.readers.layout import Named, locate, paired, trimmed, walk
from loaders.readers.reader import Item, Published
from loaders.readers.relabel import ALL, Relabel
from masksmith import images
from masksmith.errors import BadInput
from masksmith.images import Mask

ELEVEN: dict[int, str | None] = {
    0: "Sky",
    1: "Building",
    2: "Pole",
    3: "Road",
    4: "Pavement",
    5: "Tree",
    6: "SignSymbol",
    7: "Fence",
    8: "Car",
    9: "Pedestrian",
    10: "Bicyclist",
    11: None,
}
VOID = "Void"
COLOURS = {
    "Animal": (64, 128, 64),
    "Archway": (192, 0, 128),
    "Bicyclist": (0, 128, 192),
    "Bridge": (0, 128, 64),
    "Building": (128, 0, 0),
    "Car": (64, 0, 128),
    "CartLuggagePram": (64, 0, 192),
    "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128),
    "Fence": (64, 64, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64),
    "Misc_Text": (128, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64),
    "ParkingBlock": (64, 192, 128),
    "Pedestrian": (64, 64, 0),
    "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192),
    "Sidewalk": (0, 0, 192),
    "SignSymbol": (192, 128, 128),
    "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192),
    "TrafficCone": (0, 0, 64),
    "TrafficLight": (0, 64, 64),
    "Train": (192, 64, 128),
    "Tree": (128, 128, 0),
    "Truck_Bus": (192, 128, 192),
    "Tunnel": (64, 0, 64),
    "VegetationMisc": (192, 192, 0),
    VOID: (0, 0, 0),
    "Wall": (64, 192, 0),
}
PERSON = ("Pedestrian", "Child", "Bicyclist")
LAYOUTS = {
    "segnet": ("train", "trainannot"),
    "original": ("701_StillsRaw_full", "LabeledApproved_full"),
    "colours": ("train", "train_labels"),
}
SPLITS = ("test", "train", "val")
LEAK = (
    "the official split is kept, and it leaks: frames of one drive are in two splits (0001TP in train and test, "
    "0016E5 in train and val); `masksmith split D --by drive` keeps drives apart"
)
_FRAME = re.compile(r"(?P<drive>[^_]+)_f?(?P<frame>\d+)$")


class CamVid(Published):
    """CamVid below ``root``: ``{split}/`` with ``{split}annot/`` or ``{split}_labels/``, or the original folders.

    Args:
        root: holds the dataset.
        classes: ``all``, or ``person``: pedestrians, children and bicyclists as one class, all else background.

    Raises:
        BadInput: none of these layouts.
        UsageProblem: another target.
    """

    name = "camvid"
    options = ("classes",)
    rewrites = True

    def __init__(self, root: Path, *, classes: str | None = None) -> None:
        super().__init__(root)
        self.layout, self.base = locate(self.root, self.name, LAYOUTS)
        names = ELEVEN
        if self.layout != "segnet":
            self.colours = _colours(self.base)
            names = {number: None if name == VOID else name for number, name in enumerate(self.colours)}
        self.relabel = Relabel(names, classes or ALL, {"person": PERSON})
        self.classes = self.relabel.classes
        self.settings = {"classes": classes or ALL, "layout": self.layout}

    def items(self) -> Iterator[Item]:
        """The labelled frames in order; see :meth:`Reader.items`."""
        self.notes = [LEAK] if self.layout != "original" else []
        # 701 frames: small enough to sort
        yield from sorted(self._found(), key=lambda item: item.id)

    def _found(self) -> Iterator[Item]:
        for split, pictures, masks in self._sides():
            for name, image, mask in paired(pictures, masks):
                frame = _FRAME.search(name)
                drive = frame["drive"] if frame else None
                yield Item(
                    name,
                    image or "",
                    mask,
                    groups={"drive": (drive,)} if drive else {},
                    split=split,
                    clip=drive,
                    frame=int(frame["frame"]) if frame else None,
                    lacks="no image" if image is None else "no annotation" if mask is None else "",
                )

    def _sides(self) -> Iterator[tuple[str | None, Iterator[Named], Iterator[Named]]]:
        if self.layout == "original":
            first, second = (self.base / name for name in LAYOUTS["original"])
            yield None, walk(first), trimmed(walk(second), "_L")
            return
        ending = "annot" if self.layout == "segnet" else "_labels"
        for split in SPLITS:
            if (self.base / split).is_dir():
                below = self.base / f"{split}{ending}"
                if not below.is_dir():
                    raise BadInput(below, f"the annotations of {split}", "no such folder", "restore it")
                yield split, walk(self.base / split), walk(below) if ending == "annot" else trimmed(walk(below), "_L")

    def read_mask(self, path: str) -> Mask:
        """(H, W) ids; 255 where a frame is not labelled."""
        if self.layout == "segnet":
            return self.relabel(path, images.read_mask(path))
        return self.relabel(path, _from_colours(path, images.read_image(path), self.colours))


def _from_colours(path: str, image: images.Image, colours: Mapping[str, tuple[int, int, int]]) -> Mask:
    """(H, W) positions in the table of (H, W, 3) colours."""
    codes = (image[..., 0].astype(np.int32) << 16) | (image[..., 1].astype(np.int32) << 8) | image[..., 2]
    known = np.array([(red << 16) | (green << 8) | blue for red, green, blue in colours.values()], np.int32)
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], codes), len(known) - 1)
    ids = order[place]
    strange = known[ids] != codes
    if strange.any():
        red, green, blue = (int(value) for value in image[strange][0])
        raise BadInput(
            path,
            f"the {len(colours)} colours of the class table",
            f"{red},{green},{blue} among {int(strange.sum())} pixels of others",
            "take the masks as they were published, without resizing, or correct class_dict.csv",
        )
    return ids.astype(np.uint8)


def _colours(base: Path) -> dict[str, tuple[int, int, int]]:
    """The class table beside the images, or the published one."""
    place = base / "class_dict.csv"
    if not place.is_file():
        return COLOURS
    try:
        with place.open(newline="", encoding="utf-8-sig") as handle:
            return {
                row["name"].strip(): (int(row["r"]), int(row["g"]), int(row["b"])) for row in csv.DictReader(handle)
            }
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise BadInput(place, "the columns name, r, g, b", f"{fault!r}", "restore it") from None
