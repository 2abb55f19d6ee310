"""Making scenes: feet, floors, cameras, light, cutouts, recipes and the pictures composed from them.

Whole datasets are made by :func:`datagen.plan.plan` and :func:`datagen.generate.generate`, single scenes by
:func:`datagen.compose.compose`, clips with exact motion by :func:`datagen.clip_set.make`.
"""

from datagen.floors import FLOOR_KINDS, Floor, list_floors, procedural_floor, read_floor
from datagen.foot import Foot
from datagen.scans import ScanFile, list_scans, read_scan

__all__ = [
    "FLOOR_KINDS",
    "Floor",
    "Foot",
    "ScanFile",
    "list_floors",
    "list_scans",
    "procedural_floor",
    "read_floor",
    "read_scan",
]
