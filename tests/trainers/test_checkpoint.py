from __future__ import annotations

import errno
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from trainers import build, count_parameters, load, save_weights
from trainers.checkpoint import load_state, save_state
from trainers.models import MODELS, outline


@pytest.mark.parametrize("name", [name for name in MODELS if count_parameters(outline(name)) < 3e6])
def test_weights_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    network = build(name, 3, seed=9).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.size = (96, 160)
    save_weights(tmp_path / "w.safetensors", network)
    found = load(tmp_path / "w.safetensors")
    assert (found.name, found.classes, found.size, found.training) == (name, 3, (96, 160), False)
    before, after = network.state_dict(), found.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_run_folder_stands_for_its_best_weights(tmp_path: Path) -> None:
    save_weights(tmp_path / "best.safetensors", build("portrait_lcnet"))
    assert load(tmp_path).name == "portrait_lcnet"


def test_bare_tensors_are_recognised_by_their_names(tmp_path: Path) -> None:
    torch.save(build("portrait_lcnet_noprior", 4).state_dict(), tmp_path / "w.pt")
    found = load(tmp_path / "w.pt")
    assert (found.name, found.classes) == ("portrait_lcnet_noprior", 4)


def test_a_pickle_that_is_no_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "was here"

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (mark,)

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"x": Evil()}, tmp_path / "evil2.pt")
    for name in ("evil.pt", "evil2.pt"):
        with pytest.raises(BadInput, match=f"{name}.*torch file of weights"):
            load(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04N."])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w"])
def test_another_kind_of_file_is_refused_by_name(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=name):
        load(tmp_path / name)


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", build("portrait_lcnet"))
    whole = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="safetensors file"):
        load(tmp_path / "w.safetensors")


def test_another_networks_weights_are_refused_and_it_is_named(tmp_path: Path) -> None:
    network = build("portrait_lcnet")
    save_weights(tmp_path / "told.safetensors", network)
    with pytest.raises(BadInput, match=r"expected weights of enet, found weights of portrait_lcnet"):
        load(tmp_path / "told.safetensors", model="enet")
    network.name = "portrait_lcnet_noprior"
    save_weights(tmp_path / "untrue.safetensors", network)
    with pytest.raises(BadInput, match=r"weights of portrait_lcnet_noprior, found the weights of portrait_lcnet"):
        load(tmp_path / "untrue.safetensors")
    save_file({"layer.weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(BadInput, match=r"1 tensors that fit none of them, the first is layer\.weight"):
        load(tmp_path / "foreign.safetensors")
    with pytest.raises(UsageProblem, match="unknown model 'resnet'"):
        load(tmp_path / "told.safetensors", model="resnet")


def test_a_missing_tensor_or_another_shape_is_named(tmp_path: Path) -> None:
    network = build("portrait_lcnet")
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    notes = {"model": "portrait_lcnet", "classes": "2"}
    short = {key: value for key, value in tensors.items() if key != "score.bias"}
    save_file(short, tmp_path / "short.safetensors", notes)
    with pytest.raises(BadInput, match=r"1 tensors missing, the first is score\.bias"):
        load(tmp_path / "short.safetensors")
    save_file({**tensors, "score.bias": torch.zeros(5)}, tmp_path / "wide.safetensors", notes)
    with pytest.raises(BadInput, match=r"score\.bias of shape \(5,\) in place of \(1,\)"):
        load(tmp_path / "wide.safetensors")


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    network = build("portrait_lcnet")
    with torch.no_grad():
        network.score.bias[0] = float("nan")
    save_weights(tmp_path / "w.safetensors", network)
    with pytest.raises(BadInput, match=r"NaN or infinity in score\.bias"):
        load(tmp_path / "w.safetensors")


def test_a_path_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        load(tmp_path / "nowhere.safetensors")
    with pytest.raises(BadInput, match="no weights in it"):
        load(tmp_path)


def test_a_full_disk_keeps_the_last_good_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path / "last.pt", {"step": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        save_state(tmp_path / "last.pt", {"step": 2})
    assert load_state(tmp_path / "last.pt") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
