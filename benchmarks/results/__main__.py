"""``python -m benchmarks.results``: runs what this machine can of the plan, and writes ``RESULTS.md`` with figures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from masksmith.errors import MasksmithError, unknown_choice

from . import figures, page, running
from .choices import LANES, TABLES
from .ledger import FOLDER, Records
from .plan import steps
from .step import ROOT, Step

PAGE = ROOT / "RESULTS.md"
PICTURES = ROOT / "docs" / "figures"


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("--table", action="append", default=[], metavar="NAME", help=f"only this: {', '.join(TABLES)}")
    parser.add_argument("--step", action="append", default=[], metavar="ID", help="only this step; see --list")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "results", help="folder for all that is made")
    parser.add_argument("--data", type=Path, help="the real data [default: MASKSMITH_DATA, else ../shared/data]")
    parser.add_argument("--eg1800", type=Path, help="EG1800 with its photos, as its authors gave it out")
    parser.add_argument("--easyportrait", type=Path, help="EasyPortrait of February 2023")
    parser.add_argument(
        "--lanes", type=int, default=LANES, metavar="N", help=f"steps beside each other, one thread each [{LANES}]"
    )
    parser.add_argument("--beyond", action="store_true", help="run what takes longer than the time set aside, too")
    parser.add_argument("--records", type=Path, default=FOLDER, help="folder of measured rows")
    parser.add_argument("--list", action="store_true", help="say what would be run and run nothing")
    parser.add_argument("--render", action="store_true", help="write the page and figures and run nothing")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page [RESULTS.md]")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder of figures [docs/figures]")
    parser.add_argument("--json", action="store_true", help="with --list: one JSON document")
    return parser


def chosen(tables: Sequence[str], ids: Sequence[str]) -> tuple[Step, ...]:
    """The steps of some tables, or some steps, with all they need; without either, all.

    Raises:
        UsageProblem: an unknown table or step.
    """
    every = {step.id: step for step in steps()}
    for name in tables:
        if name not in TABLES:
            raise unknown_choice("table", name, TABLES)
    for name in ids:
        if name not in every:
            raise unknown_choice("step", name, every)
    wanted = {name for name, step in every.items() if step.table in tables or name in ids}
    if not tables and not ids:
        wanted = set(every)
    for name in reversed(every):
        if name in wanted:
            wanted.update(every[name].needs)
    return tuple(step for name, step in every.items() if name in wanted)


def main(words: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 where a step failed."""
    given = arguments().parse_args(words)
    data = given.data or Path(os.environ.get("MASKSMITH_DATA") or ROOT.parent / "shared" / "data")
    own = {"$EG1800": given.eg1800, "$EASYPORTRAIT": given.easyportrait}
    try:
        picked = chosen(given.table, given.step)
        places = running.places(data if data.is_dir() else None, own)
        shop = running.Workshop(given.work, given.records, places, beyond=given.beyond)
        failed: list[running.Decision] = []
        if given.list:
            _show(shop.decide(picked), given.json)
            return 0
        if not given.render:
            given.work.mkdir(parents=True, exist_ok=True)
            failed = running.run_all(
                shop, picked, lambda line: print(line, file=sys.stderr, flush=True), max(given.lanes, 1)
            )
        records = Records.load(given.records)
        drawn = figures.draw(records, given.pictures)
        page.write(records, given.page)
        print(f"{given.page}: {len(records)} records, {len(drawn)} figures")
    except MasksmithError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return fault.exit_code
    for decision in failed:
        print(f"{decision.step.id}: {decision.why}", file=sys.stderr)
    return 1 if failed else 0


def _show(decisions: Sequence[running.Decision], as_json: bool) -> None:
    if as_json:
        print(json.dumps([running.as_json(decision) for decision in decisions], indent=2))
        return
    for decision in decisions:
        step = decision.step
        print(f"{step.table:6}{decision.state:8}{step.minutes:6g} min  {step.id:28} {step.command}")
        if decision.why:
            print(f"{'':22}{decision.why}")
    left = sum(decision.step.minutes for decision in decisions if decision.state == running.DO)
    print(f"{len(decisions)} steps; about {left:g} minutes of one thread to do")


if __name__ == "__main__":
    sys.exit(main())
