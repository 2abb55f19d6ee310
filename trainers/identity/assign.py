"""Clusters become the subjects of a dataset that has none, marked as estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from manifests import Info, Manifest, ManifestWriter
from manifests.places import new_folder, tables_from
from manifests.record import from_table
from masksmith import files, receipts
from masksmith.errors import BadInput

NOTE = "subjects estimated by clustering faces"


def write_subjects(
    manifest: Manifest,
    names: Mapping[str, str],
    *,
    threshold: float,
    error: float | None,
    weights: str,
    out: Path | None = None,
) -> tuple[Path, int]:
    """Write the dataset again with the subjects of some records, in place or into another folder.

    A record whose subject is known keeps it. One that gets a subject says so in ``extra``: ``subject_estimated`` is
    true and ``subject_error`` is the share of pairs that the clustering is expected to get wrong (None = not known).
    A split proof is dropped: it says nothing about the new subjects.

    Args:
        names: id -> subject.
        threshold, error, weights: told in the dataset's sources.
        out: None = in place.

    Returns:
        The folder, and how many records got a subject.

    Raises:
        BadInput: no record would get one.
        UsageProblem: the other folder holds a dataset.
    """
    here = manifest.folder
    wanted = [row for row in manifest.table(["id", "subject"]).to_pylist() if row["id"] in names and not row["subject"]]
    if not wanted:
        raise BadInput(here, "records with a face and without a subject", "none", "nothing to do")
    folder = here if out is None or out.resolve() == here.resolve() else new_folder(out)
    told: dict[str, Any] = {"name": NOTE, "sha256": weights, "threshold": threshold, "expected_pair_error": error}
    kept = tuple(source for source in manifest.info.sources if source.get("name") != NOTE)
    info: Info = replace(manifest.info, sources=(*kept, told), split_proof=None)
    count = 0
    with files.sole_writer(folder / receipts.FOLDER), ManifestWriter(folder, info) as writer:
        for _, table in tables_from(manifest, folder):
            for record in from_table(table):
                name = names.get(record.id)
                if name is not None and not record.subject:
                    extra = {**record.extra, "subject_estimated": True, "subject_error": error}
                    record = replace(record, subject=name, extra=extra)
                    count += 1
                writer.add(record)
    return folder, count
