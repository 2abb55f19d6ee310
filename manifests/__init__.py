"""What a dataset is: records, manifests, splits that keep groups apart, and the proof of it."""

from manifests.manifest import Info, Manifest, ManifestWriter
from manifests.record import IGNORE, SCHEMA, Record

__all__ = ["IGNORE", "SCHEMA", "Info", "Manifest", "ManifestWriter", "Record"]
