"""Search for a network's settings: document F's random search, or TPE, kept in a database so that it can go on.

Document F (Demborg) draws 100 times: learning rate 1e-6 to 1e-2 (log-uniform is our reading), dropout 0 to 1 (kept
below 1), the loss among cross entropy, IoU and distillation, and for the last T 1 to 100 and lambda 0 to 10. What a
trial draws at random depends on the seed and its number alone. A trial that was interrupted goes on from its last
state; one that lags behind the others is given up early.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluation import figures
from masksmith import console, files, seeds
from masksmith.errors import BadInput, CheckFailed, EnvironmentFault, unknown_choice
from trainers.checkpoint import LAST
from trainers.loop import train
from trainers.plan import Plan, make_plan
from trainers.presets import Settings

DISTILLATION = "distillation"
PLAIN = ("ce", "iou")
SAMPLERS = ("random", "tpe")
PRUNERS = ("median", "hyperband", "none")
LR, DROPOUT, TEMPERATURE, WEIGHT = (1e-6, 1e-2), (0.0, 0.999), (1.0, 100.0), (0.0, 10.0)
"""Document F's ranges."""
DATABASE, TABLE, FIGURE = "search.db", "search.json", "search"
_STUDY = "masksmith"
_STATES = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}


@dataclass(frozen=True)
class Search:
    """A search before it starts.

    Attributes:
        plan: of a trial, before anything is drawn for it.
        trials: how many there are to be in the end.
        teacher: the run that distillation learns from; without one that loss is left out.
        sampler, pruner: names in :data:`SAMPLERS` and :data:`PRUNERS`.
    """

    plan: Plan
    trials: int
    teacher: str = ""
    sampler: str = "random"
    pruner: str = "median"

    @property
    def losses(self) -> tuple[str, ...]:
        """What there is to choose from."""
        return (*PLAIN, DISTILLATION) if self.teacher else PLAIN

    def job(self) -> dict[str, Any]:
        """What makes it this search and no other; their number may grow."""
        told = self.plan.job()
        names = {"teacher": self.teacher, "sampler": self.sampler, "pruner": self.pruner}
        return {**told["options"], **names, "the data": told["records"]}


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        state: ``done``, ``pruned`` (given up early) or ``failed`` (the loss was no number).
        score: its best ``miou_image`` on the validation records, also of one given up; NaN where it has none.
        drawn: the settings it drew.
        seconds: it took; NaN where it is not known.
    """

    number: int
    state: str
    score: float
    drawn: Mapping[str, Any]
    seconds: float
    run: str

    def as_json(self) -> dict[str, Any]:
        """A row of the table."""
        told = {"trial": self.number, "state": self.state, "score": self.score, "loss": self.drawn.get("loss")}
        return {**told, **self.drawn, "seconds": self.seconds, "run": self.run}


def plan_search(
    data: str | os.PathLike[str],
    settings: Settings,
    *,
    trials: int,
    teacher: str = "",
    sampler: str = "random",
    pruner: str = "median",
    allow_leaks: bool = False,
) -> Search:
    """Look at data, settings and teacher before anything is trained.

    Raises:
        UsageProblem: an unknown sampler or pruner, or as :func:`trainers.make_plan`.
        BadInput, CheckFailed: as :func:`trainers.make_plan`.
    """
    if sampler not in SAMPLERS:
        raise unknown_choice("sampler", sampler, SAMPLERS)
    if pruner not in PRUNERS:
        raise unknown_choice("pruner", pruner, PRUNERS)
    plan = make_plan(data, replace(settings, teacher=teacher), allow_leaks=allow_leaks)
    plan = replace(plan, settings=replace(plan.settings, teacher=""))
    return Search(plan, trials, teacher, sampler, pruner)


def drawn_settings(base: Settings, drawn: Mapping[str, Any], teacher: str) -> Settings:
    """A trial's settings: distillation is cross entropy on the truth and the teacher's softened answers beside it."""
    change = dict(drawn)
    if change.get("loss") == DISTILLATION:
        change |= {"loss": "ce", "teacher": teacher}
    return replace(base, **change)


def search(
    asked: Search,
    out: str | os.PathLike[str],
    *,
    on_trial: Callable[[Trial], None] | None = None,
) -> list[Trial]:
    """Run the search, or go on with it, until it has as many trials as asked for.

    Args:
        asked: from :func:`plan_search`.
        out: the folder: ``search.db`` (Optuna's), ``search.json``, ``search.png`` and ``.svg`` (the histogram of
            scores a loss), and a run folder a trial in ``trials``.
        on_trial: called with each trial that ends.

    Raises:
        EnvironmentFault: Optuna is not installed, or as :func:`trainers.train`.
        BadInput: the folder holds another search.
        KeyboardInterrupt: a signal came; the search can go on.
    """
    optuna = _optuna()
    folder = files.writable(out)
    with files.sole_writer(folder):
        study = _study(optuna, folder, asked)
        while True:
            known = study.get_trials(deepcopy=False)
            ended = [trial for trial in known if trial.state.is_finished()]
            left = [trial for trial in known if trial.state.name == "RUNNING"]
            if not left and len(ended) >= asked.trials:
                break
            if left:  # it was interrupted: what it drew is in the database, where it was is in its folder
                trial = optuna.trial.Trial(study, left[0]._trial_id)
            else:
                study.sampler = _sampler(optuna, asked, len(known))
                trial = study.ask()
            _run(optuna, study, trial, asked, folder)
            found = _all(study, folder)
            files.write_json(folder / TABLE, console.plain(summary(asked, found)))
            if on_trial is not None:
                on_trial(next(one for one in found if one.number == trial.number))
        found = _all(study, folder)
        files.write_json(folder / TABLE, console.plain(summary(asked, found)))
        draw(asked, found, folder)
        return found


def draw(asked: Search, trials: Sequence[Trial], folder: Path) -> None:
    """The histogram of scores, a panel a loss; a trial that was given up stands there with its best so far."""
    scores: dict[str, list[float]] = {loss: [] for loss in asked.losses}
    for trial in trials:
        if math.isfinite(trial.score):
            scores[str(trial.drawn["loss"])].append(trial.score)
    if any(scores.values()):
        figures.search(scores, folder / FIGURE, label="validation miou_image")


def summary(asked: Search, trials: Sequence[Trial]) -> dict[str, Any]:
    """The search as one JSON value: ``best``, ``best_of`` each loss, how many ended how, and the ``trials``."""
    done = [trial for trial in trials if trial.state == "done"]
    best = max(done, key=lambda trial: trial.score, default=None)
    of = {loss: [trial for trial in done if trial.drawn["loss"] == loss] for loss in asked.losses}
    return {
        "model": asked.plan.settings.model,
        "sampler": asked.sampler,
        "pruner": asked.pruner,
        "losses": list(asked.losses),
        "states": {name: sum(trial.state == name for trial in trials) for name in _STATES.values()},
        "best": best.as_json() if best else None,
        "best_of": {loss: max((t.score for t in found), default=None) for loss, found in of.items()},
        "trials": [trial.as_json() for trial in trials],
    }


def flags(asked: Search, trial: Trial) -> str:
    """A trial's settings as options of ``masksmith train``."""
    settings = drawn_settings(asked.plan.settings, trial.drawn, asked.teacher)
    names = ["lr", "dropout", "loss", *(("teacher", "temperature", "soften_lambda") if settings.teacher else ())]
    told = ((name, getattr(settings, name)) for name in names)
    return " ".join(f"--set {name}={f'{v:.4g}' if isinstance(v, float) else v}" for name, v in told)


