"""Fetching a dataset of the registry: what is to be done is decided first, then done, and all of it noted."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loaders import archives
from loaders.download import SCHEMES, Failed, Failure, Fetched, Wanted, digests, download, resumable
from loaders.ledger import NAME, Ledger
from loaders.line import Line, Patience
from manifests.registry import Entry, File
from masksmith import console, files
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem

LARGEST_PICTURE = 256 << 20
MB = 1_000_000
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        entry: the dataset.
        out: its folder.
        origin: an archive from elsewhere, or a list of URLs, instead of the registry's files.
        only: names of files; empty for all that are not optional.
        parallel: files fetched at a time.
    """

    entry: Entry
    out: Path
    origin: Path | None = None
    only: tuple[str, ...] = ()
    parallel: int = 4
    patience: Patience = field(default_factory=Patience)

    @property
    def terms(self) -> dict[str, str]:
        """What must be agreed to."""
        return {"licence": self.entry.licence, "terms": self.entry.terms}


@dataclass(frozen=True)
class Step:
    """What is to be done for one file.

    Attributes:
        path: inside the dataset's folder, or the archive that ``--from`` names.
        action: ``have``, ``fetch``, ``resume``, ``unpack`` (it is there), or ``dead`` (the list has no URL for it).
        bytes: still to come, as far as is known.
        total: of the whole file, as far as is known.
        wanted: for the network.
        folder: what it is unpacked to; empty for none.
    """

    path: str
    action: str
    bytes: int = 0
    total: int = 0
    wanted: Wanted | None = None
    folder: str = ""


@dataclass(frozen=True)
class Outcome:
    """How one file went: ``result`` is ``had``, ``fetched``, ``unpacked``, ``failed`` or ``dead``."""

    path: str
    result: str
    bytes: int = 0
    sha256: str | None = None
    folder: str = ""
    files: int = 0
    failures: tuple[Failure, ...] = ()


def plan(request: Request) -> list[Step]:
    """What there is to do; nothing is written and nobody asked.

    Raises:
        UsageProblem: the dataset has nothing that can be fetched, or no file of a name in ``only``.
        BadInput: files in the folder that are not what was fetched, or an ``origin`` that cannot be used.
    """
    ledger = Ledger(request.out, request.entry.name)
    if request.origin is not None:
        if request.only:
            raise UsageProblem("use just one of --from and --only")
        return _from_origin(request, request.origin, ledger)
    chosen = [request.entry.file(name) for name in request.only] or [f for f in request.entry.files if not f.optional]
    if not chosen:
        pages = ", ".join(page.url for page in request.entry.pages)
        name = request.entry.name
        raise UsageProblem(
            f"{name} cannot simply be fetched. 1. {request.entry.access} 2. See {pages} 3. With what you received: "
            f"masksmith fetch {name} --to {request.out.parent} --from ARCHIVE (it is checked, unpacked and noted)"
        )
    return [_for_file(file, request.out, ledger) for file in chosen]


def fetch(request: Request, tell: Callable[[str], None] = lambda _: None, *, accept: bool = False) -> list[Outcome]:
    """Do what :func:`plan` says, in the order in which it ends; a URL that gives nothing stops nobody.

    A run that was stopped goes on when it is started again, failures are tried again, and what came once is held to
    its SHA-256 from then on.

    Args:
        accept: the terms are agreed to; noted in the folder, so that once is enough.
        tell: is given what the user should know, a sentence each.

    Raises:
        UsageProblem: the terms were not agreed to, or as :func:`plan`.
        BadInput: an archive that cannot be unpacked safely, or as :func:`plan`.
        EnvironmentFault: no room on the disk, the folder is not writable, or another run is writing there.
    """
    if not (request.out / NAME).exists():
        plan(request)  # before anything is written: most mistakes show here
    if not accept and not agreed(request):
        raise UsageProblem(f"{request.entry.name} is under: {request.entry.licence}; agree with --accept-licence")
    out = files.writable(request.out)
    with files.sole_writer(out):
        ledger = Ledger(out, request.entry.name)
        ledger.agree(request.terms)
        steps = plan(request)
        _ask_for_room(out, steps)
        try:
            return _run(request, steps, ledger, tell)
        finally:
            ledger.save()


def agreed(request: Request) -> bool:
    """Whether the terms, as they are now, were accepted for this folder before."""
    return Ledger(request.out, request.entry.name).agreed(request.terms)


