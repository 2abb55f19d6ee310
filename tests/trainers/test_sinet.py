from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from trainers import build, load
from trainers.networks.sinet import SINet


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protocol buffer message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        size, at = varint(data, at) if key & 7 == 2 else ((4 if key & 7 == 5 else 8), at)
        yield key >> 3, data[at : at + size]
        at += size


def graph_of(path: Path) -> bytes:
    """The graph of an ONNX file."""
    return next(value for number, value in fields(path.read_bytes()) if number == 7)  # type: ignore[misc]


def initialisers(graph: bytes) -> dict[str, torch.Tensor]:
    """The 32-bit float tensors that a graph holds."""
    found = {}
    for number, tensor in fields(graph):
        if number != 5:
            continue
        shape: list[int] = []
        kind, name, raw = 0, "", b""
        for part, value in fields(tensor):  # type: ignore[arg-type]
            if part == 1:
                shape += [value] if isinstance(value, int) else list(value)
            elif part == 2:
                kind = int(value)  # type: ignore[arg-type]
            elif part == 8:
                name = value.decode()  # type: ignore[union-attr]
            elif part == 9:
                raw = value  # type: ignore[assignment]
        if kind == 1 and raw:
            found[name] = torch.from_numpy(np.frombuffer(raw, "<f4").copy()).reshape(shape)
    return found


def slopes(graph: bytes) -> list[str]:
    """The names of the PReLU slopes, in the order of their nodes."""
    found = []
    for number, node in fields(graph):
        if number == 1:
            parts = list(fields(node))  # type: ignore[arg-type]
            if (4, b"PRelu") in parts:
                found.append([value for part, value in parts if part == 1][1].decode())  # type: ignore[union-attr]
    return found


def slopes_in_order(network: SINet) -> list[str]:
    """The names of the network's PReLU slopes, in the order in which they are used."""
    used: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: used.append(f"{name}.weight"))
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.PReLU)
    ]
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return used


def published(real_data: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """An ONNX file of a trained SINet, and its weights under the names of the network here."""
    file = real_data / "peers" / "anil_SINet_Softmax.onnx"
    if not file.is_file():
        pytest.skip("no published SINet among the real data")
    network, graph = SINet(), graph_of(file)
    wanted, held = network.state_dict(), initialisers(graph)
    found = {key.removeprefix("0."): value for key, value in held.items()}
    # the exporter renamed most slopes: they are told by their order
    found |= {name: held[theirs] for name, theirs in zip(slopes_in_order(network), slopes(graph), strict=True)}
    return file, {key: value.reshape(wanted[key].shape) for key, value in found.items() if key in wanted}


@pytest.mark.data
def test_published_weights_load_by_name_and_give_the_published_answer(real_data: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    file, weights = published(real_data)
    network = SINet()
    left = {key for key in network.state_dict() if not key.endswith("num_batches_tracked")} - set(weights)
    assert not left
    network.load_state_dict(weights, strict=False)
    torch.save(network.state_dict(), tmp_path / "SINet.pth")
    network = load(tmp_path / "SINet.pth")
    assert network.name == "sinet"
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    image = torch.rand(1, 3, *given.shape[2:], generator=torch.Generator().manual_seed(0))
    # the file takes what the network makes of an image inside
    expected = session.run(None, {given.name: network.normalise(image).flip(1).numpy()})[0]
    with torch.inference_mode():
        got = network(image).softmax(1)
    assert torch.allclose(got, torch.from_numpy(expected).reshape(got.shape), atol=1e-4)


def test_the_state_has_the_checkpoints_names_and_no_others() -> None:
    names = set(build("sinet").state_dict())
    assert {"encoder.level1.conv.weight", "encoder.level2_0.conv.1.dense.1.weight", "bn_3.running_var"} <= names
    assert {"encoder.level3.7.d2.act_conv1x1.1.weight", "level2_C.act.weight", "classifier.1.weight"} <= names
    assert not {"mean", "std"} & names


def test_images_are_normalised_as_the_checkpoint_was_trained() -> None:
    network = build("sinet")
    red = torch.tensor([200.0, 115.69884, 107.304565]).view(1, 3, 1, 1) / 255
    assert torch.allclose(
        network.normalise(red).flatten(), torch.tensor([(200 - 132.35703) / 68.29726 / 255, 0, 0]), atol=1e-6
    )
