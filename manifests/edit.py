"""Editing: split a manifest, merge several, filter one; always into a whole manifest, never into half a one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.lists import read_lines
from manifests.manifest import RECORDS, Info, Manifest, ManifestWriter
from manifests.places import chosen, new_folder, tables_from, with_column
from manifests.proof import check_proof, make_proof
from manifests.record import group_keys, members
from manifests.splits import Plan, split_table
from manifests.strata import Stratum
from masksmith import files, receipts
from masksmith.errors import BadInput, UsageProblem, unknown_choice

PLANNING = ("id", "subject", "groups", "split", "clip", "source")
"""The columns that splits and their proofs depend on."""
_PLAIN = ("id", "subject", "split", "clip", "source")


@dataclass(frozen=True)
class Resplit:
    """A split that is planned and not yet written; ``groups`` takes the place of that column, where given."""

    manifest: Manifest
    plan: Plan
    table: pa.Table
    groups: pa.ChunkedArray | None = None

    def write(self, out: Path | None = None) -> Path:
        """Write the manifest with the new split and its proof, in place or into another folder.

        Raises:
            UsageProblem: the other folder holds a dataset.
        """
        here = self.manifest.folder
        folder = here if out is None or out.resolve() == here.resolve() else new_folder(out)
        proof = make_proof(self.table, self.plan.keys, self.plan.seed, self.plan)
        info = replace(self.manifest.info, split_proof=proof)
        column = self.table.column("split")
        with files.sole_writer(_locked(folder)), ManifestWriter(folder, info) as writer:
            for start, table in tables_from(self.manifest, folder):
                changed = with_column(table, "split", column.slice(start, table.num_rows))
                if self.groups is not None:
                    changed = with_column(changed, "groups", self.groups.slice(start, table.num_rows))
                writer.add_table(changed)
        return folder


def resplit(
    manifest: Manifest,
    keys: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    columns: Sequence[Stratum] = (),
) -> Resplit:
    """Plan a split of a manifest; see :func:`manifests.splits.split_table`.

    Raises:
        BadInput: the manifest is empty.
    """
    if not len(manifest):
        raise BadInput(manifest.folder / RECORDS, "records to divide", "none", "make some: masksmith generate")
    table, plan = split_table(manifest.table(PLANNING), list(dict.fromkeys(keys)), shares, seed, columns)
    return Resplit(manifest, plan, table)


@dataclass(frozen=True)
class Merge:
    """A merge that is planned and not yet written; ``prefixes`` go in front of ids and clips."""

    manifests: tuple[Manifest, ...]
    prefixes: tuple[str, ...]
    info: Info
    splits: bool = True

    @property
    def records(self) -> int:
        return sum(len(manifest) for manifest in self.manifests)

    @property
    def proofs_dropped(self) -> int:
        """How many of the manifests had a split proof; the merged one has none."""
        return sum(manifest.info.split_proof is not None for manifest in self.manifests)

    def write(self, out: Path) -> None:
        """Write the merged manifest; its paths lead to the files where they are."""
        with files.sole_writer(_locked(new_folder(out))), ManifestWriter(out, self.info) as writer:
            for manifest, before in zip(self.manifests, self.prefixes, strict=True):
                for _, table in tables_from(manifest, out):
                    if not self.splits:
                        table = with_column(table, "split", pa.nulls(table.num_rows, pa.string()))
                    writer.add_table(_prefixed(table, before))


def merge(manifests: Sequence[Manifest], name: str, prefix: bool = False, splits: bool = True) -> Merge:
    """Plan one manifest of the records of several.

    Args:
        prefix: put the name of its dataset in front of every id and clip (``feet/000012``).
        splits: keep them; without, the merged records have none, to be split anew.

    Raises:
        UsageProblem: less than two manifests.
        BadInput: class tables that differ, ids that occur twice, or a subject or floor (or what else a proof keeps
            apart) that is in one split here and in another there.
    """
    if len(manifests) < 2:
        raise UsageProblem("merge needs two datasets or more")
    first = manifests[0]
    for other in manifests[1:]:
        _same_classes(first, other)
    infos = [manifest.info for manifest in manifests]
    prefixes = _prefixes([info.name for info in infos]) if prefix else ("",) * len(infos)
    _unique_ids(manifests, prefixes)
    if splits:
        _same_splits(manifests)
    sources: list[Mapping[str, object]] = []
    for info in infos:
        sources += [source for source in info.sources if source not in sources]
    merged = Info(
        name=name,
        classes=first.info.classes,
        licence=tuple(dict.fromkeys(licence for info in infos for licence in info.licence)),
        citation="\n".join(dict.fromkeys(info.citation for info in infos if info.citation)),
        sources=tuple(sources),
        command=f"masksmith manifest merge{' --prefix' if prefix else ''}",
        description=f"merged from {', '.join(info.name for info in infos)}",
    )
    return Merge(tuple(manifests), prefixes, merged, splits)


@dataclass(frozen=True)
class Condition:
    """``key=value`` or ``key!=value``; an empty value stands for none at all."""

    key: str
    value: str
    wanted: bool

    @staticmethod
    def parse(text: str) -> Condition:
        """Raises UsageProblem where the text is no condition."""
        key, sign, value = text.partition("=")
        wanted = not key.endswith("!")
        key = key.removesuffix("!").strip()
        if not sign or not key:
            raise UsageProblem(f"--where {text!r}: write it as split=train or subject!=S01")
        return Condition(key, value.strip(), wanted)

    def fits(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """(N,) which records of a table have the value (or, with ``!=``, have it not)."""
        if self.key in ("id", "split"):
            column = table.column(self.key)
            rows = np.flatnonzero(np.asarray(column.is_valid()))
            values = pc.drop_null(column)
        else:
            rows, values = members(table, self.key)
        has = np.zeros(table.num_rows, bool)
        if self.value:
            has[rows[np.asarray(pc.equal(values, self.value))]] = True
        else:
            has[rows] = True
            has = ~has
        return has if self.wanted else ~has


@dataclass(frozen=True)
class Filter:
    """A filter that is planned and not yet written."""

    manifest: Manifest
    keep: npt.NDArray[np.bool_]
    info: Info

    @property
    def proof_dropped(self) -> bool:
        """Whether there was a split proof that did not hold and is therefore left out."""
        return self.manifest.info.split_proof is not None and self.info.split_proof is None

    def write(self, out: Path) -> None:
        """Write the records that fit; paths lead to the files where they are."""
        with files.sole_writer(_locked(new_folder(out))), ManifestWriter(out, self.info) as writer:
            for start, table in tables_from(self.manifest, out):
                writer.add_table(chosen(table, self.keep[start : start + table.num_rows]))


def select(
    manifest: Manifest, where: Sequence[Condition] = (), ids: Path | None = None, limit: int | None = None
) -> Filter:
    """Plan a manifest of some of the records of another, in its order; the split is proved again over them.

    Args:
        where: all of these hold.
        ids: a text file with an id a line.
        limit: at most so many, the first ones.

    Raises:
        UsageProblem: a key that no record has, or no record that fits.
        BadInput: ids that no record has.
    """
    table = manifest.table(PLANNING)
    keep = np.ones(table.num_rows, bool)
    keys = [*_PLAIN, *group_keys(table)]
    for condition in where:
        if condition.key not in keys:
            raise unknown_choice("key", condition.key, keys)
        keep &= condition.fits(table)
    if ids is not None:
        keep &= _listed(table, ids)
    if limit is not None:
        keep &= np.cumsum(keep) <= limit
    if not keep.any():
        raise UsageProblem(f"{manifest.folder}: none of the {len(keep)} records fits; nothing to write")
    proof = manifest.info.split_proof
    if proof is not None:
        held = not check_proof(table, proof)
        proof = make_proof(chosen(table, keep), proof["keys"], proof.get("seed")) if held else None
    return Filter(manifest, keep, replace(manifest.info, split_proof=proof))


def _locked(folder: Path) -> Path:
    """Where writers of a folder exclude one another; the folder that makers of data use, too."""
    return folder / receipts.FOLDER


def _listed(table: pa.Table, path: Path) -> npt.NDArray[np.bool_]:
    wanted = pa.array(list(dict.fromkeys(read_lines(path, "an id"))), pa.string())
    column = table.column("id")
    lost = wanted.filter(pc.invert(pc.is_in(wanted, value_set=pc.unique(column)))).to_pylist()
    if lost:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise BadInput(path, "ids of the manifest", f"{shown}, which no record has", "correct the list")
    return np.asarray(pc.is_in(column, value_set=wanted)).astype(bool)


def _prefixes(names: list[str]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, 1)]
    return tuple(f"{name}/" for name in names)


def _prefixed(table: pa.Table, before: str) -> pa.Table:
    if not before:
        return table
    for name in ("id", "clip"):
        table = with_column(table, name, pc.binary_join_element_wise(before, table.column(name), ""))
    return table


def _same_classes(first: Manifest, other: Manifest) -> None:
    ours, theirs = dict(first.info.classes), dict(other.info.classes)
    if ours == theirs:
        return
    told = []
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            sides = [f"has {name} = {t[name]}" if name in t else f"has no {name}" for t in (ours, theirs)]
            told.append(f"{first.info.name} {sides[0]} and {other.info.name} {sides[1]}")
    raise BadInput(
        other.folder,
        f"the class table of {first.folder}",
        "; ".join(told),
        "the same id would mean two things, or an unnamed class would count as background: map the masks first",
    )


def _same_splits(manifests: Sequence[Manifest]) -> None:
    """Refuse datasets that were dealt out differently: merged, they would leak."""
    keys = {"subject", "floor", *(key for m in manifests for key in (m.info.split_proof or {}).get("keys", ()))}
    for key in sorted(keys - {"clip", "source"}):
        first: dict[str, tuple[Manifest, set[str]]] = {}
        for manifest in manifests:
            table = manifest.table(PLANNING)
            rows, values = members(table, key)
            pairs = pa.table({"value": values, "split": table.column("split").take(pa.array(rows))})
            found: dict[str, set[str]] = {}
            for pair in pairs.group_by(["value", "split"]).aggregate([]).to_pylist():
                if pair["split"] is not None:
                    found.setdefault(pair["value"], set()).add(pair["split"])
            for value, here in sorted(found.items()):
                other, there = first.setdefault(value, (manifest, here))
                if here != there:
                    raise BadInput(
                        manifest.folder,
                        f"{key} {value!r} in {' and '.join(sorted(there))}, as in {other.folder}",
                        f"it in {' and '.join(sorted(here))}",
                        "merge with --no-splits and divide the whole: masksmith split OUT --by subject,floor",
                    )


def _unique_ids(manifests: Sequence[Manifest], prefixes: Sequence[str]) -> None:
    parts = []
    for manifest, before in zip(manifests, prefixes, strict=True):
        column = manifest.table(["id"]).column("id").combine_chunks()
        parts.append((manifest, pc.binary_join_element_wise(before, column.cast(pa.string()), "")))
    ids = pa.chunked_array([part for _, part in parts if len(part)], pa.string())
    twice = [row["values"] for row in ids.value_counts().to_pylist() if row["counts"] > 1]
    if twice:
        shown = ", ".join(twice[:5]) + (f" and {len(twice) - 5} more" if len(twice) > 5 else "")
        where = next(manifest for manifest, part in reversed(parts) if pc.is_in(pa.array(twice[:1]), part)[0].as_py())
        fix = "remove the doubles from it" if any(prefixes) else "give --prefix to put the dataset's name in front"
        raise BadInput(where.folder / RECORDS, "ids that no other record has", f"{shown} twice", fix)