def _run(optuna: Any, study: Any, trial: Any, asked: Search, folder: Path) -> None:
    drawn = _draw(trial, asked.losses)
    settings = drawn_settings(asked.plan.settings, drawn, asked.teacher)
    place = _place(folder, trial.number)
    reported = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    began = time.monotonic()

    def report(row: Mapping[str, Any]) -> None:
        if row["epoch"] not in reported:
            trial.report(float(row["val_miou_image"]), int(row["epoch"]))
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        result = train(replace(asked.plan, settings=settings), place, on_epoch=report)
    except optuna.TrialPruned:
        trial.set_user_attr("seconds", time.monotonic() - began)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except CheckFailed as fault:  # a learning rate too large for this network: an answer, and no reason to stop
        trial.set_user_attr("reason", str(fault))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        trial.set_user_attr("seconds", result.seconds)
        study.tell(trial, result.best_miou_image)
    (place / LAST).unlink(missing_ok=True)  # its moments are twice the weights, and nothing goes on from it


def _draw(trial: Any, losses: Sequence[str]) -> dict[str, Any]:
    drawn = {
        "lr": trial.suggest_float("lr", *LR, log=True),
        "dropout": trial.suggest_float("dropout", *DROPOUT),
        "loss": trial.suggest_categorical("loss", list(losses)),
    }
    if drawn["loss"] == DISTILLATION:
        drawn["temperature"] = trial.suggest_float("temperature", *TEMPERATURE)
        drawn["soften_lambda"] = trial.suggest_float("soften_lambda", *WEIGHT)
    return drawn


def _optuna() -> Any:
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as fault:
        raise EnvironmentFault(f"a search needs Optuna ({fault}): pip install 'masksmith[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _study(optuna: Any, folder: Path, asked: Search) -> Any:
    storage = f"sqlite:///{(folder / DATABASE).resolve()}"
    pruners = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=asked.plan.settings.epochs),
        "none": optuna.pruners.NopPruner,
    }
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=_STUDY,
            direction="maximize",
            load_if_exists=True,
            pruner=pruners[asked.pruner](),
        )
        before = study.user_attrs.get("job")
    except Exception as fault:  # whatever the database's library calls a file that is none
        if type(fault).__module__.split(".")[0] not in ("sqlalchemy", "sqlite3", "optuna"):
            raise
        found = f"something else ({str(fault).splitlines()[0]})"
        raise BadInput(folder / DATABASE, "the database of a search", found, "give another --out") from fault
    now = json.loads(json.dumps(asked.job()))
    if before is None:
        study.set_user_attr("job", now)
    elif before != now:
        changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        raise BadInput(
            folder,
            "an empty folder or a search of the same settings and data",
            f"a search with another {', '.join(changed)}",
            "give another --out, or delete that folder",
        )
    return study


def _sampler(optuna: Any, asked: Search, number: int) -> Any:
    seed = seeds.integer(asked.plan.settings.seed, "trial", number) % 2**32
    if asked.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(3, asked.trials // 4)))
    return optuna.samplers.RandomSampler(seed=seed)


def _all(study: Any, folder: Path) -> list[Trial]:
    known = study.get_trials(deepcopy=False)
    return [_told(trial, folder) for trial in known if trial.state.is_finished()]


def _told(trial: Any, folder: Path) -> Trial:
    values = [value for value in trial.intermediate_values.values() if math.isfinite(value)]
    state = _STATES[trial.state.name]
    score = trial.value if state == "done" and trial.value is not None else max(values, default=math.nan)
    seconds = float(trial.user_attrs.get("seconds", math.nan))
    run = _place(folder, trial.number)
    return Trial(trial.number, state, float(score), dict(trial.params), seconds, str(run))


def _place(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number:04d}"
