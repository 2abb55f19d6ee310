"""What the steps of the plan have in common: networks, sizes and names, and how a network is judged."""

from __future__ import annotations

from .step import OWN, Step

EG1800, EASYPORTRAIT = OWN
FEET = ("fastlinknet", "enet128", "linknet128", "mobileseg128", "teacher128")
"""Runs on feet, one a network; but for the first, whose training has the document's size, at 128 x 128."""
DISTILLED = ("fastlinknet128", "distilled128", "distilled128m")
"""The same network without a teacher and with each of two, at equal steps."""
PORTRAITS = (
    "portrait_lcnet",
    "portrait_lcnet_noprior",
    "portrait_mnv3",
    "portrait_mnv2",
    "portrait_effb0",
    "portrait_efflite0",
)
PEERS = {
    "selfie_segmentation.tflite": "MediaPipe selfie, 256 x 256",
    "selfie_segmentation_landscape.tflite": "MediaPipe selfie, landscape",
    "segm_full_v679.tflite": "Meet segm_full",
    "anil_prisma-net.tflite": "prisma-net",
}
"""Published networks for people, as their files are called, and what they are."""
LONGER = PORTRAITS[2:5]
"""Variants that the time set aside has no room for."""
UNETS = ("unet_resnext50", "unet_resnet152", "unet_effb0")
STREETS = ("camvid", "camvid-drives")
RATIOS = (0, 30, 50, 70)
"""Percent of the channels taken; 0 is trained on for as long as the others."""
SIZES = (320, 160, 64, 32)
CLIPS = {"talking": "greenscreen", "dance": "dance-twirl"}
"""Name of a clip in the steps -> its folder among the clips."""
WIDTHS = (0.25, 0.5, 0.75, 1.0)
WHOLE = "whole"
"""The set of document F at its whole size."""
LARGE = "fastlinknet-whole"
"""The run on that set."""
LANES = 2
"""Steps that go on beside each other on the two cores that the plan is made for."""
TABLES = ("sets", "P", "F", "R", "C", "N", "scale")
DRIVER = "python -m benchmarks.results"
SETS = {"vikram": "vikram/audit", "eg8": "eg8", "feet": "feet", "realfeet": "realfeet/prepare"}
"""Folder of a dataset -> the step after which it is ready."""


def network_of(run: str) -> str:
    """The network of a run on feet: ``enet`` of ``enet128``."""
    return "fastlinknet" if run in (*DISTILLED, LARGE) else run.removesuffix("128")


def peer_step(name: str) -> str:
    """The step that judges a peer's file on the portraits at hand."""
    return f"eval/peer-{name.partition('.')[0]}"


def evaluation(
    run: str, at: str, data: str, split: str, table: str, needs: tuple[str, ...], takes: str = "", beyond: bool = False
) -> Step:
    """The step that judges a run on a split of a dataset."""
    return Step(
        at,
        table,
        f"masksmith evaluate --model {run} --data {data} --split {split} --boundary --out {at} --json",
        1.5,
        needs=needs,
        sets=(data,),
        makes=(f"{at}/counts.parquet",),
        takes=takes,
        beyond=beyond,
    )
