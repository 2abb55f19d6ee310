"""How each line of README.md, and of the guides' blocks without a prompt, is tried: small, or its options alone.

A line that stands in no row makes a test fail: whoever adds one says here how it is run.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from manifests import Manifest, Record
from masksmith import cli, files, images
from masksmith.video import write_video
from tests.datagen.shapes import left_foot, write_ply
from tests.loaders import layouts

SIZE = 48
_TRIAL = "--set size=32 --set batch=2 --set threads=1"
_QUICK = f"{_TRIAL} --set epochs=1 --set steps_per_epoch=1"


@dataclass(frozen=True)
class Row:
    """How a line is tried.

    Attributes:
        run: what is typed in its place; None for the line as it stands.
        before: brings what the line needs into the folder it runs in.
        code: how it ends.
        why: why only its options are looked at; None where it is run.
        slow: run with the slow tests alone; its options are looked at always.
    """

    run: str | None = None
    before: Callable[[], None] | None = None
    code: int = 0
    why: str | None = None
    slow: bool = False


def workshop() -> None:
    """What README.md takes for given, in the current folder: scans, floors, photos, masks, clips, a film."""
    Path("scans").mkdir()
    vertices, faces = left_foot()
    for k, subject in enumerate(("anna", "ben", "cleo")):
        write_ply(Path(f"scans/{subject}_left.ply"), vertices * (1000 + 30 * k), faces)
    for k in range(3):
        grain = np.random.default_rng(k).integers(40, 220, (30, 30, 3), dtype=np.uint8)
        files.write_bytes(
            Path(f"floors/floor{k}.jpg"), images.encode_jpeg(cv2.resize(grain, (300, 300))), durable=False
        )
    _people(Path("photos"))
    layouts.camvid(Path("downloads/camvid/CamVid"))
    for k in range(20):
        truth = _disc(20 + k, 24)
        layouts.marks(Path(f"truth/{k:04d}.png"), truth)
        layouts.marks(Path(f"predictions/{k:04d}.png"), np.roll(truth, k % 2, axis=0))
        layouts.marks(Path(f"alpha/{k:04d}.png"), cv2.GaussianBlur(truth, (0, 0), 2))
    films = {"truth.mp4": 0, "predicted.mp4": 1, "talk.mp4": 0}
    for name, off in films.items():
        write_video(name, (np.repeat(_disc(20 + k + off, 24)[..., None], 3, 2) for k in range(6)), crf=1)


def _people(root: Path) -> None:
    chance = np.random.default_rng(0)
    for k in range(24):
        name = f"{'abcdefgh'[k % 8]}{k % 8}_{k // 8}"
        image = cv2.resize(chance.integers(0, 256, (9, 12, 3), dtype=np.uint8), (64, SIZE))
        mask = _disc(20 + k, 24)
        image[mask > 0] = (200, 160, 20 * (k % 8))
        files.write_bytes(root / f"images/{name}.jpg", images.encode_jpeg(image), durable=False)
        layouts.marks(root / f"masks/{name}.png", mask)


def _disc(x: int, y: int) -> np.ndarray:
    mask = np.zeros((SIZE, 64), np.uint8)
    cv2.circle(mask, (x, y), 12, 255, -1)
    return mask


def _typed(*words: str) -> None:
    cli.main([*words])


def _lists() -> None:
    names = [record.id for record in Manifest.open("people").records()]
    Path("paper_train.txt").write_text("\n".join(names[:12]) + "\n")
    Path("paper_test.txt").write_text("\n".join(names[12:]) + "\n")


def _two_lists() -> None:
    Path("train.txt").write_text("a/1.jpg\na/2.jpg\n")
    Path("test.txt").write_text("b/3.jpg\n")


def _moving_masks() -> None:
    shutil.copytree("moving/masks", "predicted")


def _soft_masks() -> None:
    shutil.rmtree("predicted")
    shutil.copytree("alpha", "predicted")


def _by_id() -> None:
    """Predictions of the records of the test split of feet."""
    shutil.copytree("predictions", "frames-predicted")
    shutil.rmtree("predictions")
    for record in _of("feet", "test"):
        assert record.mask is not None
        layouts.marks(Path(f"predictions/{record.id}.png"), images.read_mask(Path("feet") / record.mask))


def _by_frame() -> None:
    shutil.rmtree("predictions")
    Path("frames-predicted").rename("predictions")


def _of(data: str, split: str) -> list[Record]:
    return [record for record in Manifest.open(data).records() if record.split == split]


def _two_reports() -> None:
    for name in ("report-a", "report-b"):
        _typed("evaluate", "--model", "run", "--data", "feet", "--split", "all", "--out", name)


def _a_run() -> None:
    """The run that later lines use, trained for a moment on what the lines before made."""
    if not Path("run").exists():
        line = f"train --preset demborg2018 --model portrait_lcnet_noprior --data feet --out run {_QUICK}"
        _typed(*line.split())


def _a_small_run() -> None:
    _typed("split", "people", "--by", "subject")
    line = f"train --preset cepeopleseg2021 --data people --out people-run {_QUICK} --set start=random"
    _typed(*line.split())


def _in(line: str) -> str:
    """A line of training with its time budget given way to one step."""
    return re.sub("--minutes [0-9]+", _QUICK, line)


_SETUP = "sets up an environment: the Makefile's own checks are `make quickstart` and `make test`"
_DOWNLOAD = "needs a download"
_RIG = "needs the photos of a scanner's rig"
_TRAIN = "masksmith train --preset demborg2018 --data feet --minutes 20 --out run"
_PHOTOS = (
    "masksmith train --preset demborg2018 --model linknet_efflite0 --start imagenet --data feet "
    "--minutes 50 --out photos"
)
_DISTILL = (
    "masksmith distill --teacher photos --preset demborg2018 --model fastlinknet --data feet --minutes 20 --out student"
)
_TUNE = "masksmith tune --preset demborg2018 --data feet --trials 100 --steps 500 --teacher photos --out search"
_PRUNE = "masksmith prune people-run --ratio 0.3 --data people --minutes 20 --out smaller"
_ABLATE = "masksmith ablate --data feet --clips moving --minutes 20 --out ablation"
_PEOPLE = (
    "masksmith prepare folders --from photos --to people --class-name person --subject-regex '(?P<subject>[^/_]+)_'"
)

LINES: dict[str, Row] = {
    "make quickstart": Row(why=_SETUP),
    "make test": Row(why=_SETUP),
    # generate
    "masksmith scans check scans": Row(),
    "masksmith scans prepare scans --out ready": Row(),
    "masksmith generate --scans ready --floors floors --out feet --count 10000 --seed 1 --varied": Row(
        "masksmith generate --scans ready --floors floors --out feet --count 12 --seed 1 --varied --views 1 --size 64"
    ),
    "masksmith show feet --out sheet.html": Row(),
    "masksmith stats feet": Row(),
    "masksmith augment feet --out more --preset demborg2018 --times 3 --split train": Row(),
    "masksmith clips --scans scans --floors floors --out moving --count 40 --frames 48 --seed 1 --mp4": Row(
        "masksmith clips --scans scans --floors floors --out moving --count 3 --frames 3 --seed 1 --mp4 --size 48"
    ),
    "masksmith jitter predicted moving/masks --motion moving/motion": Row(before=_moving_masks),
    # prepare
    "masksmith fetch camvid --to downloads": Row(why=_DOWNLOAD),
    "masksmith prepare camvid --from downloads --to drives --classes person": Row(),
    _PEOPLE: Row(),
    "masksmith split people --by subject --shares train=0.7,val=0.15,test=0.15": Row(),
    "masksmith audit people": Row(),
    "masksmith manifest verify people": Row(),
    "masksmith convert people --to coco --out people-coco": Row(),
    "masksmith split people --by subject --stratify area,brightness,source": Row(),
    "masksmith split people --by subject --folds 5 --out folds": Row(),
    "masksmith split people --like train=paper_train.txt --like test=paper_test.txt": Row(before=_lists),
    "masksmith audit people --near-duplicates --html leaks.html": Row(
        "masksmith audit people --near-duplicates --no-crops --html leaks.html"
    ),
    "masksmith audit people --near-duplicates --fix --dry-run": Row(
        "masksmith audit people --near-duplicates --no-crops --fix --dry-run"
    ),
    "masksmith audit --lists train.txt test.txt": Row(before=_two_lists),
    # evaluate
    "masksmith evaluate predictions truth --out report": Row(),
    "masksmith evaluate --model run --data feet --split test --out report --fail-under miou_image=0.9": Row(
        "masksmith evaluate --model run --data feet --split test --out other-report --fail-under miou_image=0",
        before=_a_run,
    ),
    "masksmith evaluate predictions --data feet --split test": Row(before=_by_id),
    "masksmith evaluate predicted.mp4 truth.mp4": Row(),
    "masksmith report old=report-a new=report-b --slice floor --markdown table.md --figures paper": Row(
        before=_two_reports
    ),
    "masksmith jitter predictions truth": Row(before=_by_frame),
    "masksmith mattes predicted alpha": Row(before=_soft_masks),
    # train
    "masksmith models": Row(slow=True),
    "masksmith priors feet --preview priors.png": Row("masksmith priors feet --preview priors.png --size 64"),
    "masksmith priors feet --out feet-priors --model run": Row(
        "masksmith priors feet --out feet-priors --model run --size 32"
    ),
    _TRAIN: Row(_in(_TRAIN).replace("--out run", "--out feet-run")),
    _PHOTOS: Row(_in(_PHOTOS)),
    _DISTILL: Row(_in(_DISTILL)),
    _TUNE: Row(
        "masksmith tune --preset demborg2018 --data feet --trials 1 --steps 1 --validations 1 --teacher photos "
        f"--out search {_TRIAL}",
        slow=True,
    ),
    _PRUNE: Row(_in(_PRUNE), before=_a_small_run, slow=True),
    _ABLATE: Row(
        "masksmith ablate --data feet --clips moving --steps 1 --validations 1 --rows none,empty --out ablation "
        f"{_TRIAL}",
        slow=True,
    ),
    # use
    "masksmith predict run talk.mp4 --background blur --out talk-blurred.mp4": Row(),
    "masksmith export run --to onnx --data feet": Row(
        "masksmith export run --to onnx --data feet --samples 2 --latency 0 --out person.onnx"
    ),
    "masksmith bench speed run selfie_segmentation.tflite --runs 1000": Row(
        "masksmith bench speed run person.onnx --runs 2 --warm-up 0 --no-memory --runtimes onnxruntime", slow=True
    ),
    "masksmith bench pipeline talk.mp4 run --at 480x854": Row(
        "masksmith bench pipeline talk.mp4 person.onnx --at 96x128 --frames 4", slow=True
    ),
    "masksmith export run --for web --out person.tflite": Row(
        why="needs the converter's environment of its own (`make tflite-env`)"
    ),
    "masksmith demo --fetch": Row(why="needs npm and a network"),
    "masksmith demo person.tflite": Row(why="serves until it is stopped; tests of the page open it in Chromium"),
    "masksmith bench web person.tflite": Row(why="needs a browser and the runtime of `masksmith demo --fetch`"),
    # guides: public data
    "masksmith prepare eg1800 --from downloads/eg1800 --to portraits": Row(why=_DOWNLOAD),
    "masksmith fetch eg1800 --to downloads --from alldata_urls.txt": Row(why=_DOWNLOAD),
    "masksmith split portraits --leave-out split=test --by photo --shares train=0.9,val=0.1": Row(why=_DOWNLOAD),
    "masksmith audit portraits --near-duplicates --html leaks.html": Row(why=_DOWNLOAD),
    "masksmith fetch dtd --to downloads": Row(why=_DOWNLOAD),
    "masksmith generate --preset demborg2018 --scans rig-feet --floors floors --out demborg": Row(why=_RIG),
    "masksmith scans photos rig --out rig-feet": Row(why=_RIG),
    "masksmith evaluate --model run --data drives --split test --out report": Row(why=_DOWNLOAD),
    "masksmith jitter predicted/dance-twirl DAVIS/Annotations/480p/dance-twirl "
    "--frames DAVIS/JPEGImages/480p/dance-twirl": Row(why=_DOWNLOAD),
}
