"""What ``split`` is asked to do, brought into plans: by shares, by lists, in folds, with a value left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests import given
from manifests.edit import PLANNING, Resplit, resplit
from manifests.lists import Listed
from manifests.manifest import Manifest
from manifests.origins import ORIGINS, Members, Pattern, derived, with_groups
from manifests.places import new_folder
from manifests.record import group_keys, members
from manifests.splits import Plan
from manifests.strata import Stratum
from masksmith.errors import UsageProblem, unknown_choice


@dataclass(frozen=True)
class Task:
    """A dataset and how to divide it. Keys that its paths tell and no record states are added to the groups."""

    manifest: Manifest
    keys: tuple[str, ...]
    shares: Mapping[str, float]
    seed: int
    columns: tuple[Stratum, ...] = ()
    patterns: tuple[Pattern, ...] = ()

    def with_columns(self, columns: Sequence[Stratum]) -> Task:
        return replace(self, columns=tuple(columns))

    def plain(self, official: bool = False) -> Resplit:
        """By shares, or as the records came."""
        whole = self._widened()
        if official:
            return _kept(given.official(whole, self.keys), whole)
        return _kept(resplit(whole, self.keys, self.shares, self.seed, self.columns), whole)

    def folds(self, number: int) -> Resplit:
        whole = self._widened()
        return _kept(given.folds(whole, number, self._known(whole), self.seed, self.columns), whole)

    def like(self, texts: Sequence[str]) -> tuple[Resplit, Listed]:
        """As lists say, each given as ``SPLIT=PATH``."""
        lists: dict[str, list[Path]] = {}
        for text in texts:
            name, sign, path = text.partition("=")
            if not sign or not name.strip() or not path:
                raise UsageProblem(f"--like {text!r}: write it as train=TRAIN.txt")
            lists.setdefault(name.strip(), []).append(Path(path))
        whole = self._widened()
        planned, listed = given.from_lists(whole, lists, [key for key in self.keys if key in _keys(whole)])
        return _kept(planned, whole), listed

    def left_out(self, text: str) -> Resplit:
        """With ``KEY=VALUE`` for testing."""
        key, _, value = text.partition("=")
        whole = self._widened()
        if key != "split" and key not in _keys(whole):
            raise unknown_choice("key", key, [*_keys(whole), "split"])
        planned = given.left_out(whole, key, value, self._known(whole), self.shares, self.seed, self.columns)
        return _kept(planned, whole)

    def each_fold(self, number: int, out: Path) -> list[tuple[Path | None, Resplit]]:
        """A manifest for each fold, with it for testing and a part of the others for validation."""
        dealt = self.folds(number)
        fit = sum(share for name, share in self.shares.items() if name in ("train", "val"))
        val = self.shares.get("val", 0.0) / fit if fit else 0.0
        keys, made = dealt.plan.keys, []
        for k in range(number):
            each = given.fold_as_split(dealt, k, keys, val, self.seed, self.columns)
            made.append((new_folder(out / f"{given.FOLD}{k}"), replace(each, groups=dealt.groups)))
        return list(made)

    def each_left_out(self, key: str, out: Path) -> list[tuple[Path | None, Resplit]]:
        """A manifest for each value of a key."""
        if key not in _keys(self._widened()):
            raise unknown_choice("key", key, _keys(self._widened()))
        values = sorted(set(members(self._widened().table(PLANNING), key)[1].to_pylist()))
        if len(values) > 1000:
            raise UsageProblem(
                f"--leave-out {key}: {len(values)} values, a manifest each; give --leave-out {key}=VALUE"
            )
        return [(new_folder(out / _plain(value)), self.left_out(f"{key}={value}")) for value in values]

    def _known(self, whole: Manifest) -> tuple[str, ...]:
        """The keys, all of them ones that a record may have."""
        for key in self.keys:
            if key not in {"subject", "clip", "source", *_keys(whole)}:
                raise unknown_choice("key", key, _keys(whole))
        if not self.keys:
            raise UsageProblem("--by needs at least one key, such as subject,floor")
        return tuple(dict.fromkeys(self.keys))

    def _widened(self) -> Manifest:
        """The manifest, with the groups that its paths tell where they are asked for."""
        asked = {*self.keys, *(pattern.key for pattern in self.patterns)}
        stated = set(group_keys(self.manifest.table(["groups"])))
        if not self.patterns and not (asked & set(ORIGINS)) - stated:
            return self.manifest
        found = derived(self.manifest, self.patterns)
        return Widened(self.manifest, {key: each for key, each in found.items() if key in asked})


class Widened(Manifest):
    """A manifest whose records have more groups than on disk."""

    def __init__(self, below: Manifest, more: Mapping[str, Members]) -> None:
        super().__init__(below.folder, below.info, below._parquet)
        self.more = more

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """As :meth:`Manifest.table`, with these groups."""
        table = super().table(columns)
        return with_groups(table, self.more) if "groups" in table.column_names else table


def patterns(texts: Sequence[str]) -> tuple[Pattern, ...]:
    """``KEY=REGEX`` of the command line. Raises UsageProblem where one is none."""
    return tuple(Pattern.parse(text) for text in texts)


def plan_json(plan: Plan, records: int) -> dict[str, Any]:
    """A plan as one JSON value."""
    return {
        "keys": list(plan.keys),
        "seed": plan.seed,
        "method": plan.method,
        "components": plan.components,
        "largest_component": plan.largest,
        "records": records,
        "dropped": plan.dropped,
        "unknown": dict(plan.unknown),
        "counts": dict(plan.counts),
        "target": dict(plan.target),
        "realised": dict(plan.realised),
        "deviation": plan.deviation,
        "strata": {name: each.as_json() for name, each in plan.strata.items()},
        "leaks": dict(plan.leaks),
    }


def listed_json(listed: Listed) -> dict[str, Any]:
    """What lists said of records, as JSON."""
    return {
        "missing": [entry for entries in listed.missing.values() for entry in entries],
        "ambiguous": [entry for entry, _ in listed.ambiguous],
        "twice": list(listed.twice),
        "extra": listed.extra,
    }


def _kept(planned: Resplit, whole: Manifest) -> Resplit:
    """Groups that were read from paths are written with the split that is proved over them."""
    return replace(planned, groups=planned.table.column("groups")) if isinstance(whole, Widened) else planned


def _keys(manifest: Manifest) -> list[str]:
    table = manifest.table(["groups", "subject", "clip", "source"])
    own = [key for key in ("subject", "clip", "source") if table.column(key).null_count < table.num_rows]
    return [*own, *group_keys(table)]


def _plain(value: str) -> str:
    """A value as the name of a folder."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in value).lstrip(".") or "none"
