"""Raw files are arranged as the commands take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.results import inputs
from masksmith.errors import BadInput
from trainers.identity.protocol import find_photos, read_pairs


@pytest.fixture(scope="module")
def orl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty-eight people of ten pictures each, as ORL's folders."""
    folder = tmp_path_factory.mktemp("orl")
    for person in range(3, 41):
        (folder / "in" / f"s{person}").mkdir(parents=True)
        for photo in range(1, 11):
            Image.fromarray(np.full((4, 3), person * photo % 256, np.uint8)).save(
                folder / "in" / f"s{person}" / f"{photo}.pgm"
            )
    inputs.faces(folder / "in", folder / "out")
    return folder / "out"


def test_people_to_learn_from_are_not_those_to_test_on(orl: Path) -> None:
    train, test = ({path.name for path in (orl / side).iterdir()} for side in ("train", "test"))
    assert (len(train), len(test)) == (18, 20) and not train & test


def test_every_fold_has_two_people_of_its_own_and_as_many_pairs_of_each_kind(orl: Path) -> None:
    pairs = read_pairs(orl / "pairs.txt")
    people = [
        {side[0] for pair in pairs if pair.fold == fold for side in (pair.first, pair.second)} for fold in range(10)
    ]
    assert all(len(names) == 2 for names in people) and len(set.union(*people)) == 20
    for fold in range(10):
        mine = [pair for pair in pairs if pair.fold == fold]
        assert sum(pair.same for pair in mine) == 90 == sum(not pair.same for pair in mine)
        assert len({(pair.first, pair.second) for pair in mine}) == 180
    found, missing = find_photos(orl / "test", pairs)
    assert len(found) == 200 and not missing


def test_pictures_are_kept_pixel_for_pixel(orl: Path) -> None:
    with Image.open(orl / "test" / "s40" / "s40_0007.png") as photo:
        assert np.asarray(photo).tolist() == [[280 % 256] * 3] * 4


def test_photos_are_linked_below_their_person(tmp_path: Path) -> None:
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        (tmp_path / "in" / kind).mkdir(parents=True)
        for name in ("01", "02"):
            (tmp_path / "in" / kind / f"{name}.{suffix}").write_text(f"{kind} {name}")
    (tmp_path / "in" / "meta.csv").write_text("file,subject_id\n01.jpg,s05\n02.jpg,s05\n")
    assert inputs.real_feet(tmp_path / "in", tmp_path / "out") == "2 photos of 1 people"
    assert (tmp_path / "out" / "masks" / "s05" / "02.png").read_text() == "masks 02"
    (tmp_path / "in" / "masks" / "02.png").unlink()
    with pytest.raises(BadInput, match=r"02\.jpg"):
        inputs.real_feet(tmp_path / "in", tmp_path / "out")


def test_clips_stand_in_the_layout_of_davis(tmp_path: Path, real_data: Path) -> None:
    inputs.clips(real_data / "video", tmp_path)
    for kind in ("JPEGImages", "Annotations"):
        frames = [len(list((tmp_path / kind / "480p" / name).iterdir())) for name in ("dance-twirl", "greenscreen")]
        assert frames == [90, 78]


def test_an_unknown_kind_ends_with_two_and_a_wrong_folder_with_three(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inputs.main(["face", str(tmp_path), str(tmp_path)]) == 2
    assert "faces" in capsys.readouterr().err
    assert inputs.main(["faces", str(tmp_path), str(tmp_path)]) == 3
