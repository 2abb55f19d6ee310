"""Weights on disk: safetensors for use, one more file for going on with a run."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from masksmith import files
from masksmith.errors import BadInput, unknown_choice
from trainers.channels import narrow
from trainers.models import MODELS, build, outline
from trainers.networks.layers import Network

BEST = "best.safetensors"
LAST = "last.pt"
FORMAT = "masksmith-weights-1"
_REMEDY = "give a file that `masksmith train` wrote"


@dataclass(frozen=True)
class Weights:
    """A checkpoint's content: tensors by name and what is written about them ("model", "classes", "size", ...)."""

    tensors: Mapping[str, Tensor]
    notes: Mapping[str, str]


def save_weights(path: str | os.PathLike[str], network: Network, notes: Mapping[str, str] | None = None) -> None:
    """Write a network's weights as safetensors, atomically.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written to; what was there stays.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    about = {"format": FORMAT, **about_network(network), **(notes or {})}
    files.write_bytes(path, save(tensors, about))


def about_network(network: Network) -> dict[str, str]:
    """What a file of weights must say to be loaded: the network, its classes and its size."""
    about = {
        "model": network.name,
        "classes": str(network.classes),
        "size": "x".join(map(str, network.size)),
    }
    about |= {"pretrained": network.pretrained} if network.pretrained else {}
    return about | ({"channels": json.dumps(dict(network.channels))} if network.channels else {})


def as_stored(network: Network, notes: Mapping[str, str], place: str | os.PathLike[str]) -> None:
    """Give a fresh network the channels of a pruned one, as the notes of its weights tell; others stay whole.

    Raises:
        BadInput: channels that the network cannot have.
    """
    text = notes.get("channels")
    if not text:
        return
    try:
        told = {str(name): int(count) for name, count in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        raise BadInput(place, "the number of channels of blocks", repr(text[:60]), _REMEDY) from None
    narrow(network, told, where=str(place))


def save_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write what a run needs to go on, atomically.

    Raises:
        EnvironmentFault: as :func:`save_weights`.
    """
    with files.atomic(path) as part:
        try:
            with part.open("wb") as handle:
                torch.save(dict(state), handle)
        except RuntimeError as fault:
            # torch's archive writer, closing after a failed write, hides the system's error behind its own
            origin: BaseException | None = fault
            while origin is not None and not isinstance(origin, OSError):
                origin = origin.__context__
            if origin is None:
                raise
            raise origin from fault


def load_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what :func:`save_state` wrote; nothing in the file is executed.

    Raises:
        BadInput: another kind of file, or a damaged one.
    """
    found = _unpickled(Path(path))
    if not isinstance(found, dict):
        raise BadInput(path, "the state of a run", f"a {type(found).__name__}", "start again in another folder")
    return found


def locate(path: str | os.PathLike[str]) -> Path:
    """The weights' file of a run folder (its best), or the path itself.

    Raises:
        BadInput: there is none.
    """
    place = Path(path)
    if place.is_dir():
        for name in (BEST, LAST):
            if (place / name).is_file():
                return place / name
        raise BadInput(place, f"a run folder with {BEST}", "no weights in it", "train first: masksmith train")
    if not place.is_file():
        raise BadInput(place, "a run folder or a file of weights", "no such file", "check the path")
    return place


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a run folder's or file's weights; nothing in the file is executed.

    Raises:
        BadInput: not weights, damaged, or holding values that are not finite.
    """
    place = locate(path)
    weights = _safetensors(place) if place.suffix == ".safetensors" else _torch_file(place)
    if not weights.tensors:
        raise BadInput(place, "weights of a network", "no tensors", _REMEDY)
    refuse_nan(place, weights.tensors)
    return weights


def refuse_nan(place: str | os.PathLike[str], tensors: Mapping[str, Tensor]) -> None:
    """Look at every value.

    Raises:
        BadInput: one is not finite.
    """
    for key, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise BadInput(
                place, "finite weights", f"NaN or infinity in {key}", "use an earlier checkpoint, or train again"
            )


