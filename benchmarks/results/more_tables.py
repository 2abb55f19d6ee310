"""Tables R, C and N of the page, from the records."""

from __future__ import annotations

from .cells import NONE, Table, beside, between, number, percent
from .choices import CLIPS, RATIOS, SIZES, STREETS, UNETS, WIDTHS
from .claims import DEEPLAB, PRUNED, SILHOUETTES, SKIPPING, SWEEP, THETA
from .ledger import Records
from .tables import absent, model_size


def silhouettes(records: Records) -> list[Table]:
    """Table R: three encoders on the people of CamVid, and on eight pairs of EG1800."""
    rows: list[tuple[str, ...]] = []
    for model in UNETS:
        said = SILHOUETTES[model]
        cells = []
        for name in (*STREETS, "eg8"):
            at = f"eval/{model}-{name}"
            score = records.figure(at, "iou_fg_dataset" if name in STREETS else "iou_fg_image")
            cells.append(number(score, 4) if score is not None else absent(records, at))
        speed = records.row("speed/unets", model=model)
        rows.append(
            (
                model,
                number(model_size(records, model).get("params", 0) / 1e6 or None, 1),
                number(said["camvid"], 4),
                cells[0],
                cells[1],
                said["eg1800"],
                cells[2],
                beside(number(speed.get("median_ms"), 0), number(said["ms"], 1)),
            )
        )
    counts = {name: records.figure(f"eval/{UNETS[0]}-{name}", "images") for name in (*STREETS, "eg8")}
    told = ", ".join(f"{name} {n}" for name, n in counts.items() if n)
    leaks = records.figure("camvid/audit", "leaks")
    proof = f" `masksmith audit` finds {leaks} leaking records in it." if isinstance(leaks, int) and leaks else ""
    return [
        Table(
            "Table R: three encoders on silhouettes",
            "U-Nets with Dice loss. IoU of people in CamVid over all pixels of the test split (pedestrians, children "
            "and bicyclists as one class). CamVid's official split **leaks by drive**: frames of drive 0001TP are in "
            f"train and test, of 0016E5 in train and val, so its figure flatters.{proof} Beside it the same frames "
            "divided by drive: 0001TP, filmed at dusk, is then the test, and minutes by day teach little of it. "
            "EG1800 (the document's APSIS): eight pairs, a test only, by networks trained on the 220 "
            "portraits; mean over images. Ours begin from random weights at 128 x 128, in batches of 8 at a "
            "learning rate of 0.001, and have five minutes of one thread each; the document begins from ImageNet's at "
            "512 x 512 on a GPU. Milliseconds are ours at 512 x 512, of one thread, and the document's of an RTX "
            "2080 Ti." + (f" Test images: {told}." if told else ""),
            (
                "network",
                "params M (whole)",
                "CamVid said",
                "CamVid official split (leaks)",
                "CamVid by drive",
                "EG1800 said",
                "EG1800, 8 pairs",
                "ms (said)",
            ),
            tuple(rows),
            (
                "camvid",
                "camvid/audit",
                "camvid-drives",
                *(f"train/{model}-{name}" for model in UNETS for name in (*STREETS, "vikram")),
                *(f"eval/{model}-{name}" for model in UNETS for name in (*STREETS, "eg8")),
                "speed/unets",
            ),
        )
    ]


def calls(records: Records) -> list[Table]:
    """Table C: pruning, resolutions, frame skipping, all on a tenth of a processor."""
    return [_pruned(records), _sweep(records), _skipping(records)]


