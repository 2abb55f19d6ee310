"""Training a face network: mini-batches of people, online mining, one process; a run that was stopped goes on.

With one torch thread the same seed gives the same weights, stopped in between or not: mini-batches depend on the seed
and the step alone.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from masksmith import files, seeds
from masksmith.errors import BadInput, CheckFailed
from trainers import machine
from trainers.checkpoint import BEST, LAST, load_state, save_state
from trainers.identity.clusters import PairScore, Tree
from trainers.identity.drawing import Drawing, Faces, as_tensor, vary
from trainers.identity.embed import embed_crops, save_face_network
from trainers.identity.photos import Photos
from trainers.identity.settings import IdentitySettings
from trainers.identity.start import Centred, begin_linear
from trainers.identity.triplet import Mined, triplet_loss
from trainers.models import build_embedding
from trainers.networks.facenet import FaceNet
from trainers.predict import pick_device
from trainers.runs import RUN, same_run
from trainers.stopping import Stopped, StopSign, stop_sign

SAVE_EVERY_S = 30.0
FLOOR = 0.01
_FREE = ("threads", "device")
VARIED = 3
"""How often each training photo is varied for the choice of the threshold."""

OnStep = Callable[[int, Mined], None]


@dataclass(frozen=True)
class FaceRun:
    """How a run ended.

    Attributes:
        run: its folder; the weights are in ``best.safetensors``.
        people, photos: learned from.
        steps: mini-batches.
        loss: mean over the last tenth of the steps; None where there are no steps.
        taken: the share of triplets that the mining rule took in those steps.
        threshold: below it two faces are of one person; in the settings' distance.
        train: pairs of photos clustered at that threshold: of people held out while the rest were learned where
            ``held_out`` says so; else varied photos of the training people, no estimate of how it does on strangers.
        seconds: of all starts.
        held_out: see ``train``.
    """

    run: str
    people: int
    photos: int
    steps: int
    loss: float | None
    taken: float | None
    threshold: float
    train: PairScore
    seconds: float
    held_out: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def train_faces(
    faces: Faces, photos: Photos, settings: IdentitySettings, out: str | os.PathLike[str], on_step: OnStep | None = None
) -> FaceRun:
    """Train a face network, or go on where the same run was stopped; a finished one is only reported.

    Args:
        faces: crops of the settings' size, one for each of ``photos``.
        photos: whose digest makes the run this one and no other.
        out: the run's folder: ``run.json``, ``best.safetensors``, ``last.pt``.
        on_step: called with the number of steps taken and what was mined.

    Raises:
        BadInput: the folder holds another run.
        CheckFailed: the loss is not a number.
        EnvironmentFault: the disk is full, or another process trains there.
        KeyboardInterrupt: a signal came; the run can go on.
    """
    folder = files.writable(out)
    with files.sole_writer(folder), stop_sign() as sign, with_threads(settings.threads):
        job = json.loads(files.canonical(job_of(photos, settings)))
        before = same_faces(folder, job)
        if before is not None and before.get("result"):
            kept = dict(before["result"])
            return FaceRun(**{**kept, "train": PairScore(**kept["train"])})
        run = _Run(faces, settings, folder, job)
        described = {"format": "masksmith-identity-1", "job": job, "environment": machine.describe(run.device)}
        files.write_json(folder / RUN, described)
        try:
            run.go(sign, on_step or (lambda step, mined: None))
        except Stopped:
            run.save()
            raise KeyboardInterrupt from None
        result = run.finish(len(photos.names), len(photos))
        files.write_json(folder / RUN, {**described, "result": result.as_json()})
        return result


class _Run:
    """The moving parts of one run."""

    def __init__(self, faces: Faces, settings: IdentitySettings, folder: Path, job: dict[str, Any]) -> None:
        self.faces, self.settings, self.folder, self.job = faces, settings, folder, job
        self.device = pick_device(settings.device)
        seed = seeds.integer(settings.seed, "face weights")
        built = build_embedding("facenet_mobile", width=settings.width, seed=seed)
        if not isinstance(built, FaceNet):
            raise TypeError(f"facenet_mobile is a {type(built).__name__}")
        if settings.start == "linear":
            begin_linear(built, seed)
        self.drawing = Drawing(faces, settings)
        network = Centred(built)
        if settings.warmup:
            network.begin_naming(self.drawing.identities, seed)
        self.network = network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = _optimiser(settings, self.network)
        self.step, self.seconds = 0, 0.0
        self.history: list[tuple[float, float]] = []
        self._restore()
        self.started = self.saved_at = time.monotonic()

    def go(self, sign: StopSign, on_step: OnStep) -> None:
        """Train to the last step."""
        self.network.train()
        while self.step < self.settings.steps:
            sign.check()
            on_step(self.step + 1, self._train_step())
            self.step += 1
            if time.monotonic() - self.saved_at > SAVE_EVERY_S:
                self.save()

    def _train_step(self) -> Mined:
        settings = self.settings
        crops, people = self.drawing.batch(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(settings, self.step)
        points = self.network(as_tensor(crops).to(self.device))
        who = torch.from_numpy(people).to(self.device)
        mined = triplet_loss(
            points,
            who,
            margin=settings.margin,
            distance=settings.distance,
            mining=settings.mining,
        )
        if self.step < settings.warmup:
            mined = Mined(self.network.naming_loss(points, who), mined.taken, mined.share)
        value = mined.loss.item()
        if not math.isfinite(value):
            raise CheckFailed(f"the loss became {value} at step {self.step + 1}; take a smaller lr")
        self.optimiser.zero_grad(set_to_none=True)
        mined.loss.backward()
        self.optimiser.step()
        self.history.append((value, mined.share))
        self.history = self.history[-max(1, settings.steps // 10) :]
        return mined

    def save(self) -> None:
        """Write what the run needs to go on."""
        now = time.monotonic()
        state = {
            "job": json.dumps(self.job, sort_keys=True),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "history": [list(pair) for pair in self.history],
            "seconds": self.seconds + now - self.started,
        }
        save_state(self.folder / LAST, state)
        self.saved_at = time.monotonic()

    def _restore(self) -> None:
        place = self.folder / LAST
        if not place.exists():
            return
        state = load_state(place)
        try:
            if json.loads(state["job"]) != self.job:
                raise BadInput(place, "the state of this run", "that of another", "give another --out, or delete it")
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            self.history = [(float(a), float(b)) for a, b in state["history"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as fault:
            raise BadInput(place, "the state of a run", f"something else ({fault})", "delete it") from None

    def finish(self, people: int, photos: int) -> FaceRun:
        """Choose the threshold, write the weights, say how it went."""
        settings = self.settings
        network = build_embedding("facenet_mobile", width=settings.width)
        tensors = self.network.fold()
        network.load_state_dict(tensors)
        threshold, score = choose_threshold(network.eval(), self.faces, settings)
        notes = {
            "width": f"{settings.width:g}",
            "size": "x".join(map(str, settings.size)),
            "crop": settings.crop,
            "distance": settings.distance,
            "threshold": f"{threshold:.6g}",
            "pair_error": f"{score.error:.6g}",
            "step": str(self.step),
        }
        save_face_network(self.folder / BEST, tensors, notes)
        mean = np.mean(np.array(self.history), axis=0) if self.history else np.full(2, np.nan)
        seconds = self.seconds + time.monotonic() - self.started
        self.save()
        return FaceRun(
            str(self.folder), people, photos, self.step, float(mean[0]), float(mean[1]), threshold, score, seconds
        )


def choose_threshold(network: torch.nn.Module, faces: Faces, settings: IdentitySettings) -> tuple[float, PairScore]:
    """The threshold with the best F1 of clustered pairs over training people whose photos are varied afresh.

    A threshold that the settings give is taken as it is.
    """
    crops, people = [], []
    for place in range(len(faces.people)):
        for turn in range(VARIED):
            rng = seeds.rng(settings.seed, "threshold", place, turn)
            crops.append(vary(faces.crops[place], settings, rng))
            people.append(int(faces.people[place]))
    points = embed_crops(network, np.stack(crops), torch.device("cpu"))
    tree = Tree(points, settings.distance)
    truth = np.array(people, np.int64)
    if settings.threshold:
        from trainers.identity.clusters import pair_score

        return settings.threshold, pair_score(tree.cut(settings.threshold), truth)
    return tree.best_cut(truth)


def learning_rate(settings: IdentitySettings, step: int) -> float:
    """Of a step, counted from 0: flat, then down to 1 % along a cosine over the cooldown."""
    start = settings.steps * (1 - settings.cooldown)
    if settings.cooldown <= 0 or step < start:
        return settings.lr
    through = min(1.0, (step - start) / (settings.steps * settings.cooldown))
    return settings.lr * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * through)))


def _optimiser(settings: IdentitySettings, network: torch.nn.Module) -> torch.optim.Optimizer:
    parameters, decay = network.parameters(), settings.weight_decay
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(parameters, settings.lr, weight_decay=decay)
    return torch.optim.Adagrad(
        parameters, settings.lr, weight_decay=decay, initial_accumulator_value=settings.accumulator
    )


def job_of(photos: Photos, settings: IdentitySettings) -> dict[str, Any]:
    """What makes it this run and no other."""
    options = {key: value for key, value in settings.as_json().items() if key not in _FREE}
    return {"options": options, "photos": photos.digest()}


def same_faces(folder: Path, job: dict[str, Any]) -> dict[str, Any] | None:
    """As :func:`trainers.runs.same_run`, of a face network."""
    return same_run(folder, job, "photos", what="a face network's run", holds="photos")


@contextlib.contextmanager
def with_threads(number: int) -> Iterator[None]:
    """So many threads of torch (0 = as they are), given back afterwards."""
    before = torch.get_num_threads()
    if number:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