def load(path: str | os.PathLike[str], *, model: str | None = None) -> Network:
    """The trained network of a run folder or a file of weights, in evaluation mode on the CPU.

    Args:
        path: a run folder, a ``.safetensors`` file, or a torch file of weights.
        model: the network it must be; None = the one the file names.

    Raises:
        UsageProblem: ``model`` is unknown.
        BadInput: not weights, another network's, damaged, or not finite.
    """
    if model is not None and model not in MODELS:
        raise unknown_choice("model", model, MODELS)
    place = locate(path)
    weights = read_weights(place)
    named = weights.notes.get("model") or _recognised(weights.tensors)
    if named is None:
        found = f"{len(weights.tensors)} tensors that fit none of them, the first is {next(iter(weights.tensors))}"
        raise BadInput(place, f"weights of one of {', '.join(sorted(MODELS))}", found, _REMEDY)
    if model is not None and named != model:
        raise BadInput(place, f"weights of {model}", f"weights of {named}", f"load it as {named}")
    if named not in MODELS:
        raise BadInput(place, "weights of a network known here", f"weights of {named}", "install a newer masksmith")
    network = build(named, _classes(place, weights))
    as_stored(network, weights.notes, place)
    wrong = _differences(network, weights.tensors)
    if wrong:
        raise BadInput(place, f"the weights of {named}", wrong, _REMEDY)
    network.load_state_dict(dict(weights.tensors))
    network.size = _size(weights.notes.get("size", "")) or network.size
    network.pretrained = weights.notes.get("pretrained", "")
    return network.eval()


def _safetensors(place: Path) -> Weights:
    try:
        with safe_open(place, framework="pt") as opened:
            return Weights({key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as fault:
        raise BadInput(place, "a safetensors file", f"another or a damaged one ({fault})", "copy it again") from None


def _torch_file(place: Path) -> Weights:
    found = _unpickled(place)
    notes: dict[str, str] = {}
    if isinstance(found, dict) and isinstance(found.get("network"), dict):
        notes = {str(key): str(value) for key, value in (found.get("notes") or {}).items()}
        found = found["network"]
    elif isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise BadInput(place, "tensors by name", f"a {type(found).__name__} of other things", _REMEDY)
    return Weights({str(key): value for key, value in found.items()}, notes)


def _unpickled(place: Path) -> Any:
    try:
        with warnings.catch_warnings():  # about pickle's newer protocols, which no user asked for
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(place, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(place, "a file of weights", "no such file", "check the path") from None
    except pickle.UnpicklingError:
        found = "a pickle that holds more than weights, or another kind of file"
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError):
        found = "another kind of file, or a damaged one"
    raise BadInput(place, "a torch file of weights", found, "don't open it; take the weights as safetensors")


def _recognised(tensors: Mapping[str, Tensor]) -> str | None:
    """The network whose parameters have these names, where a file does not say."""
    for name in MODELS:
        if set(outline(name).state_dict()) == set(tensors):
            return name
    return None


def _classes(place: Path, weights: Weights) -> int:
    text = weights.notes.get("classes")
    if text is None:  # as many as the last layer has maps
        if "score.weight" in weights.tensors:
            return max(2, int(weights.tensors["score.weight"].shape[0]))
        head = weights.tensors.get("head.weight")
        return 2 if head is None or head.ndim < 2 else max(2, int(head.shape[1]))
    try:
        return max(2, int(text))
    except ValueError:
        raise BadInput(place, "a number of classes", repr(text), _REMEDY) from None


def _size(text: str) -> tuple[int, int] | None:
    height, _, width = text.partition("x")
    return (int(height), int(width)) if height.isdigit() and width.isdigit() else None


def _differences(network: Network, tensors: Mapping[str, Tensor]) -> str:
    """What keeps the tensors from being the network's, in words; empty where nothing does."""
    wanted = network.state_dict()
    missing = sorted(set(wanted) - set(tensors))
    strange = sorted(set(tensors) - set(wanted))
    shapes = [key for key in wanted if key in tensors and wanted[key].shape != tensors[key].shape]
    other = _recognised(tensors) if missing or strange else None
    if other:
        return f"the weights of {other}"
    parts = []
    if missing:
        parts.append(f"{len(missing)} tensors missing, the first is {missing[0]}")
    if strange:
        parts.append(f"{len(strange)} others, the first is {strange[0]}")
    if shapes:
        key = shapes[0]
        parts.append(f"{key} of shape {tuple(tensors[key].shape)} in place of {tuple(wanted[key].shape)}")
    return "; ".join(parts)
