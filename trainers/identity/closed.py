"""Training ``facenet_lite0``: features of a trunk from ImageNet once, then its last layer in closed form."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from masksmith import files
from masksmith.errors import BadInput
from trainers import machine
from trainers.checkpoint import BEST
from trainers.identity.clusters import PairScore
from trainers.identity.distances import as_euclidean
from trainers.identity.drawing import Faces, as_tensor
from trainers.identity.embed import save_face_network
from trainers.identity.photos import Photos
from trainers.identity.settings import IdentitySettings
from trainers.identity.train import FaceRun, job_of, same_faces, with_threads
from trainers.identity.whitening import FOLDS, Floats, fit, held_out_threshold
from trainers.models import build_embedding
from trainers.networks.facenet import LiteFaceNet
from trainers.predict import pick_device
from trainers.pretrained import load_encoder
from trainers.runs import RUN

_BATCH = 32
_FEWEST = 6


def fit_faces(
    faces: Faces,
    photos: Photos,
    settings: IdentitySettings,
    out: str | os.PathLike[str],
    advance: Callable[[int], None] | None = None,
) -> FaceRun:
    """Fit a face network in closed form; the same run again is only reported.

    Args:
        faces: crops of the settings' size, one for each of ``photos``.
        out: the run's folder: ``run.json``, ``best.safetensors``.
        advance: called with the number of photos done.

    Raises:
        BadInput: the folder holds another run, or there are fewer than six people.
        EnvironmentFault: the weights of the trunk are nowhere; the disk is full; another process trains there.
    """
    began = time.monotonic()
    folder = files.writable(out)
    if len(photos.names) < _FEWEST:
        raise BadInput(
            photos.folder, f"photos of at least {_FEWEST} people", f"of {len(photos.names)}", "add people to learn from"
        )
    with files.sole_writer(folder), with_threads(settings.threads):
        job = json.loads(files.canonical(job_of(photos, settings)))
        before = same_faces(folder, job)
        if before is not None and before.get("result"):
            kept = dict(before["result"])
            return FaceRun(**{**kept, "train": PairScore(**kept["train"])})
        device = pick_device(settings.device)
        network = build_embedding("facenet_lite0")
        if not isinstance(network, LiteFaceNet):
            raise TypeError(f"facenet_lite0 is a {type(network).__name__}")
        start = load_encoder(network)
        network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        features = _features(network, faces, device, advance or (lambda count: None))
        people = faces.people
        threshold, score = held_out_threshold(features, people, settings.shrink, settings.seed)
        if settings.threshold:
            threshold = as_euclidean(settings.threshold, settings.distance)
        weight, bias = fit(np.concatenate(features), np.tile(people, 2), settings.shrink)
        with torch.no_grad():
            network.embed.weight.copy_(torch.from_numpy(weight))
            network.embed.bias.copy_(torch.from_numpy(bias))
        limit = threshold**2 if settings.distance == "squared" else threshold
        notes = {
            "model": "facenet_lite0",
            "width": "1",
            "size": "x".join(map(str, settings.size)),
            "crop": settings.crop,
            "distance": settings.distance,
            "threshold": f"{limit:.6g}",
            "pair_error": f"{score.error:.6g}",
            "pair_error_of": "strangers",
            "pretrained": f"{start.name} {start.sha256}",
        }
        save_face_network(folder / BEST, network.state_dict(), notes)
        result = FaceRun(
            run=str(folder),
            people=len(photos.names),
            photos=len(photos),
            steps=0,
            loss=None,
            taken=None,
            threshold=limit,
            train=score,
            held_out=True,
            seconds=time.monotonic() - began,
        )
        described = {"format": "masksmith-identity-1", "job": job, "environment": machine.describe(device)}
        files.write_json(folder / RUN, {**described, "folds": FOLDS, "result": result.as_json()})
        return result


def _features(
    network: LiteFaceNet, faces: Faces, device: torch.device, advance: Callable[[int], None]
) -> tuple[Floats, Floats]:
    """(N, D) of the photos, and of their mirror images."""
    plain, mirrored = [], []
    with torch.inference_mode():
        for start in range(0, len(faces.crops), _BATCH):
            values = as_tensor(faces.crops[start : start + _BATCH]).to(device)
            plain.append(network.features(values).double().cpu().numpy())
            mirrored.append(network.features(values.flip(3)).double().cpu().numpy())
            advance(len(values))
    return np.concatenate(plain), np.concatenate(mirrored)
