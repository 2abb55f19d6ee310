"""Judging masks: counts first, then figures, intervals and a report."""

from evaluation.boundary import boundary_f, boundary_iou
from evaluation.counts import Counts, CountsBuilder, count_image
from evaluation.evaluator import Evaluator
from evaluation.intervals import Intervals, bootstrap
from evaluation.metric import SegmentationMetric
from evaluation.region import Region, reduce
from evaluation.surface import hausdorff95, surface_dice
from evaluation.temporal import ClipJudge

__all__ = [
    "ClipJudge",
    "Counts",
    "CountsBuilder",
    "Evaluator",
    "Intervals",
    "Region",
    "SegmentationMetric",
    "bootstrap",
    "boundary_f",
    "boundary_iou",
    "count_image",
    "hausdorff95",
    "reduce",
    "surface_dice",
]
