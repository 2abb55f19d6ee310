"""``RESULTS.md``, written from the records and from nothing else: the same records give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from masksmith import files

from . import cells, figures, more_tables, scaled, tables
from .cells import Table
from .claims import SOURCES
from .ledger import Records
from .peers import GROUPS, Group
from .plan import steps
from .step import Step

_HEAD = """# Results

The tables of five documents beside ours. Every figure of ours stands in a record, `benchmarks/results/records/*.json`,
with the command that measured it; this page is written from these records and from nothing else (a test holds it to
that), and what was not measured is a row that says so, and what it would take.

```
make results                                   # what this machine can: hours
python -m benchmarks.results --list            # every step, its command and its time, without running any
python -m benchmarks.results --table F         # one table
python -m benchmarks.results --render          # this page and the figures, from the records
```

Commands are those of a shell inside the work folder (`runs/results`, or `--work`), with `PYTHONPATH` naming the
repository and `MASKSMITH_DATA` the folder of real data. Data are named by the first digits of the SHA-256 of their
records, revisions by those of the commit. "said" is the document's own figure. A training has one thread.
"""


def text(records: Records) -> str:
    """The whole page."""
    lines = [_HEAD, *_machines(records)]
    parts: tuple[tuple[str, str, Sequence[Table]], ...] = (
        ("P", SOURCES["P"], tables.portraits(records)),
        ("F", SOURCES["F"], tables.feet(records)),
        ("R", SOURCES["R"], more_tables.silhouettes(records)),
        ("C", SOURCES["C"], more_tables.calls(records)),
        ("N", SOURCES["N"], more_tables.faces(records)),
    )
    for name, source, found in parts:
        lines += [f"## {name}: {source}", ""]
        for table in found:
            lines += cells.markdown(table)
        lines += _figures(records, name)
        lines += _commands(records, [step for table in found for step in table.steps])
    lines += ["## The systems around, feature by feature", "", _PEERS, ""]
    for group in GROUPS:
        lines += _group(group)
    lines += scaled.lines(records)
    return "\n".join(lines).rstrip() + "\n"


def write(records: Records, place: Path) -> None:
    """Write the page, atomically."""
    files.write_bytes(place, text(records).encode())


_PEERS = (
    "What the others do is what their own documentation and code say. Each of ours is a command that does it, and a "
    "test that shows it."
)


def _machines(records: Records) -> list[str]:
    cpus = sorted({record.cpu for name in _ids() if (record := records.get(name)) and record.cpu})
    done = sum(1 for name in _ids() if name in records)
    trained = [
        record.seconds
        for name in _ids()
        if (record := records.get(name)) and record.seconds and name.startswith(("train/", "prior", "prune/", "search"))
    ]
    return [
        f"Machine: {'; '.join(cpus) or 'none yet'}. {done} of {len(_ids())} steps have a record; trainings and "
        f"searches took {sum(trained) / 60:.0f} minutes of one thread in all, two beside each other.",
        "",
    ]


def _ids() -> list[str]:
    return [step.id for step in steps()]


def _figures(records: Records, table: str) -> list[str]:
    lines = []
    for figure in figures.FIGURES:
        if figure.table != table:
            continue
        if figure.ready(records):
            lines += [f"![{figure.title}](docs/figures/{figure.name}.png)", "", f"*{figure.title}.* {figure.says}", ""]
        else:
            lines += [f"*{figure.title}*: not drawn yet, for it needs {', '.join(figure.missing(records))}.", ""]
    return lines


def _commands(records: Records, names: Iterable[str]) -> list[str]:
    every = {step.id: step for step in steps()}
    wanted = [every[name] for name in dict.fromkeys(_with_needs(list(names), every))]
    return ["<details><summary>Commands</summary>", "", *cells.provenance(records.of(wanted)), "</details>", ""]


def _with_needs(names: Sequence[str], every: dict[str, Step]) -> Iterable[str]:
    for name in names:
        yield from _with_needs(every[name].needs, every)
        yield name


def _group(group: Group) -> list[str]:
    head = ("", *group.columns, "masksmith", "shown by")
    lines = [f"### {group.title}", "", f"| {' | '.join(head)} |", f"| {' | '.join([':--'] * len(head))} |"]
    for feature in group.features:
        path, _, test = feature.test.partition("::")
        shown = f"`masksmith {feature.command}`, [{test}]({path})"
        lines.append(f"| {' | '.join((feature.name, *feature.peers, feature.ours, shown))} |")
    return [*lines, ""]
