"""The training loop: a validation an epoch, the best weights kept, and a run that goes on when stopped.

With one torch thread a run that was stopped and goes on ends with the same weights, bit for bit, as one that was
not: batches and dropout depend on the seed and the step alone. A time budget is the exception, for there the
learning rate follows the clock.

Under torchrun several processes train one network, see :mod:`trainers.ranks`; rank 0 alone writes, and its clock is
the one that counts.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from loaders import Batch, Batches, PriorHistogram
from masksmith import files, seeds
from masksmith.errors import CheckFailed, EnvironmentFault
from trainers import machine
from trainers.ahead import Ahead
from trainers.checkpoint import BEST, LAST, about_network, as_stored, save_state, save_weights
from trainers.curves import Curves
from trainers.heldout import HeldOut
from trainers.models import build
from trainers.networks.layers import Network
from trainers.objective import Objective
from trainers.plan import Plan
from trainers.presets import NONE, Settings
from trainers.pretrained import start_from
from trainers.ranks import Ranks, joined
from trainers.resume import no_state, read_state
from trainers.runlog import RunLog
from trainers.runs import RUN, Result, describe, same_run
from trainers.schedule import Schedule
from trainers.step import Stepper, layout
from trainers.stopping import Clock, Stopped, StopSign, stop_sign
from trainers.temporal import FramePairs
from trainers.whole import see_whole_batches

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
        out: the run's folder: ``run.json``, ``best.safetensors``, ``last.pt``, ``log.csv``, ``curves.png``,
            ``tensorboard/``.
        on_step: called with the number of steps taken and the loss, on rank 0.
        on_epoch: called with the log's row, on rank 0.
        started: ``time.monotonic()`` at which the time budget began; None = now.
        cache: a folder for decoded pictures, see :class:`loaders.Batches`; what is learnt does not depend on it.

    Raises:
        UsageProblem: the batch does not divide among the processes.
        BadInput: the folder holds another run; a file of the data is damaged.
        CheckFailed: the loss is not a number.
        EnvironmentFault: the disk is full, or another process trains there; what was saved before stays.
        KeyboardInterrupt: a signal came; the run can go on from its last step.
    """
    began = time.monotonic() if started is None else started
    folder = files.writable(out)
    settings = plan.settings
    with contextlib.ExitStack() as stack:
        ranks = stack.enter_context(joined(settings.device))
        ranks.check_batch(settings.batch)
        if ranks.main:
            stack.enter_context(files.sole_writer(folder))
        ranks.wait()
        sign = stack.enter_context(stop_sign())
        stack.enter_context(machine.as_set(settings.threads))
        before = same_run(folder, plan.job(), "records", defaults=Settings().as_json())
        if before is not None and before.get("result"):
            return Result(**before["result"])
        ranks.wait()  # all have read what rank 0 writes next
        try:
            run = _Run(plan, folder, ranks, began, stack, sign, cache)
        except Stopped:  # nothing was done yet
            raise KeyboardInterrupt from None
        if ranks.main:
            files.write_json(folder / RUN, run.description())
            run.log = stack.enter_context(RunLog(folder, run.step))
        try:
            run.go(on_step if ranks.main else None, on_epoch if ranks.main else None)
        except Stopped:
            run.save()
            run.draw()
            raise KeyboardInterrupt from None
        run.draw()
        result = run.result()
        if ranks.main:
            files.write_json(folder / RUN, {**run.description(), "result": asdict(result)})
        ranks.wait()
        return result


