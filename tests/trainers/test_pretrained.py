from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import save_file

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from trainers import build, load, save_weights
from trainers.networks.lcnet import LCNetTrunk
from trainers.networks.mobile import MobileTrunk
from trainers.networks.resnet import ResNetTrunk
from trainers.pretrained import PUBLISHED, find, load_encoder


def published(path: Path, trunk: torch.nn.Module, **more: torch.Tensor) -> Path:
    """A file as timm writes it: the whole trunk with values of its own, and a classifier."""
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for key, value in trunk.state_dict().items():
        drawn = torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        tensors[key] = drawn.contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({**tensors, **{name.replace("__", "."): value for name, value in more.items()}}, path)
    return path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of files put there by hand, where nothing can be fetched."""
    import huggingface_hub.constants

    monkeypatch.setenv("MASKSMITH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "weights"


def test_an_encoder_takes_published_weights_by_name_and_leaves_the_classifier(tmp_path: Path) -> None:
    trunk = MobileTrunk("mobilenetv2_100", head=True)
    file = published(tmp_path / "m.safetensors", trunk, classifier__weight=torch.rand(10, 1280))
    network = build("peopleseg_fpn")
    head = network.score.weight.clone()
    start = load_encoder(network, file)
    assert torch.equal(network.encoder.conv_head.weight, _read(file)["conv_head.weight"])
    assert torch.equal(network.encoder.blocks[3][0].bn2.running_var, _read(file)["blocks.3.0.bn2.running_var"])
    assert torch.equal(network.score.weight, head)
    assert (start.name, start.sha256, start.tensors) == (
        "mobilenetv2_100",
        files.sha256(file),
        len(trunk.state_dict()),
    )


def _read(file: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


def test_a_cut_encoder_takes_its_part_of_the_whole_file(tmp_path: Path) -> None:
    pooled = {"conv_head__weight": torch.rand(1280, 960, 1, 1), "conv_head__bias": torch.rand(1280)}
    file = published(tmp_path / "m.safetensors", MobileTrunk("mobilenetv3_large_100", head=True), **pooled)
    network = build("portrait_mnv3")
    load_encoder(network, file)
    assert torch.equal(network.encoder.blocks[3][3].conv_pwl.weight, _read(file)["blocks.3.3.conv_pwl.weight"])


def test_the_network_of_document_p_takes_lcnets_weights(tmp_path: Path) -> None:
    later = {
        "blocks__5__0__conv_dw__weight": torch.rand(128, 1, 5, 5),
        "conv_head__weight": torch.rand(1280, 256, 1, 1),
    }
    file = published(tmp_path / "l.safetensors", LCNetTrunk(0.5), **later)
    assert load_encoder(build("portrait_lcnet"), file).name == "lcnet_050"


def test_the_normalisation_is_that_of_the_weights(tmp_path: Path) -> None:
    file = published(tmp_path / "m.safetensors", MobileTrunk("mobilenetv1_100"))
    network = build("mobileseg")
    load_encoder(network, file)
    assert torch.equal(network.normalise(torch.full((1, 3, 1, 1), 0.5)), torch.zeros(1, 3, 1, 1))


def test_a_checkpoint_says_what_it_started_from(tmp_path: Path) -> None:
    file = published(tmp_path / "l.safetensors", LCNetTrunk(0.5))
    network = build("portrait_lcnet_noprior")
    load_encoder(network, file)
    save_weights(tmp_path / "best.safetensors", network)
    assert load(tmp_path).pretrained == f"lcnet_050 {files.sha256(file)}"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = published(tmp_path / "lite.safetensors", MobileTrunk("efficientnet_lite0"))
    network = build("portrait_effb0")
    before = network.encoder.conv_stem.weight.clone()
    with pytest.raises(BadInput, match=r"lite.*efficientnet_b0.*missing.*blocks\.0\.0\.se\."):
        load_encoder(network, file)
    with pytest.raises(BadInput, match=r"efficientnet_lite0 and its classifier.*extra\.weight"):
        load_encoder(
            build("portrait_efflite0"),
            published(tmp_path / "more.safetensors", MobileTrunk("efficientnet_lite0"), extra__weight=torch.rand(2)),
        )
    with pytest.raises(BadInput, match=r"conv_stem\.weight of shape \(32, 3, 3, 3\) in place of \(16, 3, 3, 3\)"):
        load_encoder(build("portrait_mnv2"), published(tmp_path / "wide.safetensors", MobileTrunk("mobilenetv2_100")))
    assert torch.equal(network.encoder.conv_stem.weight, before)
    assert network.pretrained == ""


def test_a_file_put_there_by_hand_is_found_by_its_name(no_network: Path) -> None:
    file = published(no_network / "resnet18.safetensors", ResNetTrunk("resnet18"))
    assert find("resnet18") == file


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server on loopback that answers as Hugging Face does, from the folder returned."""
    import huggingface_hub.constants

    folder = tmp_path / "hub"

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.wfile.write(self.answer())

        def answer(self) -> bytes:
            file = folder / self.path.lstrip("/")
            data = file.read_bytes() if file.is_file() else b""
            self.send_response(200 if file.is_file() else 404)
            if not file.is_file():
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("ETag", '"1"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return data

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MASKSMITH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield folder
    server.shutdown()
    server.server_close()


def test_weights_are_fetched_under_timms_name_and_tag(hub: Path) -> None:
    file = published(hub / "timm/lcnet_050.ra2_in1k/resolve/main/model.safetensors", LCNetTrunk(0.5))
    network = build("portrait_lcnet")
    start = load_encoder(network, None)
    assert start.sha256 == files.sha256(file)
    assert torch.equal(network.encoder.conv_stem.weight, _read(file)["conv_stem.weight"])


def test_weights_that_the_server_has_not_got_end_with_the_same_advice(hub: Path) -> None:
    with pytest.raises(
        EnvironmentFault, match=r"cannot fetch timm/resnet18\.a1_in1k.*put it at .*resnet18\.safetensors"
    ):
        find("resnet18")


def test_without_a_network_it_says_which_file_to_put_where(no_network: Path) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        load_encoder(build("portrait_lcnet"))
    assert "https://huggingface.co/timm/lcnet_050.ra2_in1k/resolve/main/model.safetensors" in str(caught.value)
    assert str(no_network / "lcnet_050.safetensors") in str(caught.value)


def test_what_nobody_published_is_said_to_be_so(no_network: Path) -> None:
    assert "mobilenetv2_035" not in PUBLISHED
    with pytest.raises(EnvironmentFault, match=r"no weights of mobilenetv2_035.*mobilenetv2_035\.safetensors"):
        load_encoder(build("portrait_mnv2"))


def test_a_network_without_a_known_encoder_is_refused() -> None:
    with pytest.raises(UsageProblem, match="enet has no encoder"):
        load_encoder(build("enet"))
    with pytest.raises(UsageProblem, match="sinet has no encoder"):
        load_encoder(build("sinet"))
