"""The documents' own figures, which stand beside ours; a figure's name is that of ``evaluate --json`` where it has one.

P: Pirshutuk 2023, portraits on a CPU. F: Demborg 2018, feet on a phone. R: a diploma on ResNeXt-50 for silhouettes.
C: CE-PeopleSeg (Jiang et al.). N: Fast-FaceNet.
"""

from __future__ import annotations

from typing import Any

SOURCES = {
    "P": "Pirshutuk 2023, portrait segmentation on a CPU with the previous frame's mask",
    "F": "Demborg 2018, real-time segmentation of feet on a smartphone",
    "R": "a diploma on ResNeXt-50 as an encoder for human silhouettes",
    "C": "CE-PeopleSeg (Jiang et al.), video conferencing on a tenth of a processor",
    "N": "Fast-FaceNet, MobileNet with a triplet loss",
}

# IoU on EG1800 and on EasyPortrait v1 in percent; frames a second with TFLite on one thread, and as WASM in a browser
PORTRAIT: dict[str, dict[str, Any]] = {
    "portrait_lcnet": {"params_m": 0.138, "mflops": 91, "eg1800": 96.31, "easyportrait": 96.88, "fps": 475, "web": 167},
    "portrait_lcnet_noprior": {
        "params_m": 0.138,
        "mflops": 91,
        "eg1800": 96.15,
        "easyportrait": 96.87,
        "fps": 475,
        "web": 167,
    },
    "portrait_mnv3": {"params_m": 0.205, "mflops": 81, "eg1800": 96.10, "easyportrait": 96.52, "fps": 341, "web": 157},
    "portrait_mnv2": {"params_m": 0.102, "mflops": 93, "eg1800": 96.03, "easyportrait": 96.64, "fps": 330, "web": 152},
    "portrait_effb0": {
        "params_m": 0.102,
        "mflops": 334,
        "eg1800": 96.47,
        "easyportrait": 97.56,
        "fps": 111,
        "web": 35,
    },
    "portraitnet": {"params_m": 2.080, "mflops": 325, "eg1800": 95.99},
    "sinet": {"params_m": 0.087, "mflops": 64, "eg1800": 94.81, "fps": 175, "web": 68},
}

FEET_SET = {"train": 43_896, "val": 12_960, "test": 14_168}

# synthetic and real test: mA / mIoU / mDice
FEET: dict[str, dict[str, Any]] = {
    "teacher": {
        "gflops": 55.37,
        "ms": 4439,
        "mb": 85,
        "feet": (0.9925, 0.9842, 0.9914),
        "real": (0.9742, 0.9486, 0.9722),
    },
    "enet": {
        "gflops": 1.11,
        "ms": 366,
        "mb": 1.8,
        "feet": (0.9877, 0.9738, 0.9858),
        "real": (0.9609, 0.9250, 0.9587),
    },
    "linknet": {
        "gflops": 1.75,
        "ms": 234,
        "mb": 45,
        "feet": (0.9847, 0.9677, 0.9821),
        "real": (0.9764, 0.9535, 0.9750),
    },
    "mobileseg": {
        "gflops": 2.68,
        "ms": 555,
        "mb": 18,
        "feet": (0.9883, 0.9751, 0.9866),
        "real": (0.9778, 0.9552, 0.9764),
    },
    "fastlinknet": {
        "gflops": 0.287,
        "ms": 73,
        "mb": 7.2,
        "feet": (0.9689, 0.9357, 0.9641),
        "real": (0.9670, 0.9348, 0.9652),
    },
}

# IoU of people in CamVid and on EG1800 (which it calls APSIS); milliseconds on an RTX 2080 Ti; the encoder's parameters
SILHOUETTES: dict[str, dict[str, Any]] = {
    "unet_resnext50": {"camvid": 0.4338, "eg1800": "> 0.96", "ms": 17.3, "encoder_m": 22},
    "unet_resnet152": {"camvid": 0.4115, "eg1800": "> 0.96", "ms": 30.8, "encoder_m": 60},
    "unet_effb0": {"camvid": 0.4008, "eg1800": "> 0.96", "ms": 19.5, "encoder_m": 4},
}

# by the share of channels taken
PRUNED: dict[int, dict[str, Any]] = {
    0: {"params_m": 2.25, "mflops": 360, "fps": 6.24, "miou": 88.8},
    30: {"params_m": 1.25, "mflops": 318, "fps": 6.53, "miou": 87.9},
    50: {"params_m": 0.88, "mflops": 289, "fps": 8.80, "miou": 83.9},
    70: {"params_m": 0.59, "mflops": 154, "fps": 9.23, "miou": 76.7},
}
DEEPLAB: dict[str, Any] = {"params_m": 4.87, "mflops": 498, "fps": 3.15, "miou": 87.4}
# by the base size
SWEEP: dict[int, dict[str, Any]] = {
    320: {"mflops": 1251, "fps": 1.37, "miou": 92.2},
    160: {"mflops": 360, "fps": 6.24, "miou": 88.8},
    64: {"mflops": 80, "fps": 12.27, "miou": 79.6},
    32: {"mflops": 25, "fps": 11.07, "miou": 72.1},
}
SKIPPING: dict[str, float] = {"alpha": 80, "fps": 32.40}
THETA = {0.75: "0.9 points below theta 1", 1.0: "(its table is missing in the copy we read)"}
