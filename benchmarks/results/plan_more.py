"""The steps of tables F, R, C and N."""

from __future__ import annotations

from collections.abc import Iterable

from .choices import (
    CLIPS,
    DISTILLED,
    DRIVER,
    FEET,
    LARGE,
    RATIOS,
    SETS,
    SIZES,
    STREETS,
    UNETS,
    WHOLE,
    WIDTHS,
    evaluation,
    network_of,
)
from .step import DATA, Step


def feet() -> Iterable[Step]:
    """Table F: five networks, distillation, the search, speed."""
    settings = {
        "fastlinknet": (23, ""),
        "linknet128": (12, "--set size=128 "),
        "enet128": (12, "--set size=128 "),
        "mobileseg128": (12, "--set size=128 --set lr=0.002642 --set dropout=0.2852 --set loss=ce "),
        "teacher128": (
            12,
            "--set size=128 --set lr=0.002 --set batch=8 --set steps_per_epoch=25 --set epochs=12 ",
        ),
    }
    for run, (minutes, changes) in settings.items():
        yield Step(
            f"train/{run}",
            "F",
            f"masksmith train --preset demborg2018 --model {network_of(run)} --data feet {changes}--minutes {minutes} "
            f"--seed 1 --out runs/{run} --json",
            minutes,
            needs=("feet",),
            sets=("feet",),
            makes=(f"runs/{run}/best.safetensors",),
            run=f"runs/{run}",
        )
    yield Step(
        f"train/{LARGE}",
        "F",
        "masksmith train --preset demborg2018 --model fastlinknet --data whole --minutes 23 --set val_records=750 "
        f"--seed 1 --out runs/{LARGE} --json",
        23,
        needs=(WHOLE,),
        sets=("whole",),
        makes=(f"runs/{LARGE}/best.safetensors",),
        run=f"runs/{LARGE}",
    )
    yield evaluation(f"runs/{LARGE}", f"eval/{LARGE}-whole", "whole", "test", "F", (f"train/{LARGE}",))
    needs = (f"train/{LARGE}", SETS["realfeet"])
    yield evaluation(f"runs/{LARGE}", f"eval/{LARGE}-real", "realfeet", "all", "F", needs)
    common = "--preset demborg2018 --model fastlinknet --data feet --set size=128 --set epochs=8 --seed 1"
    first = "--teacher runs/linknet128 --temperature 3 --lambda 1"
    second = "--teacher runs/mobileseg128 --temperature 2 --lambda 0.5"
    for run, words, minutes, needs in (
        ("fastlinknet128", "train", 3, ()),
        ("distilled128", f"distill {first}", 5, ("train/linknet128",)),
        ("distilled128m", f"distill {second}", 3, ("train/mobileseg128",)),
    ):
        yield Step(
            f"train/{run}",
            "F",
            f"masksmith {words} {common} --out runs/{run} --json",
            minutes,
            needs=("feet", *needs),
            sets=("feet",),
            makes=(f"runs/{run}/best.safetensors",),
            run=f"runs/{run}",
        )
    for run in (*FEET, *DISTILLED):
        yield evaluation(f"runs/{run}", f"eval/{run}-feet", "feet", "test", "F", (f"train/{run}",))
        yield evaluation(f"runs/{run}", f"eval/{run}-real", "realfeet", "all", "F", (f"train/{run}", SETS["realfeet"]))
    yield Step(
        "search",
        "F",
        "masksmith tune --preset demborg2018 --data feet --trials 20 --steps 25 --validations 3 --set size=128 "
        "--set val_records=100 --teacher runs/mobileseg128 --seed 1 --out search --json",
        4,
        needs=("feet", "train/mobileseg128"),
        sets=("feet",),
        makes=("search/search.json",),
    )
    models = " ".join(f"random:{network_of(run)}" for run in FEET)
    yield Step(
        "speed/feet",
        "F",
        f"masksmith bench speed {models} --runs 100 --runtimes openvino --no-memory --json",
        3,
    )
    runs = " ".join(f"runs/{run}" for run in FEET)
    yield Step(
        "speed/feet-runs",
        "F",
        f"masksmith bench speed {runs} --runs 200 --runtimes openvino --no-memory --json",
        3,
        needs=tuple(f"train/{run}" for run in FEET),
    )


