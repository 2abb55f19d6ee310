"""The plan of a dataset: which feet and floors go to which split, and how many scenes come of them.

Feet and floors get their split before they are paired, so no scene mixes two splits and none has to be dropped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datagen import bank, floors
from datagen.bank import Rig, Source
from datagen.scenes import Style
from manifests import assign_values
from manifests.splits import DEFAULT_SHARES
from masksmith import files, seeds
from masksmith.errors import BadInput

PROCEDURAL = "procedural:"


@dataclass(frozen=True)
class FloorSource:
    """Where a floor comes from: a photo, or a kind and a number."""

    id: str
    path: str | None = None
    kind: str = ""
    number: int = 0
    licence: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first ray is cast; a dry run prints it.

    Attributes:
        out: the local folder: of the dataset, or, with ``url``, of what is needed to make it.
        subjects, floor_splits: which split each subject and each floor belongs to.
        counts: scenes a split.
        url: an object store where the dataset goes, ``s3://bucket/prefix``; empty for none.
        tar_scenes: scenes a tar shard; 0 for files of their own.
    """

    out: Path
    count: int
    seed: int
    sources: Sequence[Source]
    grounds: Sequence[FloorSource]
    rig: Rig
    style: Style
    shares: Mapping[str, float]
    subjects: Mapping[str, str]
    floor_splits: Mapping[str, str]
    counts: Mapping[str, int]
    command: str = ""
    warnings: tuple[str, ...] = field(default=())
    url: str = ""
    tar_scenes: int = 0

    @property
    def name(self) -> str:
        """What the dataset is called: the last part of where it goes."""
        return self.url.rstrip("/").rpartition("/")[2] or self.out.resolve().name

    def job(self) -> dict[str, dict[str, Any]]:
        """What the output depends on, for the receipts: inputs by digest, options, seed."""
        return {
            "feet": {
                "seed": self.seed,
                "rig": asdict(self.rig),
                "feet": files.digest([[s.subject, s.sha256, s.number, s.scan and s.scan.side] for s in self.sources]),
            },
            "scenes": {
                "count": self.count,
                "style": asdict(self.style),
                "floors": files.digest([[ground.id, ground.sha256] for ground in self.grounds]),
                "shares": dict(self.shares),
                **({"tar_scenes": self.tar_scenes} if self.tar_scenes else {}),
            },
        }


def plan(
    *,
    scans: str | Sequence[str],
    floor_spec: str | Sequence[str],
    out: str | os.PathLike[str],
    count: int,
    seed: int,
    rig: Rig | None = None,
    style: Style | None = None,
    shares: Mapping[str, float] | None = None,
    command: str = "",
    url: str = "",
    tar_scenes: int = 0,
) -> Plan:
    """Read what is there and decide who goes where; nothing is written.

    Args:
        scans: folders of scans, ``parametric:N``, or several of them.
        floor_spec: folders of photos, ``procedural:N``, or several of them.
        count: number of scenes.
        shares: split name to share.
        url, tar_scenes: see :class:`Plan`.

    Raises:
        BadInput: a folder without usable scans or floors, or fewer of them than there are splits.
    """
    shares = dict(shares or DEFAULT_SHARES)
    total = sum(shares.values())
    scans, floor_spec = _each(scans), _each(floor_spec)
    found = [source for spec in scans for source in bank.sources(spec, seed)]
    grounds, warnings = all_floors(floor_spec, seed)
    names = sorted({source.subject for source in found})
    for what, have, where in (
        ("subjects", len(names), " ".join(scans)),
        ("floors", len(grounds), " ".join(floor_spec)),
    ):
        if have < len(shares):
            raise BadInput(
                where,
                f"at least {len(shares)} {what}, one a split",
                f"{have}",
                f"add {what}, or ask for fewer splits (--shares)",
            )
    counts = _largest_remainder(count, {name: share / total for name, share in shares.items()})
    return Plan(
        out=Path(out),
        count=count,
        seed=seed,
        sources=found,
        grounds=grounds,
        rig=rig or Rig(),
        style=style or Style(),
        shares=shares,
        subjects=assign_values(names, shares, seed, "subject"),
        floor_splits=assign_values([ground.id for ground in grounds], shares, seed, "floor"),
        counts=counts,
        command=command,
        warnings=tuple(warnings),
        url=url,
        tar_scenes=tar_scenes,
    )


def _each(specs: str | Sequence[str]) -> tuple[str, ...]:
    return (specs,) if isinstance(specs, str) else tuple(specs)


def all_floors(specs: Sequence[str], seed: int) -> tuple[list[FloorSource], list[str]]:
    """The floors of several :func:`floor_sources`, and what to warn of.

    Raises:
        BadInput: as there; or two of them have the same id.
    """
    grounds: list[FloorSource] = []
    warnings: list[str] = []
    seen: dict[str, str] = {}
    for spec in specs:
        more, notes = floor_sources(spec, seed)
        for ground in more:
            if ground.id in seen:
                raise BadInput(
                    spec, "floors with names of their own", f"{ground.id!r}, as in {seen[ground.id]}", "rename one"
                )
            seen[ground.id] = spec
        grounds += more
        warnings += notes
    return grounds, warnings


def floor_sources(spec: str, seed: int) -> tuple[list[FloorSource], list[str]]:
    """The floors that ``spec`` names, each read once to see that it can be; and what to warn of.

    Raises:
        BadInput: no such folder, no photo in it, a damaged photo.
    """
    if spec.startswith(PROCEDURAL):
        number = bank.made_count(spec)
        kinds = floors.FLOOR_KINDS
        made = [
            FloorSource(
                f"{kinds[k % len(kinds)]}-{k:04d}",
                None,
                kinds[k % len(kinds)],
                seeds.integer(seed, "floor", k),
                "CC0-1.0",
                files.digest({"procedural": k, "seed": seed}),
            )
            for k in range(number)
        ]
        return made, []
    listed, warnings = floors.list_floors(Path(spec))
    out = []
    for item in listed:
        floor = floors.read_floor(item)
        out.append(FloorSource(floor.id, os.fspath(Path(item.path).resolve()), "", 0, floor.licence, floor.sha256))
    return out, list(warnings)


def summary(work: Plan) -> dict[str, Any]:
    """What a plan will make, split by split."""
    return {
        "count": work.count,
        "seed": work.seed,
        "size": work.style.size,
        "cutouts": len(work.sources) * work.rig.views,
        "splits": {
            name: {
                "scenes": work.counts[name],
                "subjects": sum(split == name for split in work.subjects.values()),
                "floors": sum(split == name for split in work.floor_splits.values()),
            }
            for name in work.shares
        },
    }


def _largest_remainder(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    exact = {name: count * share for name, share in shares.items()}
    whole = {name: int(value) for name, value in exact.items()}
    by_rest = sorted(exact, key=lambda name: (whole[name] - exact[name], name))
    for name in by_rest[: count - sum(whole.values())]:
        whole[name] += 1
    return whole
