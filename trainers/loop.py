"""The training loop: one process, a validation an epoch, the best weights kept, and a run that goes on when stopped.

With one torch thread a run that was stopped and goes on ends with the same weights, bit for bit, as one that was
not: batches and dropout depend on the seed and the step alone. A time budget is the exception, for there the
learning rate follows the clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from loaders import Batch, Batches, PriorHistogram, fill_self_priors
from masksmith import files, seeds
from masksmith.errors import BadInput, CheckFailed, EnvironmentFault
from trainers.ahead import Ahead
from trainers.checkpoint import BEST, LAST, about_network, load_state, save_state, save_weights
from trainers.heldout import HeldOut
from trainers.models import build
from trainers.networks.layers import Network, foreground
from trainers.objective import Objective
from trainers.plan import Plan, same_job
from trainers.predict import pick_device
from trainers.presets import NONE, Settings
from trainers.pretrained import start_from
from trainers.runlog import RunLog
from trainers.runs import RUN, Result, describe, same_run
from trainers.schedule import Schedule
from trainers.stopping import Clock, Stopped, StopSign, stop_sign

SAVE_EVERY_S = 60.0

OnStep = Callable[[int, float], None]
OnEpoch = Callable[[dict[str, Any]], None]


def train(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
    started: float | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Result:
    """Train as planned, or go on where the same run was stopped; a run that is finished is only reported.

    Args:
        plan: from :func:`trainers.make_plan`.
        out: the run's folder: ``run.json``, ``best.safetensors``, ``last.pt``, ``log.csv``, ``tensorboard/``.
        on_step: called with the number of steps taken and the loss.
        on_epoch: called with the log's row.
        started: ``time.monotonic()`` at which the time budget began; None = now.
        cache: a folder for decoded pictures, see :class:`loaders.Batches`; what is learnt does not depend on it.

    Raises:
        BadInput: the folder holds another run; a file of the data is damaged.
        CheckFailed: the loss is not a number.
        EnvironmentFault: the disk is full, or another process trains there; what was saved before stays.
        KeyboardInterrupt: a signal came; the run can go on from its last step.
    """
    began = time.monotonic() if started is None else started
    folder = files.writable(out)
    device = pick_device(plan.settings.device)
    with files.sole_writer(folder), stop_sign() as sign, _as_set(plan.settings), contextlib.ExitStack() as stack:
        before = same_run(folder, plan.job(), "records", defaults=Settings().as_json())
        if before is not None and before.get("result"):
            return Result(**before["result"])
        try:
            run = _Run(plan, folder, device, began, stack, sign, cache)
        except Stopped:  # nothing was done yet
            raise KeyboardInterrupt from None
        files.write_json(folder / RUN, run.description())
        run.log = stack.enter_context(RunLog(folder, run.step))
        try:
            run.go(on_step or (lambda step, loss: None), on_epoch or (lambda row: None))
        except Stopped:
            run.save()
            raise KeyboardInterrupt from None
        result = run.result()
        files.write_json(folder / RUN, {**run.description(), "result": asdict(result)})
        return result


class _Run:
    """The moving parts of one run."""

    log: RunLog

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        device: torch.device,
        began: float,
        stack: contextlib.ExitStack,
        sign: StopSign,
        cache: str | os.PathLike[str] | None,
    ) -> None:
        settings = plan.settings
        self.plan, self.settings, self.folder, self.device, self.sign = plan, settings, folder, device, sign
        self.layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        network = build(
            settings.model, plan.classes, dropout=settings.dropout, seed=seeds.integer(settings.seed, "weights")
        )
        network.size = settings.size
        if not (folder / LAST).exists():  # a run that goes on has weights
            start_from(network, settings.start)
        self.network: Network = network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.objective = Objective(settings, self.network)
        self.optimiser = _optimiser(settings, self.network)
        self.schedule = Schedule(settings, plan.steps, plan.steps_per_epoch)
        self.step = self.validated_at = 0
        self.rows: list[dict[str, Any]] = []
        self.best, self.best_step = -1.0, 0
        self.kinds = PriorHistogram()
        self.running = {"loss": 0.0, "steps": 0.0, "seconds": 0.0, "waiting": 0.0}
        self.trained_s = 0.0
        before = self._restore()
        common: dict[str, Any] = {"size": settings.size, "batch_size": settings.batch, "foreground": plan.merged}
        self.batches = stack.enter_context(
            Batches(
                plan.manifest,
                "train",
                augment=settings.augment,
                priors=None if settings.priors == NONE else settings.priors,
                seed=settings.seed,
                workers=settings.workers,
                cache=cache,
                **common,
            )
        )
        if settings.workers:  # started later, it would let Ctrl-C through to the workers again
            resource_tracker.ensure_running()
        self.stream = stack.enter_context(Ahead(self.batches.stream(self.step), self._laid_out))
        validation = Batches(plan.manifest, "val", seed=settings.seed, drop_last=False, **common)
        self.heldout = HeldOut(validation, settings.val_records, check=sign.check)
        budget = settings.minutes * 60 if settings.minutes else None
        self.clock = Clock(began, before, budget)
        if budget is not None:
            self._rehearse()
        self.saved_at = time.monotonic()

    def go(self, on_step: OnStep, on_epoch: OnEpoch) -> None:
        """Train to the end of the run."""
        self.network.train()
        while True:
            due = self.step % self.plan.steps_per_epoch == 0 and self.step > 0
            ending = self.step >= self.plan.steps or self.clock.over
            if (due or ending) and self.validated_at < self.step:
                on_epoch(self._validate())
                ending = ending or self.clock.over
            if ending and self.step > 0:
                return
            loss = self._train_step()
            on_step(self.step, loss)
            if time.monotonic() - self.saved_at > SAVE_EVERY_S:
                self.save()
            self.sign.check()

    def _train_step(self) -> float:
        start = time.monotonic()
        batch = self._next()
        arrived = time.monotonic()
        lr = self.schedule.lr(self.step, self.clock.used)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        batch = self._on_device(batch)
        if batch.prior_kind is not None:
            self.kinds.add(batch.prior_kind.tolist())
            batch = fill_self_priors(batch, self._predict)
        loss = self._forward(batch)
        value = loss.item()
        if value != value or abs(value) == float("inf"):
            raise CheckFailed(
                f"the loss became {value} at step {self.step + 1} (learning rate {lr:.3g}); the batch was "
                f"{', '.join(batch.ids)}; look at these images and masks, or take a smaller lr or a clip_norm"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.objective.after_backward(self.network)
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        self.step += 1
        now = time.monotonic()
        self.clock.stepped(now - start)
        for key, more in (("loss", value), ("steps", 1), ("seconds", now - start), ("waiting", arrived - start)):
            self.running[key] += more
        self.trained_s += now - start
        self.log.step(self.step, value, lr)
        return value

    def _next(self) -> Batch:
        try:
            return next(self.stream)
        except RuntimeError as fault:  # torch's word for a loading process that is gone
            self.sign.check()
            raise EnvironmentFault(
                f"a loading process died ({fault}); run the same command again to go on, with fewer workers"
            ) from fault

    def _forward(self, batch: Batch) -> Tensor:
        given = self._inputs(batch.image, batch.prior)
        mixed = self.settings.amp and self.device.type == "cuda"
        precision = torch.autocast("cuda", torch.bfloat16) if mixed else contextlib.nullcontext()
        with precision, self._own_chance():
            logits = self.network(*given)
        return self.objective(self.network, given, logits.float(), batch)

    @contextlib.contextmanager
    def _own_chance(self) -> Iterator[None]:
        """Dropout draws from torch's generator: seed it by the step, and give it back as it was."""
        if not self.settings.dropout:
            yield
            return
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seeds.integer(self.settings.seed, "dropout", self.step))
            yield

    def _predict(self, images: Tensor, priors: Tensor) -> Tensor:
        """The network's own answer for self priors, with the weights of this step."""
        self.network.eval()
        try:
            return foreground(self.network(*self._inputs(images, priors)))
        finally:
            self.network.train()

    def _inputs(self, images: Tensor, priors: Tensor | None) -> list[Tensor]:
        if "prior" not in self.network.inputs:
            return [images]
        return [images, torch.zeros_like(images[:, :1]) if priors is None else priors]

    def _laid_out(self, batch: Batch) -> Batch:
        return replace(batch, image=batch.image.contiguous(memory_format=self.layout))

    def _on_device(self, batch: Batch) -> Batch:
        if self.device.type == "cpu":
            return batch
        names = ("image", "mask", "prior", "warped", "prior_kind")
        there = {name: getattr(batch, name) for name in names}
        return replace(batch, **{name: value.to(self.device) for name, value in there.items() if value is not None})

    def _validate(self) -> dict[str, Any]:
        start = time.monotonic()
        lr, cooling = self.optimiser.param_groups[0]["lr"], self._cooling()
        score = self.heldout.score(self.network, self.objective.loss, check=self.sign.check)
        if score.loss != score.loss or abs(score.loss) == float("inf"):
            raise CheckFailed(
                f"the validation loss became {score.loss} after step {self.step}; the weights of step "
                f"{self.best_step} are kept in {self.folder / BEST}; take a smaller lr or a clip_norm"
            )
        self.schedule.validated(score.loss)
        better = score.miou_image > self.best
        if better:
            self.best, self.best_step = score.miou_image, self.step
        running = self.running
        row = {
            "epoch": len(self.rows) + 1,
            "step": self.step,
            "lr": lr,
            "cooldown": cooling,
            "loss": running["loss"] / max(running["steps"], 1),
            "val_loss": score.loss,
            "val_miou_image": score.miou_image,
            "best": int(better),
            "seconds": self.clock.seconds,
            "images_per_s": running["steps"] * self.settings.batch / max(running["seconds"], 1e-9),
            "waiting_s": running["waiting"],
        }
        self.rows.append(row)
        self.validated_at = self.step
        self.running = dict.fromkeys(running, 0.0)
        if better:
            save_weights(self.folder / BEST, self.network, self._notes())
        self.save()
        self.log.epoch(self.rows, self.kinds.shares() if self.kinds.total else None)
        self.clock.closing(time.monotonic() - start)
        return row

    def _cooling(self) -> float:
        progress = max(self.step / self.plan.steps, self.clock.used)
        return self.schedule.cooldown(min(1.0, progress))

    def _rehearse(self) -> None:
        """Learn what a validation takes before the first one, so that a short budget is kept too."""
        start = time.monotonic()
        self.heldout.score(self.network, self.objective.loss, batches=1)
        self.clock.closing((time.monotonic() - start) * len(self.heldout) + 0.2)

    def _notes(self) -> dict[str, str]:
        return {
            "foreground": json.dumps(list(self.plan.foreground)),
            "step": str(self.step),
            "val_miou_image": f"{self.best:.6f}",
            "records_sha256": self.plan.digest,
        }

    def save(self) -> None:
        """Write what the run needs to go on."""
        state = {
            "job": json.dumps(self.plan.job(), sort_keys=True),
            "network": self.network.state_dict(),
            "notes": about_network(self.network),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state(),
            "step": self.step,
            "validated_at": self.validated_at,
            "rows": self.rows,
            "best": self.best,
            "best_step": self.best_step,
            "kinds": self.kinds.counts.tolist(),
            "running": self.running,
            "trained_s": self.trained_s,
            "seconds": self.clock.seconds,
        }
        save_state(self.folder / LAST, state)
        self.saved_at = time.monotonic()

    def _restore(self) -> float:
        """Go on where ``last.pt`` was written; the seconds used before."""
        place = self.folder / LAST
        if not place.exists():
            return 0.0
        state = load_state(place)
        try:
            if not same_job(json.loads(state["job"]), self.plan.job()):
                raise BadInput(place, "the state of this run", "that of another", "give another --out, or delete it")
            self.network.load_state_dict(state["network"])
            self.network.pretrained = str(state["notes"].get("pretrained", ""))
            self.optimiser.load_state_dict(state["optimiser"])
            self.schedule.restore(state["schedule"])
            self.step, self.validated_at = int(state["step"]), int(state["validated_at"])
            self.rows, self.running = list(state["rows"]), dict(state["running"])
            self.best, self.best_step = float(state["best"]), int(state["best_step"])
            self.kinds.counts[:] = state["kinds"]
            self.trained_s = float(state["trained_s"])
            return float(state["seconds"])
        except (KeyError, TypeError, ValueError, RuntimeError) as fault:
            raise BadInput(
                place, "the state of a run", f"something else ({fault})", "delete it to start again"
            ) from None

    def description(self) -> dict[str, Any]:
        """``run.json``."""
        told = describe(self.plan, self.network, self.device)
        shares = self.kinds.shares() if self.kinds.total else None
        if told["priors"]:
            told["priors"]["realised"] = shares
        told["data"]["held_out"] = self.heldout.records
        return {**told, "seconds": self.clock.seconds, "step_s": self.clock.step_s}

    def result(self) -> Result:
        """How it ended."""
        return Result(
            run=str(self.folder),
            best_miou_image=self.best,
            best_step=self.best_step,
            steps=self.step,
            epochs=len(self.rows),
            seconds=self.clock.seconds,
            images_per_s=self.step * self.settings.batch / max(self.trained_s, 1e-9),
            ended="all steps done" if self.step >= self.plan.steps else "time budget used",
        )


def _optimiser(settings: Settings, network: nn.Module) -> torch.optim.Optimizer:
    # "fused" is one kernel for all parameters: a third of the time on a CPU as well
    parameters, decay = network.parameters(), settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(parameters, settings.lr, momentum=settings.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(parameters, settings.lr, weight_decay=decay, fused=True)


@contextlib.contextmanager
def _as_set(settings: Settings) -> Iterator[None]:
    """The number of threads, and no denormal numbers (a tenth of a step with some weights); both given back."""
    before = torch.get_num_threads()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