def silhouettes() -> Iterable[Step]:
    """Table R: U-Nets on CamVid by its own split and by drive, and on eight pairs of EG1800."""
    streets = f"{DATA}/camvid"
    yield Step(
        "camvid",
        "R",
        f"masksmith prepare camvid --from {streets} --to camvid --classes person --json",
        1,
        files=(streets,),
        sets=("camvid",),
        makes=("camvid",),
    )
    yield Step(
        "camvid/audit",
        "R",
        "masksmith audit camvid --by drive --json",
        0.1,
        needs=("camvid",),
        sets=("camvid",),
        ends=(0, 1),
    )
    yield Step(
        "camvid-drives",
        "R",
        "masksmith split camvid --by drive --seed 1 --out camvid-drives --json",
        0.1,
        needs=("camvid",),
        sets=("camvid-drives",),
        makes=("camvid-drives",),
    )
    for model in UNETS:
        for name in (*STREETS, "vikram"):
            run = f"runs/{model}-{name}"
            yield Step(
                f"train/{model}-{name}",
                "R",
                f"masksmith train --preset resnext2021 --model {model} --data {name} --start random --set size=128 "
                f"--set batch=8 --set lr=0.001 --set steps_per_epoch=25 "
                f"{'--allow-leaks ' if name == 'camvid' else ''}--minutes 5 --seed 1 --out {run} --json",
                5,
                needs=(SETS.get(name, name),),
                sets=(name,),
                makes=(f"{run}/best.safetensors",),
                run=run,
            )
            at, needs = f"eval/{model}-{name}", (f"train/{model}-{name}",)
            if name == "vikram":
                yield evaluation(run, f"eval/{model}-eg8", "eg8", "all", "R", (*needs, "eg8"))
            else:
                yield evaluation(run, at, name, "test", "R", needs)
    models = " ".join(f"random:{model}" for model in UNETS)
    yield Step(
        "speed/unets",
        "R",
        f"masksmith bench speed {models} --runs 10 --warm-up 2 --runtimes openvino --no-memory --json",
        3,
    )