def _for_file(file: File, out: Path, ledger: Ledger) -> Step:
    path = out / file.name
    known = ledger.files.get(file.name, {})
    sha256 = file.sha256 or known.get("sha256")
    size = file.size or known.get("size")
    wanted = Wanted(path, tuple(each.url for each in file.urls), size, sha256, file.md5)
    folder = file.folder if file.extract else ""
    total = size or file.about or 0
    unpacked = bool(folder) and (out / folder).is_dir() and known.get("unpacked") == folder
    if unpacked and not path.exists():
        return Step(file.name, "have", folder=folder)
    if path.exists():
        _check(path, wanted, known)
        action = "have" if unpacked or not folder else "unpack"
        return Step(file.name, action, 0, path.stat().st_size, wanted, folder)
    there = resumable(wanted)
    return Step(file.name, "resume" if there else "fetch", max(0, total - there), total, wanted, folder)


def _check(path: Path, wanted: Wanted, known: dict[str, Any]) -> None:
    """Refuse a file on disk that is not the one that was fetched, or is published."""
    state = path.stat()
    if wanted.size is not None and state.st_size != wanted.size:
        fix = "it was changed or cut: delete it to fetch it again"
        raise BadInput(path, f"{wanted.size} bytes", str(state.st_size), fix)
    if wanted.sha256 is None and wanted.md5 is None:
        if known.get("begun"):  # whole, or it had no name yet; a run was stopped before it could note that
            return
        raise BadInput(path, "no file yet", "one that was not fetched here", "move it away, or give it with --from")
    if known.get("mtime_ns") == state.st_mtime_ns and known.get("size") == state.st_size:
        return
    sha256, md5 = digests(path)
    for what, expected, found in (("sha256", wanted.sha256, sha256), ("md5", wanted.md5, md5)):
        if expected is not None and expected != found:
            raise BadInput(path, f"{what} {expected}", found, "it was changed or damaged: delete it to fetch it again")


def _from_origin(request: Request, origin: Path, ledger: Ledger) -> list[Step]:
    if not origin.is_file():
        found = "a folder" if origin.is_dir() else "nothing"
        raise BadInput(origin, "an archive (zip, tar) or a list of URLs", found, "check --from")
    file = next((each for each in request.entry.files if each.name == origin.name), None)
    known = ledger.files.get(origin.name, {})
    sha256 = (file.sha256 if file else None) or known.get("sha256")
    wanted = Wanted(origin, (), file.size if file else None, sha256, file.md5 if file else None)
    if wanted.sha256 or wanted.md5 or wanted.size:
        _check(origin, wanted, {"begun": True})
    if archives.is_archive(origin):
        folder = (file or File(origin.name, ())).folder
        if not _PLAIN.fullmatch(folder.split("/")[0]):
            raise BadInput(origin, "a plain file name", origin.name, "use letters, digits, dots and dashes")
        have = known.get("unpacked") == folder and (request.out / folder).is_dir()
        return [Step(str(origin), "have" if have else "unpack", 0, origin.stat().st_size, wanted, folder)]
    if request.entry.url_list is None:
        raise BadInput(origin, "an archive (zip, tar)", "no such one", "check --from")
    return _listed(request, origin, ledger)


def _listed(request: Request, origin: Path, ledger: Ledger) -> list[Step]:
    """A step for each line ``name URL`` of a list."""
    listing = request.entry.url_list
    if listing is None:
        raise ValueError("no list")
    steps: dict[str, Step] = {}
    try:
        lines = origin.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadInput(origin, "an archive, or a list of URLs in UTF-8", "neither", "check --from") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, url = (part.strip() for part in line.strip().partition(" "))
        spot = f"{origin}, line {number}"
        if not _PLAIN.fullmatch(name):
            raise BadInput(spot, "a plain file name and a URL", repr(line[:80]), "correct or remove it")
        path = f"{listing.into}/{name}"
        if path in steps:
            raise BadInput(spot, "every name once", name, "rename or remove one of them")
        if url in ("", "None"):
            steps[path] = Step(path, "dead")
            continue
        if url.split(":", 1)[0].lower() not in SCHEMES:
            raise BadInput(spot, "an http or https URL", repr(url[:80]), "correct or remove it")
        known = ledger.files.get(path, {})
        place = request.out / path
        wanted = Wanted(place, (url,), None, known.get("sha256"), None, LARGEST_PICTURE, listing.placeholders)
        if place.exists():
            _check(place, wanted, known)
        steps[path] = Step(path, "have" if place.exists() else "fetch", wanted=wanted)
    if not steps:
        raise BadInput(origin, "lines of a file name and a URL", "none", "check --from")
    return list(steps.values())


