"""What a dataset is made of, counted; and copies of it, warped."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests import Manifest, ManifestWriter
from masksmith import cli, images
from masksmith.errors import BadInput
from tests.masksmith import small_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set.write(tmp_path_factory.mktemp("data") / "small set")


def said(capsys: pytest.CaptureFixture[str], *line: str) -> dict[str, Any]:
    cli.group.main(args=[*line, "--json"], standalone_mode=False)
    return dict(json.loads(capsys.readouterr().out))


def test_statistics_count_records_areas_places_classes_and_choices(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, "stats", str(data))
    masks = [images.read_mask(path) for path in sorted((data / "masks").iterdir())]
    assert told["records"] == told["masks_read"] == small_set.COUNT
    assert told["splits"]["train"] == {
        "records": 16, "subjects": 4, "floors": 2, "pairs": 5, "without_foreground": 4
    }  # fmt: skip
    assert sum(row["masks"] for row in told["area_histogram"]) == small_set.COUNT
    assert told["area_histogram"][0]["masks"] == 4 and told["area"]["least"] == 0
    assert told["classes"]["foot"]["pixel_share"] == pytest.approx(np.mean(masks), abs=1e-6)
    assert told["classes"]["foot"]["mask_share"] == pytest.approx(20 / 24, abs=1e-4)
    heat = np.array(told["heat"])
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert (2 * column, 2 * row) == pytest.approx((12, 30), abs=10) and heat.max() == pytest.approx(20 / 24, abs=1e-3)
    assert heat[:, 14:].max() == 0, "nothing lies on the right"
    assert told["traits"]["blend"] == {"alpha": 8, "gaussian": 8, "poisson": 8}
    assert told["traits"]["lens"] == {"clear": 12, "defocus": 12}
    assert told["traits"]["sides"] == {"left": 24, "right": 12}
    assert said(capsys, "stats", str(data), "--split", "val")["records"] == 4
    assert said(capsys, "stats", str(data), "--count", "5")["masks_read"] == 5


def test_the_table_is_for_people_and_the_page_escapes_what_names_hold(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.group.main(args=["stats", str(data), "--out", str(tmp_path / "s.html")], standalone_mode=False)
    out = capsys.readouterr().out
    assert "small set: 24 records" in out and "gaussian" in out
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert small_set.EVIL not in page and "&lt;script&gt;alert" in page and "default-src &#x27;none" not in page


def test_augmented_copies_keep_their_original_beside_them_in_every_split(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("augment", str(data), "--times", "2", "--seed", "3", "--engine", "serial")
    told = said(capsys, *line, "--out", str(tmp_path / "more"))
    assert (told["records"], told["copies"]) == (24, 48)
    before = {record.id: record for record in Manifest.open(data).records()}
    made = Manifest.open(tmp_path / "more")
    seen = list(made.records())
    assert len({record.id for record in seen}) == 48
    assert set((made.info.split_proof or {})["keys"]) == {"subject", "photo"}
    changed = 0
    for record in seen:
        origin = before[record.values_of("photo")[0]]
        assert (record.split, record.subject, record.groups["floor"]) == (
            origin.split, origin.subject, origin.groups["floor"]
        )  # fmt: skip
        image, mask = images.read_image(made.path(record.image)), images.read_mask(made.path(record.mask or ""))
        assert image.shape[:2] == mask.shape == (small_set.SIZE, small_set.SIZE)
        inside = mask == 1
        if inside.sum() > 60:  # picture and mask were moved together
            assert image[inside][:, 0].mean() > image[~inside][:, 0].mean() + 40
        changed += not np.array_equal(mask, images.read_mask(data / (origin.mask or "")))
    assert changed > 30
    said(capsys, *line, "--out", str(tmp_path / "again"))
    for path in (tmp_path / "more").rglob("*.*g"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "more")).read_bytes()
    affine = said(capsys, *line, "--fit", "affine", "--split", "val", "--out", str(tmp_path / "affine"))
    assert affine["records"] == 4


def test_pictures_in_tar_shards_are_counted_and_shown_as_those_in_folders(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Manifest.open(data)
    with (
        ManifestWriter(tmp_path / "packed", whole.info) as sink,
        tarfile.open(tmp_path / "packed" / "train-000000.tar", "w") as tar,
    ):
        for record in whole.records():
            names = {record.image: f"{record.id}.jpg", record.mask: f"{record.id}.mask.png"}
            for path, name in names.items():
                tar.add(data / str(path), name)
            urls = [f"tar://{name}::train-000000.tar" for name in names.values()]
            sink.add(replace(record, image=urls[0], mask=urls[1]))
    told, before = (said(capsys, "stats", str(folder)) for folder in (tmp_path / "packed", data))
    assert told == before
    for folder in ("packed", str(data)):
        where = str(tmp_path / folder) if folder == "packed" else folder
        out = tmp_path / f"{len(folder)}.png"
        cli.group.main(args=["show", where, "--masks", "--side", "48", "--out", str(out)], standalone_mode=False)
    sheets = [images.read_image(path) for path in sorted(tmp_path.glob("*.png"))]
    assert len(sheets) == 2 and np.array_equal(*sheets)
    tar_path = tmp_path / "packed" / "train-000000.tar"
    tar_path.unlink()
    with pytest.raises(BadInput, match="train-000000"):
        cli.group.main(args=["stats", str(tmp_path / "packed")], standalone_mode=False)