def calls() -> Iterable[Step]:
    """Table C: pruning, resolutions, frame skipping."""
    yield Step(
        "train/sparse",
        "C",
        "masksmith train --preset cepeopleseg2021 --data vikram --minutes 13 --set start=random --set optimiser=adam "
        "--set lr=0.002 --set steps_per_epoch=60 --set sparsity=1e-4 --seed 1 --cache cache-vikram --out runs/sparse "
        "--json",
        13,
        needs=("vikram/audit",),
        sets=("vikram",),
        makes=("runs/sparse/best.safetensors",),
        run="runs/sparse",
    )
    yield evaluation("runs/sparse", "eval/sparse", "vikram", "test", "C", ("train/sparse",))
    for ratio in RATIOS:
        run, share = f"pruned{ratio:02d}", f"0.{ratio}" if ratio else "0"
        yield Step(
            f"prune/{run}",
            "C",
            f"masksmith prune runs/sparse --ratio {share} --data vikram --minutes 4 --out runs/{run} --json",
            4,
            needs=("train/sparse",),
            sets=("vikram",),
            makes=(f"runs/{run}/best.safetensors",),
        )
        yield evaluation(f"runs/{run}", f"eval/{run}", "vikram", "test", "C", (f"prune/{run}",))
    runs = " ".join(f"runs/pruned{ratio:02d}" for ratio in RATIOS)
    yield Step(
        "speed/people",
        "C",
        f"masksmith bench speed runs/sparse {runs} random:peopleseg_deeplab --cpu-quota 10 --runs 100 --warm-up 5 "
        "--runtimes openvino --no-memory --json",
        2,
        needs=tuple(f"prune/pruned{ratio:02d}" for ratio in RATIOS),
    )
    yield Step(
        "speed/sizes",
        "C",
        f"masksmith bench speed runs/sparse --sizes {','.join(map(str, SIZES))} --cpu-quota 10 --runs 100 --warm-up 5 "
        "--runtimes openvino --no-memory --json",
        2,
        needs=("train/sparse",),
    )
    photos = f"{DATA}/portraits/vikram/images"
    for size in SIZES:
        file = f"people{size}.onnx"
        yield Step(
            f"export/{size}",
            "C",
            f"masksmith export runs/sparse --size {size}x{size} --to onnx --latency 0 --out {file} --json",
            0.2,
            needs=("train/sparse",),
            makes=(file,),
        )
        yield Step(
            f"predict/{size}",
            "C",
            f"masksmith predict {file} {photos} --out predicted/{size} --no-sharp --json",
            1,
            needs=(f"export/{size}",),
            files=(photos,),
            makes=(f"predicted/{size}",),
        )
        yield Step(
            f"eval/people-{size}",
            "C",
            f"masksmith evaluate predicted/{size}/masks --data vikram --split test --common --json",
            0.2,
            needs=(f"predict/{size}",),
            sets=("vikram",),
        )
    for name, clip in CLIPS.items():
        frames, truth = (f"davis/{kind}/480p/{clip}" for kind in ("JPEGImages", "Annotations"))
        yield Step(
            f"predict/{name}",
            "C",
            f"masksmith predict runs/sparse {frames} --clip --no-prior --out predicted/{name} --json",
            0.5,
            needs=("train/sparse", "davis"),
            makes=(f"predicted/{name}",),
        )
        yield Step(
            f"skipping/{name}",
            "C",
            f"masksmith jitter predicted/{name}/masks {truth} --frames {frames} --skip-curve 0,50,80,95 --json",
            1,
            needs=(f"predict/{name}",),
        )
    for alpha in (0, 80):
        skip = f"--skip {alpha} " if alpha else ""
        yield Step(
            f"pipeline/{alpha}",
            "C",
            f"masksmith bench pipeline {DATA}/video/clips/d10.mp4 runs/sparse --cpu-quota 10 {skip}--loop --frames 300 "
            "--upsample bilinear --json",
            2,
            needs=("train/sparse",),
            files=(f"{DATA}/video/clips",),
        )


def faces() -> Iterable[Step]:
    """Table N: width multipliers of the face network."""
    faces = f"{DATA}/faces/att_orl"
    yield Step("orl", "N", f"{DRIVER}.inputs faces {faces} orl", 0.1, files=(faces,), makes=("orl",))
    for width in WIDTHS:
        run = f"face{round(100 * width)}"
        yield Step(
            f"train/{run}",
            "N",
            f"masksmith identity train --preset fastfacenet2021 --data orl/train --set width={width} --set size=112x96 "
            "--set crop=none --set optimiser=adamw --set lr=0.002 --set warmup=60 --set steps=80 --set threads=1 "
            f"--seed 1 --out runs/{run} --json",
            0.5,
            needs=("orl",),
            makes=(f"runs/{run}",),
        )
        yield Step(
            f"verify/{run}",
            "N",
            f"masksmith identity verify --weights runs/{run} --photos orl/test --pairs orl/pairs.txt --json",
            0.3,
            needs=(f"train/{run}",),
        )
    runs = " ".join(f"runs/face{round(100 * width)}" for width in WIDTHS)
    yield Step(
        "speed/faces",
        "N",
        f"{DRIVER}.faces {runs} --json",
        0.5,
        needs=tuple(f"train/face{round(100 * width)}" for width in WIDTHS),
    )
