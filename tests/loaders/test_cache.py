"""The cache of decoded pictures: same batches, made once, made anew when something changed."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loaders import Batches
from loaders.cache import decoded
from loaders.samples import Samples
from manifests import Manifest
from masksmith import engine, images
from masksmith.errors import BadInput, EnvironmentFault

SIZE = (40, 48)
FULL: dict[str, Any] = {"size": SIZE, "batch_size": 4, "augment": "pirshutuk2023", "priors": "paper", "seed": 5}


def caches(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.cache"))


def equal(first: Batches, second: Batches, epoch: int = 0) -> bool:
    return all(
        one.ids == other.ids
        and all(
            torch.equal(getattr(one, name), getattr(other, name))
            for name in ("image", "mask", "prior", "prior_kind", "warped")
        )
        for one, other in zip(first.epoch(epoch), second.epoch(epoch), strict=True)
    )


def test_batches_from_the_cache_are_those_from_the_files(small: Manifest, tmp_path: Path) -> None:
    plain, cached = Batches(small, "train", **FULL), Batches(small, "train", **FULL, cache=tmp_path / "c")
    assert equal(plain, cached) and equal(plain, cached, 1)
    (path,) = caches(tmp_path / "c")
    assert path.stat().st_size == 4096 + 9 * SIZE[0] * SIZE[1] * 4
    # and they are read from there: without the files there is still something to train on
    shutil.rmtree(small.folder / "images")
    assert next(cached.epoch(0)).image.shape == (4, 3, *SIZE)


def test_worker_processes_make_and_read_the_same_cache(small: Manifest, tmp_path: Path) -> None:
    plain = Batches(small, "train", **FULL)
    with Batches(small, "train", **FULL, workers=2, cache=tmp_path / "c") as cached:
        assert equal(plain, cached)
    serial = Batches(small, "train", **FULL, cache=tmp_path / "d")
    assert len(serial) == len(plain)
    assert caches(tmp_path / "c")[0].read_bytes() == caches(tmp_path / "d")[0].read_bytes()


def test_a_cache_is_made_once_and_every_foreground_reads_it(small: Manifest, tmp_path: Path) -> None:
    there = tmp_path / "c"
    Batches(small, "train", **FULL, cache=there)
    (path,) = caches(there)
    before = path.stat().st_ino, path.stat().st_mtime_ns
    again = Batches(small, "train", **{**FULL, "seed": 6}, foreground=("foot",), cache=there)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    assert equal(Batches(small, "train", **{**FULL, "seed": 6}, foreground=("foot",)), again)
    Batches(small, "val", **{**FULL, "batch_size": 1}, cache=there)
    Batches(small, "train", **{**FULL, "size": (32, 32)}, cache=there)
    assert len(caches(there)) == 3
    assert not [path for path in there.iterdir() if path.suffix != ".cache"]


def test_a_changed_file_makes_the_cache_anew(small: Manifest, tmp_path: Path) -> None:
    Batches(small, "train", **FULL, cache=tmp_path)
    picture = small.folder / "images" / "004.png"
    picture.write_bytes(images.encode_png(np.full((60, 80, 3), 77, np.uint8)))
    cached = Batches(small, "train", **{**FULL, "augment": "none"}, cache=tmp_path)
    assert equal(Batches(small, "train", **{**FULL, "augment": "none"}), cached)
    assert len(caches(tmp_path)) == 1


def test_a_cut_or_foreign_cache_is_not_read(small: Manifest, tmp_path: Path) -> None:
    Batches(small, "train", **FULL, cache=tmp_path)
    (path,) = caches(tmp_path)
    for damage in (path.read_bytes()[:-1], b"not a cache", b""):
        path.write_bytes(damage)
        assert equal(Batches(small, "train", **FULL), Batches(small, "train", **FULL, cache=tmp_path))


def test_a_stopped_run_leaves_no_cache_and_goes_on(
    small: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.cache.SHARD_ITEMS", 2)
    samples = Samples(small, "train", size=SIZE)
    asked: list[int] = []
    decode = samples.decode

    def stopped(index: int) -> Any:
        asked.append(index)
        if index == 5 and len(asked) < 8:
            raise KeyboardInterrupt
        return decode(index)

    monkeypatch.setattr(samples, "decode", stopped)
    with pytest.raises(KeyboardInterrupt):
        decoded(samples, tmp_path, engine.Serial())
    assert not caches(tmp_path)
    made = decoded(samples, tmp_path, engine.Serial())
    assert asked == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8]
    for index in range(9):
        assert all(np.array_equal(*pair) for pair in zip(made.pair(index), decode(index), strict=True))


def test_no_room_is_told_before_anything_is_decoded(
    small: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10, 9, 1000))
    with pytest.raises(EnvironmentFault, match=r"9 samples at 48 x 40 needs .* GB"):
        Batches(small, "train", **FULL, cache=tmp_path)
    assert not caches(tmp_path)


def test_a_damaged_file_is_named_while_the_cache_is_made(small: Manifest, tmp_path: Path) -> None:
    broken = small.folder / "masks" / "004.png"
    broken.write_bytes(broken.read_bytes()[:40])
    os.utime(broken)
    with pytest.raises(BadInput, match=r"masks/004.png"):
        Batches(small, "train", **FULL, cache=tmp_path)
    assert not caches(tmp_path)
