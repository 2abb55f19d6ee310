"""The plan: every command behind the tables, in the order they are run, each from inside one work folder.

Lengths are those that two cores bear: the trainings of all tables take less than three hours of them, one thread a
training, and say so in their own options. What takes longer, or a dataset that is not there, is a step all the same:
its row says what it would take.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .choices import DRIVER, EASYPORTRAIT, EG1800, LONGER, PEERS, PORTRAITS, SETS, WHOLE, evaluation, peer_step
from .plan_more import calls, faces, feet, silhouettes
from .step import DATA, Step


def steps() -> tuple[Step, ...]:
    """All steps, each after those it needs."""
    parts = (_sets(), _portraits(), _own_portraits(), feet(), silhouettes(), calls(), faces(), _scale())
    return tuple(step for part in parts for step in part)


def _sets() -> Iterable[Step]:
    scans, floors = f"{DATA}/feet/scans", f"{DATA}/floors"
    yield Step(
        "feet",
        "sets",
        f"masksmith generate --scans {scans} --floors {floors} --out feet --count 5000 --seed 1 --json",
        4,
        files=(scans, floors),
        sets=("feet",),
        makes=("feet",),
    )
    line = f"masksmith generate --preset demborg2018 --scans {scans} --floors {floors} --out whole --seed 1 --json"
    yield Step(WHOLE, "sets", line, 4, files=(scans, floors), sets=("whole",), makes=("whole",))
    real = f"{DATA}/feet/real"
    yield Step(
        "realfeet",
        "sets",
        f"{DRIVER}.inputs real-feet {real} real-by-subject",
        0.1,
        files=(real,),
        makes=("real-by-subject",),
    )
    yield Step(
        "realfeet/prepare",
        "sets",
        "masksmith prepare folders --from real-by-subject --to realfeet --class-name foot "
        r"--subject-regex '(?P<subject>s\d+)/' --json",
        0.2,
        needs=("realfeet",),
        sets=("realfeet",),
        makes=("realfeet",),
    )
    people = f"{DATA}/portraits/vikram"
    yield Step(
        "vikram/prepare",
        "sets",
        f"masksmith prepare folders --from {people} --to vikram --class-name person --resize-masks --json",
        0.5,
        files=(people,),
        makes=("vikram",),
    )
    yield Step(
        "vikram/split",
        "sets",
        "masksmith split vikram --derive 'photo=([^/]+)$' --by photo --seed 1 --json",
        0.1,
        needs=("vikram/prepare",),
    )
    yield Step(
        "vikram/audit",
        "sets",
        "masksmith audit vikram --near-duplicates --fix --json",
        1,
        needs=("vikram/split",),
        sets=("vikram",),
        ends=(0, 1),
    )
    videos = f"{DATA}/video"
    yield Step("davis", "sets", f"{DRIVER}.inputs clips {videos} davis", 0.1, files=(videos,), makes=("davis",))
    yield Step(
        "moving",
        "sets",
        "masksmith prepare davis-2016 --from davis --to moving --class-name person --json",
        0.5,
        needs=("davis",),
        sets=("moving",),
        makes=("moving",),
    )
    pairs = f"{DATA}/eg1800"
    yield Step(
        "eg8",
        "sets",
        f"masksmith prepare eg1800 --from {pairs} --images sample_pairs --to eg8 --json",
        0.5,
        files=(pairs,),
        sets=("eg8",),
        makes=("eg8",),
    )


def _portraits() -> Iterable[Step]:
    yield Step(
        "prior",
        "P",
        "masksmith ablate --data vikram --clips moving --rows paper,none --steps 1250 --validations 25 --flow dis "
        "--seed 1 --set lr=0.004 --cache cache-vikram --out runs/prior --json",
        43,
        needs=("vikram/audit", "moving"),
        sets=("vikram", "moving"),
        makes=("runs/prior/ablation.json",),
    )
    for row in ("paper", "none"):
        for name, split in (("vikram", "test"), ("eg8", "all")):
            yield evaluation(f"runs/prior/{row}", f"eval/{row}-{name}", name, split, "P", ("prior", SETS[name]))
    yield Step(
        "train/efflite0",
        "P",
        "masksmith train --preset pirshutuk2023 --model portrait_efflite0 --start imagenet --data vikram --minutes 15 "
        "--set steps_per_epoch=25 --set lr=0.002 --seed 1 --cache cache-vikram --out runs/efflite0 --json",
        15,
        needs=("vikram/audit",),
        sets=("vikram",),
        makes=("runs/efflite0/best.safetensors",),
        run="runs/efflite0",
    )
    yield evaluation("runs/efflite0", "eval/portrait_efflite0", "vikram", "test", "P", ("train/efflite0",))
    for model in LONGER:
        yield Step(
            f"train/{model}",
            "P",
            f"masksmith train --preset pirshutuk2023 --model {model} --data vikram --set epochs=25 "
            f"--set steps_per_epoch=50 --set lr=0.004 --seed 1 --cache cache-vikram --out runs/{model} --json",
            60 if model == "portrait_effb0" else 40,
            needs=("vikram/audit",),
            sets=("vikram",),
            makes=(f"runs/{model}/best.safetensors",),
            run=f"runs/{model}",
            beyond=True,
        )
        yield evaluation(f"runs/{model}", f"eval/{model}", "vikram", "test", "P", (f"train/{model}",), beyond=True)
    for name in PEERS:
        file = f"{DATA}/peers/{name}"
        yield replace(evaluation(file, peer_step(name), "vikram", "test", "P", ("vikram/audit",)), files=(file,))
    peers = " ".join(f"{DATA}/peers/{name}" for name in (*PEERS, "anil_SINet_Softmax.onnx"))
    models = " ".join(f"random:{model}" for model in (*PORTRAITS, "portraitnet", "sinet"))
    yield Step(
        "speed/portraits",
        "P",
        f"masksmith bench speed {models} {peers} --runs 1000 --runtimes onnxruntime,openvino,litert --no-memory --json",
        10,
        files=(f"{DATA}/peers",),
    )
    for model in PORTRAITS:
        yield Step(f"web/{model}", "P", f"masksmith bench web random:{model} --runs 1000 --json", 1.5)
    yield Step("models", "P", "masksmith models --json", 0.1)


def _own_portraits() -> Iterable[Step]:
    """Document P's own datasets, for those who have them: folders given as ``--eg1800`` and ``--easyportrait``."""
    sets = {
        "eg1800": (
            EG1800,
            "",
            30,
            "its photos: 1,879 of the 1,887 are behind links, most of them dead; a folder that has them as --eg1800, "
            "and half an hour to an hour of one thread a network",
        ),
        "easyportrait-v1": (
            EASYPORTRAIT,
            "--classes portrait ",
            240,
            "20,000 photos (about 40 GB), fetched under their licence; their folder as --easyportrait, and four to "
            "eight hours of one thread a network",
        ),
    }
    for name, (folder, options, minutes, takes) in sets.items():
        yield Step(
            f"{name}/prepare",
            "P",
            f"masksmith prepare {name} --from {folder} --to {name} {options}--json",
            30,
            files=(folder,),
            sets=(name,),
            makes=(name,),
            takes=takes,
        )
        ready = f"{name}/prepare"
        if name == "eg1800":  # published as train and test, with photos that both of them have
            ready = "eg1800/split"
            line = "masksmith split eg1800 --leave-out split=test --by photo --shares train=0.9,val=0.1 --seed 1 --json"
            needs = ("eg1800/prepare",)
            yield Step(ready, "P", line, 0.1, needs=needs, files=(folder,), sets=(name,), takes=takes)
        for model in PORTRAITS[:5]:
            run = f"runs/{name}-{model}"
            yield Step(
                f"train/{name}-{model}",
                "P",
                f"masksmith train --preset pirshutuk2023 --model {model} --data {name} --seed 1 --out {run} --json",
                minutes,
                needs=(ready,),
                files=(folder,),
                sets=(name,),
                makes=(f"{run}/best.safetensors",),
                run=run,
                takes=takes,
                beyond=True,
            )
            at = f"eval/{name}-{model}"
            yield evaluation(run, at, name, "test", "P", (f"train/{name}-{model}",), takes=takes, beyond=True)


def _scale() -> Iterable[Step]:
    yield Step("scaling", "scale", "python -m benchmarks.scaling --json", 60)
    for name, command in (("audit", "audit"), ("verify", "manifest verify")):
        line = f"masksmith {command} {WHOLE} --json"
        yield Step(f"{WHOLE}/{name}", "scale", line, 1, needs=(WHOLE,), sets=(WHOLE,))
