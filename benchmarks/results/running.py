"""Runs the steps of the plan: each is decided first, then run, and leaves a receipt in the work folder and a record.

A step is done where the work folder holds its receipt, made of the same command and inputs, and what it makes is
there; it is not run again. A step whose files are missing is left out and told. Trainings go on where they were
stopped, as their commands do by themselves, and a finished one that is found in the work folder is only asked what it
found: so runs made by hand with the same command are taken over.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from masksmith import files
from masksmith.errors import BadInput, MasksmithError

from .ledger import Record, kept, read, save, seed_of
from .step import DATA, OWN, ROOT, Step, filled

RECEIPTS = ".results"
DO, DONE, LACKS, BEYOND, FAILED = "to do", "done", "lacks", "longer", "failed"


@dataclass(frozen=True)
class Decision:
    """What is to be done about a step: ``state`` is :data:`DO`, :data:`DONE`, :data:`LACKS`, :data:`BEYOND` or, while
    steps are run, :data:`FAILED`."""

    step: Step
    state: str
    why: str = ""


class Workshop:
    """Where steps are run.

    Args:
        work: the folder that commands run in.
        records: where measured rows go.
        places: folders by the names that commands have for them, such as ``$MASKSMITH_DATA``.
        beyond: run steps, too, that take longer than the time set aside.
    """

    def __init__(self, work: Path, records: Path, places: Mapping[str, Path], beyond: bool = False) -> None:
        self.work, self.records, self.beyond = work.resolve(), records, beyond
        self.places = {name: place.resolve() for name, place in places.items()}

    def decide(self, steps: Iterable[Step]) -> list[Decision]:
        """What would be done, in order; nothing is run."""
        made: dict[str, Decision] = {}
        for step in steps:
            made[step.id] = self.decide_one(step, made)
        return list(made.values())

    def run(self, step: Step) -> Record:
        """Run a step and leave its receipt and record.

        Raises:
            BadInput: the command failed, or what it should make is not there.
        """
        before = all((self.work / made).exists() for made in step.makes) and bool(step.makes)
        start = time.monotonic()
        done = subprocess.run(
            step.words(self.places), cwd=self.work, env=_environment(self.places), stdout=subprocess.PIPE, check=False
        )
        spent = time.monotonic() - start
        told = done.stdout.decode("utf-8", "replace")
        if done.returncode not in step.ends:
            raise BadInput(
                step.command, "a command that succeeds", f"exit code {done.returncode}", "see its messages above"
            )
        for made in step.makes:
            if not (self.work / made).exists():
                raise BadInput(self.work / made, f"what {step.id} makes", "nothing", "delete its receipt and try again")
        record = self._record(step, _figures(told), None if before else spent)
        save(record, files.writable(self.work / RECEIPTS))
        save(record, files.writable(self.records))
        return record

    def receipt(self, step: Step) -> Record | None:
        """What a step left in this work folder; None where it was not run here, or where it cannot be read."""
        place = self.work / RECEIPTS / f"{step.name}.json"
        try:
            return read(place) if place.exists() else None
        except MasksmithError:
            return None

    def decide_one(self, step: Step, made: Mapping[str, Decision]) -> Decision:
        """What would be done about a step, given what is decided about those before it."""
        lacking = [name for name in step.files if not self._there(name)]
        if lacking:
            return Decision(step, LACKS, f"no {lacking[0]}")
        for name in step.needs:
            if name in made and made[name].state in (LACKS, BEYOND, FAILED):
                return Decision(step, made[name].state, f"needs {name}")
        receipt = self.receipt(step)
        again = any(name in made and made[name].state == DO for name in step.needs)
        whole = all((self.work / place).exists() for place in step.makes)
        if receipt is not None and whole and not again and receipt.key == self._key(step):
            return Decision(step, DONE)
        if step.beyond and not self.beyond:
            return Decision(step, BEYOND, f"about {step.minutes:g} minutes; --beyond runs it")
        return Decision(step, DO)

    def _there(self, name: str) -> bool:
        place = filled(name, self.places)
        return not place.startswith("$") and Path(place).exists()

    def _key(self, step: Step) -> str:
        """Of the command, the files it reads (names and sizes) and the receipts of the steps before it."""
        before = {name: _digest_of(self.work / RECEIPTS / f"{name.replace('/', '-')}.json") for name in step.needs}
        inputs = {name: _listing(Path(filled(name, self.places))) for name in step.files}
        return files.digest({"command": step.command, "inputs": inputs, "before": before})

    def _record(self, step: Step, figures: dict[str, Any], spent: float | None) -> Record:
        note = _note(self.work / step.run / "run.json") if step.run else {}
        machine = note.get("environment", {})
        own = own_seconds(figures)
        figures = {**figures, **self._extras(step)}
        scrub = {str(place): name for name, place in self.places.items()}
        return Record(
            id=step.id,
            table=step.table,
            command=step.command,
            seed=seed_of(step.line),
            figures=kept(figures, {**scrub, str(self.work): "."}),
            seconds=own if own is not None else None if spent is None else round(spent, 1),
            data={name: _records_digest(self.work / name) for name in step.sets},
            cpu=machine.get("cpu") or cpu_name(),
            threads=int(machine.get("threads") or os.environ.get("OMP_NUM_THREADS") or 1),
            revision=(note.get("git") or {}).get("commit") or revision(),
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            key=self._key(step),
        )

    def _extras(self, step: Step) -> dict[str, Any]:
        """What the figures are drawn from: the log of a training, the curve of mAP@x of an evaluation."""
        if step.run and (self.work / step.run / "log.csv").exists():
            return {"log": log_of(self.work / step.run / "log.csv")}
        counts = [place for place in step.makes if place.endswith("counts.parquet")]
        return {"map_curve": map_curve(self.work / counts[0])} if counts else {}


def own_seconds(figures: Mapping[str, Any]) -> float | None:
    """How long a training, an ablation, a search or a pruning says it took in all; None where it does not say."""
    if isinstance(figures.get("seconds"), int | float):
        return float(figures["seconds"])
    tuning = figures.get("tuning")
    if isinstance(tuning, Mapping) and "seconds" in tuning:
        return float(tuning["seconds"])
    for name in ("rows", "trials"):
        rows = figures.get(name)
        if isinstance(rows, Sequence) and rows and all(isinstance(row.get("seconds"), int | float) for row in rows):
            return float(sum(row["seconds"] for row in rows))
    return None


def log_of(place: Path) -> dict[str, list[float]]:
    """The columns of a training's log that curves are drawn from."""
    import csv

    with place.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    names = [name for name in ("step", "seconds", "loss", "val_loss", "val_miou_image") if rows and name in rows[0]]
    return {name: [round(float(row[name]), 5) for row in rows] for name in names}


