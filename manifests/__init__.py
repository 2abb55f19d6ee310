"""What a dataset is: records, manifests, splits that keep groups apart, and the proof of it."""

from manifests.manifest import Info, Manifest, ManifestWriter
from manifests.proof import check_proof, make_proof
from manifests.record import IGNORE, SCHEMA, Record
from manifests.splits import assign_values, split_table

__all__ = [
    "IGNORE",
    "SCHEMA",
    "Info",
    "Manifest",
    "ManifestWriter",
    "Record",
    "assign_values",
    "check_proof",
    "make_proof",
    "split_table",
]
