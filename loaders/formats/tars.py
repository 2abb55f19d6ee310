"""WebDataset: tar shards of NAME.jpg, NAME.mask.png and NAME.json, the same bytes each time."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from loaders.formats import trees
from loaders.formats.form import Found, Item, Origin, Place, Whole
from loaders.formats.rows import ABOUT, from_json, to_json
from manifests import Info, Record
from masksmith import files
from masksmith.errors import BadInput, UsageProblem
from masksmith.images import IMAGE_SUFFIXES

MASK, INSTANCES, RECORD = "mask", "instances", "json"
_MASK_KINDS = ("mask.png", "seg.png", "label.png", "png")
_LARGEST = 512 << 20


def write(place: Place, items: Iterator[Item]) -> dict[str, Any]:
    """Write a shard as one tar: owner, mode and time are fixed, so that its bytes depend on the records alone."""
    name = f"{place.split}-{place.number:06d}.tar"
    count = 0
    with (
        files.atomic(place.out / name, durable=False) as part,
        tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for item in items:
            _put(tar, f"{item.name}{item.image_suffix}", item.image)
            if item.mask is not None:
                _put(tar, f"{item.name}.{MASK}{item.mask_suffix}", item.mask)
            if item.instances is not None:
                _put(tar, f"{item.name}.{INSTANCES}.png", item.instances)
            row = {"position": item.position, "record": to_json(item.record)}
            _put(tar, f"{item.name}.{RECORD}", files.canonical(row))
            count += 1
    return {"records": count, "file": name}


def finish(whole: Whole) -> None:
    """The list of shards, for readers that want one."""
    shards = [{"file": each["file"], "records": each["records"]} for each in whole.receipts]
    files.write_json(whole.out / "shards.json", shards)


def about(origin: Origin) -> Info:
    """The description beside the shards, or one of the classes that were given for shards from elsewhere."""
    if (origin.root / ABOUT).exists() or not origin.classes:
        if not (origin.root / ABOUT).exists():
            raise UsageProblem(f"{origin.root}: no {ABOUT} says what the classes are; give --classes NAME=ID,...")
        return trees.about(origin)
    return Info(name=origin.root.resolve().name, classes=dict(origin.classes))


def pieces(origin: Origin) -> list[dict[str, Any]]:
    """The shards; ``start`` is the place of the first record of a shard from elsewhere."""
    found = sorted(origin.root.glob("*.tar"))
    if not found:
        raise BadInput(origin.root, "tar shards", "none", "check the path")
    made = []
    start = 0
    for path in found:
        count = sum(1 for _ in _samples(path, contents=False))
        made.append({"file": path.name, "items": count, "start": start})
        start += count
    return made


def read(origin: Origin, piece: Mapping[str, Any]) -> Iterator[Found]:
    """The samples of a shard in order: consecutive members of one name."""
    path = origin.root / piece["file"]
    for number, (key, parts) in enumerate(_samples(path, contents=True)):
        where = f"{path}: {key}"
        ours = parts.get(RECORD)
        image = next((kind for kind in parts if f".{kind}" in IMAGE_SUFFIXES and kind != "png"), None)
        if image is None and "png" in parts:
            image = "png"
        if image is None:
            raise BadInput(where, "an image", ", ".join(parts), "remove the sample, or name its image .jpg or .png")
        mask = next((k for k in parts if k.startswith(f"{MASK}.")), None)
        value = _loaded(ours, where)
        if isinstance(value, dict) and "record" in value and "position" in value:
            record = from_json(value["record"], where)
            instances = parts.get(f"{INSTANCES}.png")
            yield Found(
                int(value["position"]), record, parts[image], f".{image}", parts[mask] if mask else None, instances
            )
            continue
        if mask is None:
            mask = next((kind for kind in _MASK_KINDS if kind in parts and kind != image), None)
        split = PurePosixPath(piece["file"]).stem.rsplit("-", 1)[0]
        record = Record(
            id=key,
            image=f"images/{key}.{image}",
            mask=None if mask is None else f"masks/{key}.png",
            width=0,
            height=0,
            split=split if split in ("train", "val", "test") else None,
            source=origin.root.resolve().name,
        )
        yield Found(
            piece["start"] + number,
            record,
            parts[image],
            f".{image}",
            parts[mask] if mask else None,
            foreign=True,
        )


def _put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o644, 0
    tar.addfile(member, io.BytesIO(data))


def _samples(path: Path, *, contents: bool) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, kind -> bytes) of consecutive members with one key; a key ends at the base name's first dot."""
    key: str | None = None
    parts: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, base = PurePosixPath(member.name).parent, PurePosixPath(member.name).name
                stem, _, kind = base.partition(".")
                if not stem or not kind:
                    continue
                own = (folder / stem).as_posix()
                if own != key:
                    if key is not None:
                        yield key, parts
                    key, parts = own, {}
                if member.size > _LARGEST:
                    raise BadInput(
                        f"{path}: {member.name}", f"at most {_LARGEST:,} bytes", f"{member.size:,}", "remove it"
                    )
                handle = tar.extractfile(member) if contents else None
                parts[kind.lower()] = handle.read() if handle else b""
            if key is not None:
                yield key, parts
    except (tarfile.TarError, EOFError) as fault:
        raise BadInput(path, "a whole tar file", str(fault), "copy or download it again") from None


def _loaded(data: bytes | None, where: str) -> Any:
    if data is None:
        return None
    try:
        return json.loads(data)
    except ValueError as fault:
        raise BadInput(where, "JSON", str(fault), "restore it") from None