def map_curve(counts: Path) -> list[list[float]]:
    """``map_at_x`` for x from 0.5 to 1, as [x, share] pairs, from an evaluation's counts."""
    from evaluation import Counts, region

    return [[x, round(share, 5)] for x, share in region.curve(Counts.from_parquet(counts)) if x >= 0.5]


def cpu_name() -> str:
    """The processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def revision() -> str:
    """The commit of the repository; empty where there is none."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def places(data: Path | None, own: Mapping[str, Path | None]) -> dict[str, Path]:
    """Folders by their names in commands, those that were given.

    Args:
        data: the folder of real data.
        own: of :data:`OWN`.
    """
    named = {DATA: data, **{name: own.get(name) for name in OWN}}
    return {name: place for name, place in named.items() if place is not None}


def run_all(shop: Workshop, steps: Sequence[Step], tell: Callable[[str], None], lanes: int = 1) -> list[Decision]:
    """Run what is to be done; returns the steps that failed or need one that did, each with the reason.

    A step that fails does not stop the others, only those that need it.

    Args:
        lanes: how many steps go on beside each other; one that measures time has the machine to itself.
    """
    made: dict[str, Decision] = {}
    waiting, going = list(steps), dict[Future[Record], Step]()
    with ThreadPoolExecutor(lanes) as pool:
        while waiting or going:
            while (step := _next(waiting, going.values(), lanes)) is not None:
                waiting.remove(step)
                decision = made[step.id] = shop.decide_one(step, made)
                if decision.state == DO:
                    tell(f"{step.id}: {step.command}")
                    going[pool.submit(shop.run, step)] = step
                else:
                    tell(f"{step.id}: {decision.state}{f', {decision.why}' if decision.why else ''}")
            for done in wait(going, return_when=FIRST_COMPLETED).done if going else ():
                step = going.pop(done)
                made[step.id] = _ended(step, done, tell)
    return [made[step.id] for step in steps if made[step.id].state == FAILED]


def _next(waiting: Sequence[Step], going: Collection[Step], lanes: int) -> Step | None:
    """The first step whose turn it is; None while others have to end first."""
    if len(going) == lanes or any(step.alone for step in going):
        return None
    open_ids = {step.id for step in (*waiting, *going)}
    for step in waiting:
        if not open_ids & set(step.needs):
            # nothing overtakes a step that wants the machine for itself, lest its turn never comes
            return None if step.alone and going else step
    return None


def _ended(step: Step, done: Future[Record], tell: Callable[[str], None]) -> Decision:
    try:
        record = done.result()
    except MasksmithError as fault:
        tell(f"{step.id}: failed: {fault}")
        return Decision(step, FAILED, str(fault))
    tell(f"{step.id}: done" + ("" if record.minutes is None else f" in {record.minutes:.1f} minutes"))
    return Decision(step, DONE)


def as_json(decision: Decision) -> dict[str, Any]:
    """A decision as JSON has it."""
    return {**asdict(decision.step), "state": decision.state, "why": decision.why}


def _environment(known: Mapping[str, Path]) -> dict[str, str]:
    """One thread, this checkout's packages, and the places under their names."""
    named = {name.removeprefix("$"): str(place) for name, place in known.items()}
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    threads = {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**os.environ, **threads, **named, "PYTHONPATH": path}


def _figures(told: str) -> dict[str, Any]:
    try:
        found = json.loads(told)
    except ValueError:
        return {"said": told.strip()} if told.strip() else {}
    return found if isinstance(found, dict) else {"rows": found}


def _note(place: Path) -> dict[str, Any]:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _records_digest(folder: Path) -> str:
    return files.sha256(folder / "records.parquet")


def _digest_of(place: Path) -> str:
    return files.sha256(place) if place.exists() else ""


def _listing(place: Path) -> str:
    """A digest of the names and sizes below a folder: what a raw dataset is known by without reading it all."""
    if place.is_file():
        return files.digest(["", place.stat().st_size])
    found = sorted(path for path in place.rglob("*") if path.is_file())
    return files.digest([[path.relative_to(place).as_posix(), path.stat().st_size] for path in found])
