"""The plan of a dataset: which feet and floors go to which split, and how many scenes come of them.

Feet and floors get their split before they are paired, so no scene mixes two splits and none has to be dropped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datagen import bank
from datagen.bank import Rig, Source
from datagen.flooring import FloorSource, all_floors
from datagen.scenes import Style
from manifests import assign_values
from manifests.splits import DEFAULT_SHARES
from masksmith import files
from masksmith.errors import BadInput


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
                # who may stand beside whom: cutouts of two people are those of one deal of the splits
                **({"splits": files.digest(sorted(self.subjects.items()))} if self.rig.company_share else {}),
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
    found, warnings = all_feet(scans, seed)
    grounds, more = all_floors(floor_spec, seed)
    warnings += more
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


def all_feet(specs: Sequence[str], seed: int) -> tuple[list[Source], list[str]]:
    """The feet of several :func:`datagen.bank.sources`, each scan once, and what to warn of.

    Raises:
        BadInput: as there; or one scan under two subjects, who could come into two splits.
    """
    kept: list[Source] = []
    warnings: list[str] = []
    first: dict[str, Source] = {}
    for source in (source for spec in specs for source in bank.sources(spec, seed)):
        marks = [photo.sha256 for photo in source.photos] or [source.sha256]
        befores = [first.setdefault(mark, source) for mark in marks]
        twin = next((before for before in befores if before.subject != source.subject), None)
        if twin is not None:
            raise BadInput(
                where(source),
                f"a {'photo' if source.photos else 'scan'} of {source.subject}",
                f"the same file as {where(twin)}, one of {twin.subject}",
                "remove one of them, or give both one subject",
            )
        if all(before is not source for before in befores):
            warnings.append(f"{where(source)}: the same as {where(befores[0])}, left out")
        else:
            kept.append(source)
    return kept, warnings


def where(source: Source) -> str:
    """What a foot is called in a message: its file, or its subject."""
    if source.photos:
        return source.photos[0].image
    return str(source.scan.path) if source.scan else source.subject


def summary(work: Plan) -> dict[str, Any]:
    """What a plan will make, split by split."""
    return {
        "count": work.count,
        "seed": work.seed,
        "size": work.style.size,
        "cutouts": sum(len(source.photos) or work.rig.views for source in work.sources),
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