def _pruned(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for ratio in RATIOS:
        run, said = f"pruned{ratio:02d}", PRUNED[ratio]
        at = f"eval/{run}"
        params, flops = (records.figure(f"prune/{run}", what, "after") for what in ("params", "flops"))
        score = records.figure(at, "miou_image")
        speed = records.row("speed/people", model=f"{run}/peopleseg_fpn")
        rows.append(
            (
                f"{ratio} %",
                beside(number(_millions(params)), number(said["params_m"])),
                beside(number(_millions(flops), 0), number(said["mflops"], 0)),
                beside(number(speed.get("fps")), number(said["fps"])),
                percent(score) if score is not None else absent(records, at),
                between(records.figure(at, "intervals", "values", "miou_image")),
                number(said["miou"], 1),
            )
        )
    deeplab = model_size(records, "peopleseg_deeplab")
    rows.append(
        (
            "DeepLabV2 head, random weights",
            beside(number(_millions(deeplab.get("params"))), number(DEEPLAB["params_m"])),
            beside(number(deeplab.get("mflops"), 0), number(DEEPLAB["mflops"], 0)),
            beside(number(records.row("speed/people", model="peopleseg_deeplab").get("fps")), number(DEEPLAB["fps"])),
            NONE,
            NONE,
            number(DEEPLAB["miou"], 1),
        )
    )
    n = records.figure("eval/pruned00", "images") or "the"
    return Table(
        "Table C: pruning",
        f"The document's figures in brackets; its mIoU is of 601 pictures of Supervisely Person, ours of {n} test "
        "photos of the 220 portraits, from random weights; 13 minutes of training with "
        "sparsity, and 4 after the cut, without a cut too. fps: a tenth of one core, held "
        "there by the system (cgroup) or, where that is not allowed, by pauses.",
        ("channels taken", "params M", "MFLOPs", "fps at 10 % CPU", "mIoU ours, %", "95 %", "mIoU said"),
        tuple(rows),
        (
            "models",
            "train/sparse",
            *(f"prune/pruned{ratio:02d}" for ratio in RATIOS),
            "eval/sparse",
            *(f"eval/pruned{ratio:02d}" for ratio in RATIOS),
            "speed/people",
        ),
    )


def _sweep(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for size in SIZES:
        said, at = SWEEP[size], f"eval/people-{size}"
        speed = records.row("speed/sizes", input=f"{size}x{size}")
        score = records.figure(at, "miou_image")
        rows.append(
            (
                str(size),
                beside(number(speed.get("mflops"), 0), number(said["mflops"], 0)),
                beside(number(speed.get("fps")), number(said["fps"])),
                percent(score) if score is not None else absent(records, at),
                number(said["miou"], 1),
            )
        )
    return Table(
        "Table C: resolutions",
        "One network, run at four sizes; the document trains at each of them, ours was trained at 128 x 160 alone.",
        ("size", "MFLOPs", "fps at 10 % CPU", "mIoU ours, %", "mIoU said"),
        tuple(rows),
        (
            "speed/sizes",
            *(f"{kind}/{size}" for kind in ("export", "predict") for size in SIZES),
            *(f"eval/people-{size}" for size in SIZES),
        ),
    )


def _skipping(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in CLIPS:
        at = f"skipping/{name}"
        for point in records.figure(at, "skip_curve") or []:
            alpha, timed = point["alpha"], name == "talking"
            rows.append(
                (
                    name,
                    f"{alpha:g} %",
                    percent(point.get("realised_skip_rate")),
                    percent(point.get("iou_fg_image")),
                    number(records.figure(f"pipeline/{alpha:g}", "fps") if timed else None),
                    number(SKIPPING["fps"]) if timed and alpha == SKIPPING["alpha"] else NONE,
                )
            )
        if at not in records:
            rows.append((name, absent(records, at), *[NONE] * 4))
    return Table(
        "Table C: frame skipping",
        "Quality against the share of frames that keep the last mask: 78 frames of a talking person (chroma-key masks) "
        "and 90 of a dancer (DAVIS 2016, a camera in motion, which a network of portraits is not made for). fps: of "
        "another talking person on a tenth of a core, from frame to composite, where that was measured.",
        ("clip", "alpha", "frames skipped, %", "IoU to the truth, %", "fps at 10 % CPU", "fps said"),
        tuple(rows),
        (*(f"{kind}/{name}" for name in CLIPS for kind in ("predict", "skipping")), "pipeline/0", "pipeline/80"),
    )


def faces(records: Records) -> list[Table]:
    """Table N: width multipliers on people that were not learned from."""
    rows: list[tuple[str, ...]] = []
    for width in WIDTHS:
        run = f"face{round(100 * width)}"
        at = f"verify/{run}"
        found = records.get(at)
        speed = records.row("speed/faces", model=run)
        accuracy = (
            absent(records, at)
            if found is None
            else f"{percent(found.figures['accuracy'])} ± {percent(found.figures['accuracy_std'])}"
        )
        rows.append(
            (
                f"{width:g}",
                number(_millions(speed.get("params")), 2),
                accuracy,
                number(records.figure(at, "auc"), 3),
                number(speed.get("median_ms"), 1),
                THETA.get(width, NONE),
            )
        )
    pairs = records.figure("verify/face100", "pairs")
    return [
        Table(
            "Table N: width multiplier of the face network",
            "People that were not learned from: 18 people of ORL to learn from, the other 20 in ten folds of two "
            f"people each{f', {pairs:,} pairs' if pairs else ''}; each fold is judged with the threshold of the nine "
            "others. Eighty steps at 112 x 96 teach little, and that is what the table shows; the document trains on "
            "490,000 photos. Milliseconds are of one face and its mirror image on one thread of PyTorch.",
            ("theta", "params M", "accuracy, %", "AUC", "ms a face", "said"),
            tuple(rows),
            (
                "orl",
                *(f"train/face{round(100 * width)}" for width in WIDTHS),
                *(f"verify/face{round(100 * width)}" for width in WIDTHS),
                "speed/faces",
            ),
        )
    ]


def _millions(value: float | None) -> float | None:
    return None if value is None else value / 1e6
