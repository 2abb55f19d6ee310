"""Judging masks: counts first, then figures, intervals and a report."""

from evaluation.counts import Counts, CountsBuilder, count_image
from evaluation.evaluator import Evaluator
from evaluation.intervals import Intervals, bootstrap
from evaluation.region import Region, reduce
from evaluation.temporal import ClipJudge

__all__ = [
    "ClipJudge",
    "Counts",
    "CountsBuilder",
    "Evaluator",
    "Intervals",
    "Region",
    "bootstrap",
    "count_image",
    "reduce",
]