class _Run:
    """The moving parts of one run."""

    log: RunLog | None = None

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        ranks: Ranks,
        began: float,
        stack: contextlib.ExitStack,
        sign: StopSign,
        cache: str | os.PathLike[str] | None,
    ) -> None:
        settings = plan.settings
        self.plan, self.settings, self.folder, self.ranks, self.sign = plan, settings, folder, ranks, sign
        before = read_state(folder / LAST, plan)
        self.curves = Curves(folder)
        self.network = self._built(before)
        self.objective = Objective(settings, self.network, ranks)
        self.stepper = Stepper(settings, self.network, self.objective, ranks)
        self.schedule = Schedule(settings, plan.steps, plan.steps_per_epoch)
        self.step = self.validated_at = 0
        self.rows: list[dict[str, Any]] = []
        self.best, self.best_step = -1.0, 0
        self.kinds = PriorHistogram()
        self.running = {"loss": 0.0, "steps": 0.0, "seconds": 0.0, "waiting": 0.0}
        self.trained_s = 0.0
        self.ended = ""
        spent = 0.0 if before is None else self._restore(before)
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
                share=(ranks.rank, ranks.world),
                **common,
            )
        )
        if settings.workers:  # started later, it would let Ctrl-C through to the workers again
            resource_tracker.ensure_running()
        self.stream = stack.enter_context(Ahead(self.batches.stream(self.step), self.stepper.laid_out))
        self.frames: Ahead[Batch] | None = None
        if settings.temporal:
            pairs = FramePairs(plan.manifest, settings, plan.merged, (ranks.rank, ranks.world))
            self.frames = stack.enter_context(Ahead(pairs.stream(self.step), self.stepper.laid_out))
        validation = Batches(plan.manifest, "val", seed=settings.seed, drop_last=False, **common)
        self.check = sign.check if ranks.world == 1 else None  # several agree between steps
        self.heldout = HeldOut(validation, settings.val_records, check=self.check, ranks=ranks)
        budget = settings.minutes * 60 if settings.minutes else None
        self.clock = Clock(began, spent, budget)
        if budget is not None:
            self._rehearse()
        self.saved_at = time.monotonic()

    def _built(self, before: dict[str, Any] | None) -> Network:
        """The network with its first weights; those of a run that goes on come with its state."""
        settings = self.settings
        network = build(
            settings.model, self.plan.classes, dropout=settings.dropout, seed=seeds.integer(settings.seed, "weights")
        )
        network.size = settings.size
        if before is None:
            start_from(network, settings.start)
        else:
            as_stored(network, before.get("notes") or {}, self.folder / LAST)
        see_whole_batches(network, self.ranks)
        placed: Network = network.to(device=self.ranks.device, memory_format=layout(settings))  # type: ignore[call-overload]
        return placed

    def go(self, on_step: OnStep | None, on_epoch: OnEpoch | None) -> None:
        """Train to the end of the run."""
        self.network.train()
        while True:
            used, over = self._agree()
            due = self.step % self.plan.steps_per_epoch == 0 and self.step > 0
            if (due or over or self.step >= self.plan.steps) and self.validated_at < self.step:
                row = self._validate()
                if on_epoch:
                    on_epoch(row)
                used, over = self._agree()
            if self.step > 0 and self._has_ended(over):
                return
            loss = self._train_step(used)
            if on_step:
                on_step(self.step, loss)
            if time.monotonic() - self.saved_at > SAVE_EVERY_S:
                self.save()

    def _agree(self) -> tuple[float, bool]:
        """The share of the time budget that is used, and whether it is over, by rank 0's clock.

        Raises:
            Stopped: a signal came, to any rank.
        """
        main = self.ranks.main
        told = [float(self.sign.set), self.clock.used * main, float(self.clock.over and main)]
        stop, used, over = self.ranks.add(told)
        if stop:
            raise Stopped
        return used, over > 0

    def _has_ended(self, over: bool) -> bool:
        patience = self.settings.stop_after
        if self.step >= self.plan.steps:
            self.ended = "all steps done"
        elif over:
            self.ended = "time budget used"
        elif patience and self.rows and len(self.rows) - self._best_epoch() >= patience:
            self.ended = f"no better for {patience} epochs"
        return bool(self.ended)

    def _best_epoch(self) -> int:
        return max(row["epoch"] for row in self.rows if row["best"])

    def _train_step(self, used: float) -> float:
        start = time.monotonic()
        batch = self._next()
        frames = None if self.frames is None else self.stepper.placed(next(self.frames))
        arrived = time.monotonic()
        lr = self.schedule.lr(self.step, used)
        batch = self.stepper.placed(batch)
        if batch.prior_kind is not None:
            self.kinds.add(batch.prior_kind.tolist())
        value = self.stepper.take(batch, self.step, lr, frames)
        self.step += 1
        now = time.monotonic()
        self.clock.stepped(now - start)
        for key, more in (("loss", value), ("steps", 1), ("seconds", now - start), ("waiting", arrived - start)):
            self.running[key] += more
        self.trained_s += now - start
        if self.log is not None:
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

    def _validate(self) -> dict[str, Any]:
        start = time.monotonic()
        lr, cooling = self.stepper.optimiser.param_groups[0]["lr"], self._cooling()
        score = self.heldout.score(self.stepper.judged, self.objective.loss, check=self.check)
        if not math.isfinite(score.loss):
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
        if better and self.ranks.main:
            save_weights(self.folder / BEST, self.stepper.judged, self._notes())
        self.save()
        if self.log is not None:
            self.log.epoch(self.rows, self.kinds.shares() if self.kinds.total else None)
        self.clock.closing(time.monotonic() - start + self.curves.seconds)
        if self.ranks.main:
            self.curves.more(self.rows)
        return row

    def _cooling(self) -> float:
        progress = max(self.step / self.plan.steps, self.clock.used)
        return self.schedule.cooldown(min(1.0, progress))

    def _rehearse(self) -> None:
        """Learn what a validation takes before the first one, so that a short budget is kept too."""
        start = time.monotonic()
        self.heldout.score(self.network, self.objective.loss, batches=1)
        self.clock.closing((time.monotonic() - start) * len(self.heldout) + self.curves.seconds + 0.2)

    def draw(self) -> None:
        """Draw the epochs that were not drawn yet; rank 0 does."""
        if self.ranks.main:
            self.curves.draw(self.rows)

    def _notes(self) -> dict[str, str]:
        return {
            "foreground": json.dumps(list(self.plan.foreground)),
            "step": str(self.step),
            "val_miou_image": f"{self.best:.6f}",
            "records_sha256": self.plan.digest,
        }

    def save(self) -> None:
        """Write what the run needs to go on; rank 0 does."""
        self.saved_at = time.monotonic()
        if not self.ranks.main:
            return
        average = self.stepper.average
        state = {
            "job": json.dumps(self.plan.job(), sort_keys=True),
            "network": self.network.state_dict(),
            "notes": about_network(self.network),
            "average": None if average is None else average.state(),
            "optimiser": self.stepper.optimiser.state_dict(),
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

    def _restore(self, state: dict[str, Any]) -> float:
        """Go on where ``last.pt`` was written; the seconds used before."""
        try:
            self.network.load_state_dict(state["network"])
            self.network.pretrained = str(state["notes"].get("pretrained", ""))
            if self.stepper.average is not None:
                self.stepper.average.restore(state["average"])
                self.stepper.average.network.pretrained = self.network.pretrained
            self.stepper.optimiser.load_state_dict(state["optimiser"])
            self.schedule.restore(state["schedule"])
            self.step, self.validated_at = int(state["step"]), int(state["validated_at"])
            self.rows, self.running = list(state["rows"]), dict(state["running"])
            self.best, self.best_step = float(state["best"]), int(state["best_step"])
            self.kinds.counts[:] = state["kinds"]
            self.trained_s = float(state["trained_s"])
            return float(state["seconds"])
        except (KeyError, TypeError, ValueError, RuntimeError) as fault:
            raise no_state(self.folder / LAST, fault) from None

    def description(self) -> dict[str, Any]:
        """``run.json``."""
        told = describe(self.plan, self.network, self.ranks)
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
            ended=self.ended,
        )
