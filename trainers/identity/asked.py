"""Options that the commands of ``masksmith identity`` share, and what they all tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console

if TYPE_CHECKING:
    from trainers.identity.embed import FaceEmbedder
    from trainers.identity.gather import Gathered

SHOWN = 5

weights_option = click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Run folder or file of a face network [default: what MASKSMITH_FACE_WEIGHTS names].",
)
data_option = click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A manifest with subjects, or a folder with a folder of photos a person.",
)
split_option = click.option("--split", help="Only records of this split of a manifest.")
crop_option = click.option(
    "--crop",
    type=click.Choice(["mtcnn", "none"]),
    help="Detected faces, or the middle of each picture [default: as the network was trained].",
)
threshold_option = click.option(
    "--threshold", type=float, help="Same person below this distance [default: the one chosen in training]."
)
distance_option = click.option(
    "--distance",
    type=click.Choice(["euclidean", "squared"]),
    help="What --threshold is in; squared is FaceNet's L2 [default: as the network was trained].",
)


def network(weights: Path | None) -> FaceEmbedder:
    """The face network of ``--weights``, or of the environment."""
    from trainers.identity.embed import embedder

    return embedder(weights)


def left_out(gathered: Gathered) -> dict[str, Any]:
    """What JSON says of photos that could not be used."""
    return {"without_face": list(gathered.without_face), "unreadable": list(gathered.unreadable)}


def tell_left_out(gathered: Gathered) -> None:
    """Warn of photos that could not be used."""
    if gathered.without_face:
        console.warn(f"no face found in {len(gathered.without_face)} photos: {some(gathered.without_face)}")
    if gathered.unreadable:
        console.warn(f"{len(gathered.unreadable)} photos cannot be read: {gathered.unreadable[0]}")


def some(names: list[str] | tuple[str, ...]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
