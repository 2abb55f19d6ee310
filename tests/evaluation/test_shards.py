"""Judging in shards: the same counts however shards run, and a stopped run goes on."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from evaluation import dataset, inputs, shards
from evaluation.counts import Counts, CountsBuilder
from manifests.manifest import Info, ManifestWriter
from manifests.record import Record
from masksmith import engine
from masksmith.errors import BadInput
from tests.evaluation.typed import save


def disc(x: int, r: int = 8, size: tuple[int, int] = (32, 40)) -> Any:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return ((columns - x) ** 2 + (rows - 16) ** 2 <= r * r).astype(np.uint8)


def bright(pictures: list[Any]) -> list[Any]:
    return [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255 for picture in pictures]


def model() -> dataset.Model:
    return dataset.Model(bright)


def written(counts: Counts, path: Path) -> bytes:
    counts.to_parquet(path)
    return path.read_bytes()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for k in range(70):
        save(tmp_path / "pred" / f"{k}.png", disc(k % 40, 5) * 255)
        save(tmp_path / "truth" / f"{k}.png", disc(k % 40 + 2, 6) * 255)
        save(tmp_path / "photos" / f"{k}.png", np.full((32, 40, 3), 3 * k, np.uint8))
    return tmp_path / "pred", tmp_path / "truth"


def test_two_folders_count_to_the_same_bytes_by_shards_in_processes_and_as_ever(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    pairs, reader = inputs.pair_folders(*folders), inputs.Reader()
    photos = inputs.named_files(tmp_path / "photos")
    alone, coding = shards.count_pairs(pairs, reader, tolerance=2.0, photos=photos)
    together, _ = shards.count_pairs(pairs, reader, engine.get("process", 1), tolerance=2.0, photos=photos)
    assert written(alone, tmp_path / "a") == written(together, tmp_path / "b")
    before, same = inputs.count_pairs(pairs, reader, tolerance=2.0)
    assert alone.digest() == before.digest() and coding == same
    assert alone.column("brightness")[10] == pytest.approx(30 / 255)
    truth = cv2.moments(disc(12, 6), binaryImage=True)
    assert alone.column("centre_x")[10] == pytest.approx((truth["m10"] / truth["m00"] + 0.5) / 40)


def test_values_are_settled_over_all_shards_not_within_one(folders: tuple[Path, Path]) -> None:
    save(folders[0] / "69.png", disc(10))  # 0 and 1 where all others hold 0 and 255
    with pytest.raises(BadInput, match=r"69\.png"):
        shards.count_pairs(inputs.pair_folders(*folders), inputs.Reader())


def test_pixels_that_are_not_judged_have_no_say_in_the_centre(tmp_path: Path) -> None:
    truth = disc(30, 4)
    truth[:, :10] = 255
    save(tmp_path / "pred" / "a.png", disc(30, 4))
    save(tmp_path / "truth" / "a.png", truth)
    counts, _ = shards.count_pairs(inputs.pair_folders(tmp_path / "pred", tmp_path / "truth"), inputs.Reader())
    assert counts.column("centre_x")[0] == pytest.approx(30.5 / 40)


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, list[Record]]:
    folder = tmp_path / "data"
    with ManifestWriter(folder, Info("discs", classes={"background": 0, "disc": 1})) as writer:
        for k in range(90):
            clip = f"clip{k // 20}" if k >= 40 else None
            save(folder / "i" / f"{k}.png", cv2.cvtColor(disc(k % 40, 6) * 255, cv2.COLOR_GRAY2BGR))
            save(folder / "m" / f"{k}.png", disc(k % 40 + 1, 6))
            subject = f"s{k % 7}"
            extra = {"view": "ab"[k % 2]} if k > 50 else {}
            writer.add(
                Record(
                    f"{k:03d}",
                    f"i/{k}.png",
                    f"m/{k}.png",
                    40,
                    32,
                    subject,
                    clip=clip,
                    frame=k if clip else None,
                    extra=extra,
                )
            )
    from manifests.manifest import Manifest

    return folder, dataset.pick(Manifest.open(folder), None)[0]


def question(folder: Path, **options: Any) -> shards.Question:
    truth = dataset.TruthReader({"background": 0, "disc": 1}, {"disc": 1})
    return shards.Question(folder, functools.partial(model), truth, None, **options)


def test_a_model_counts_to_the_same_bytes_in_processes_with_clips_whole(
    data: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    folder, records = data
    alone, clips = shards.judge(question(folder, tolerance=1.0), records)
    together, others = shards.judge(question(folder, tolerance=1.0), records, engine.get("process", 1))
    assert written(alone, tmp_path / "a") == written(together, tmp_path / "b")
    assert [clip.clip for clip in clips] == ["clip2", "clip3", "clip4"] and [c.frames for c in clips] == [20, 20, 10]
    assert [(a.flicker, a.dtssd, a.vc8) for a in clips] == [(b.flicker, b.dtssd, b.vc8) for b in others]
    assert alone.column("id") == [record.id for record in records]
    cuts = shards._cut(records)
    assert [shard.items for shard in cuts] == [32, 8, 20, 30]


def test_a_stopped_run_goes_on_where_it_was_and_ends_with_the_same_bytes(
    data: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    folder, records = data
    out = tmp_path / "out"
    out.mkdir()
    progress = shards.Progress(out, {"what": 1})
    asked: list[int] = []

    class Stopping(engine.Serial):
        def map(self, work: Any, cuts: Any, **rest: Any) -> Any:
            def once(shard: engine.Shard) -> Any:
                asked.append(shard.index)
                if len(asked) == 3:
                    raise KeyboardInterrupt
                return work(shard)

            return super().map(once, cuts, **rest)

    with pytest.raises(KeyboardInterrupt):
        shards.judge(question(folder), records, Stopping(), progress=progress)
    counts, _ = shards.judge(question(folder), records, Stopping(), progress=progress)
    assert asked == [0, 1, 2, 2, 3]
    undisturbed, _ = shards.judge(question(folder), records)
    assert written(counts, tmp_path / "a") == written(undisturbed, tmp_path / "b")
    assert shards.Progress(out, {"what": 2}).receipts("records").load(0) is None  # another job starts anew
    progress.done()
    assert list(out.iterdir()) == []


def test_counts_join_in_order_and_an_image_in_two_is_refused_by_name() -> None:
    def table(*names: str) -> Counts:
        builder = CountsBuilder()
        for name in names:
            builder.add(name, np.array([[5, 0, 1, 4], [4, 1, 0, 5]]))
        return builder.build()

    whole = shards.joined([table("b", "a"), table("c")], ("one", "two"))
    assert whole.column("id") == ["b", "a", "c"]
    with pytest.raises(BadInput, match="two: expected images that are counted once, found 'a', which is in one too"):
        shards.joined([table("b", "a"), table("a")], ("one", "two"))
    other = CountsBuilder((0, 1, 2)).build()
    with pytest.raises(BadInput, match="classes"):
        shards.joined([table("b"), other], ("one", "two"))