def _ask_for_room(out: Path, steps: Sequence[Step]) -> None:
    needed = sum(step.bytes + (step.total if step.folder and step.action != "have" else 0) for step in steps)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise EnvironmentFault(
            f"{out}: needs about {needed / 1e9:.1f} GB (archives and what is in them), the disk has "
            f"{free / 1e9:.1f} GB free; free some space, choose another --to, or fetch one file at a time with --only"
        )


def _run(request: Request, steps: Sequence[Step], ledger: Ledger, tell: Callable[[str], None]) -> list[Outcome]:
    line = Line(request.patience)
    outcomes = [Outcome(step.path, "dead") for step in steps if step.action == "dead"]
    for step in steps:
        if step.action in ("have", "unpack"):
            outcomes.append(_settle(request, step, None, ledger, line))
    todo = [step for step in steps if step.action in ("fetch", "resume")]
    if not todo:
        return outcomes
    for step in todo:
        ledger.files.setdefault(step.path, {})["begun"] = True
    ledger.save()
    counted = all(step.total for step in todo)  # or there are bytes nobody knows the number of: count files
    total = sum(step.total for step in todo) // MB if counted else len(todo)
    done = sum(step.total - step.bytes for step in todo) // MB if counted else 0
    unit = "MB " if counted else "files "
    with (
        console.progress(f"fetching {request.entry.name}", total, done=done, unit=unit) as advance,
        futures.ThreadPoolExecutor(request.parallel) as pool,
    ):
        if counted:
            line.advance = _in_mb(advance)
        waiting = {pool.submit(download, step.wanted, line): step for step in todo if step.wanted}
        try:
            for future in futures.as_completed(waiting):
                outcome = _outcome(request, waiting[future], future, ledger, line)
                if outcome.result == "failed" and request.entry.url_list is None:
                    tell(f"{outcome.path}: {'; '.join(each.reason for each in outcome.failures)}")
                outcomes.append(outcome)
                ledger.save(now=False)
                if not counted:
                    advance(1)
        except BaseException:
            line.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return outcomes


def _outcome(request: Request, step: Step, future: futures.Future[Fetched], ledger: Ledger, line: Line) -> Outcome:
    try:
        fetched = future.result()
    except Failed as fault:
        for failure in fault.failures:
            ledger.failed(failure)
        ledger.files.get(step.path, {}).pop("begun", None)
        if not ledger.files.get(step.path):
            ledger.files.pop(step.path, None)
        return Outcome(step.path, "failed", failures=fault.failures)
    ledger.came(fetched.url)
    return _settle(request, step, fetched, ledger, line)


def _settle(request: Request, step: Step, fetched: Fetched | None, ledger: Ledger, line: Line) -> Outcome:
    """Note a file that is there, and unpack it where that is still to be done."""
    name = Path(step.path).name if request.origin and step.folder else step.path
    place = step.wanted.path if step.wanted else request.out / step.path
    known = ledger.files.get(name, {})
    if place.exists() and (fetched or not known.get("sha256") or step.action == "unpack"):
        sha256 = fetched.sha256 if fetched else digests(place)[0]
        state = place.stat()
        fresh = {"size": state.st_size, "sha256": sha256, "mtime_ns": state.st_mtime_ns}
        known = {**known, **fresh, "url": fetched.url if fetched else known.get("url")}
        known.pop("begun", None)
        ledger.files[name] = known
    result = "fetched" if fetched else "had"
    outcome = Outcome(name, result, int(known.get("size", 0)), known.get("sha256"), step.folder)
    if not step.folder or step.action == "have":
        return replace(outcome, files=int(known.get("unpacked_files", 0)))
    target = request.out / step.folder
    if target.exists() and known.get("unpacking") == step.folder:
        # it was renamed in one go: a run was stopped between that and the ledger
        count = sum(path.is_file() for path in target.rglob("*"))
        shutil.rmtree(archives.beside(target), ignore_errors=True)
    else:
        if target.exists():
            raise EnvironmentFault(f"{target}: is there already and not from here; move it away to unpack {name}")
        known["unpacking"] = step.folder
        ledger.save()
        count = archives.extract(place, target, stopped=line.stop.is_set).files
    known.pop("unpacking", None)
    known.update(unpacked=step.folder, unpacked_files=count)
    ledger.save()
    return replace(outcome, result="fetched" if fetched else "unpacked", files=count)


def _in_mb(advance: Callable[[int], None]) -> Callable[[int], None]:
    """``advance`` for bytes, from any thread."""
    lock = threading.Lock()
    rest = 0

    def bytes_came(count: int) -> None:
        nonlocal rest
        with lock:
            whole, rest = divmod(rest + count, MB)
            if whole:
                advance(whole)

    return bytes_came
