"""Tables P and F of the page, from the records; R, C and N stand in :mod:`.more_tables`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .cells import NONE, Table, beside, between, not_run, number, percent
from .choices import DISTILLED, FEET, LARGE, LONGER, PEERS, PORTRAITS, WHOLE, network_of, peer_step
from .claims import FEET as CLAIMED_FEET
from .claims import PORTRAIT
from .ledger import Records
from .plan import steps

FOUR = ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset")
STEPS = {step.id: step for step in steps()}
TIME = (
    ("flicker_excess", 4),
    ("dtssd", 2),
    ("warp_iou", 4),
    ("boundary_jitter_px", 2),
    ("boundary_flip_rate", 4),
    ("vc8", 4),
)


def portraits(records: Records) -> list[Table]:
    """Table P: variants, the prior, the documents' own datasets, and peers."""
    return [_variants(records), _prior(records), _four(records), _own_sets(records), _speed(records)]


def feet(records: Records) -> list[Table]:
    """Table F: five networks on made and real photos, and distillation against plain training."""
    return [_networks(records), _feet_sizes(records), _distilled(records), _search(records)]


def absent(records: Records, name: str) -> str:
    """What a row says in place of a step's figures; the time is that of all steps before it that have no record too."""
    wanted, chain = [name], {}
    while wanted:
        step = STEPS[wanted.pop()]
        if step.id not in records:
            chain[step.id] = step
            wanted += step.needs
    last = STEPS[name]
    minutes = round(sum(step.minutes for step in chain.values()), 1)
    return not_run(replace(last, minutes=minutes, beyond=any(step.beyond for step in chain.values())))


def model_size(records: Records, model: str) -> dict[str, Any]:
    """What ``masksmith models`` says of a network."""
    return records.row("models", name=model)


def fps(records: Records, step: str, model: str, runtime: str = "openvino") -> float | None:
    """Frames a second of a speed step; None where that was not measured."""
    value = records.row(step, model=model, runtime=runtime).get("fps")
    return None if value is None else float(value)


def evaluation_of(model: str) -> str:
    """The step that judges a portrait network on the portraits at hand."""
    return {"portrait_lcnet": "eval/paper-vikram", "portrait_lcnet_noprior": "eval/none-vikram"}.get(
        model, f"eval/{model}"
    )


def _variants(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for model in PORTRAITS:
        size, said, at = model_size(records, model), PORTRAIT.get(model, {}), evaluation_of(model)
        score = records.figure(at, "iou_fg_image")
        web = records.figure(f"web/{model}", "rows", 0, "fps")
        rows.append(
            (
                model,
                beside(number(size.get("params", 0) / 1e6 or None, 3), number(said.get("params_m"), 3)),
                beside(number(size.get("mflops"), 0), number(said.get("mflops"), 0)),
                percent(score) if score is not None else absent(records, at),
                between(records.figure(at, "intervals", "values", "iou_fg_image")),
                number(said.get("eg1800")),
                number(said.get("easyportrait")),
                number(fps(records, "speed/portraits", model, "litert"), 0),
                number(fps(records, "speed/portraits", model), 0),
                number(said.get("fps"), 0),
                beside(number(web, 0), number(said.get("web"), 0)),
            )
        )
    n = records.figure("eval/paper-vikram", "images")
    return Table(
        "Table P: variants",
        "The document's figures stand in brackets, or in columns of their own where the data differ: its IoU is on "
        f"EG1800 and EasyPortrait, ours on {n or 'the'} test photos of the 220 portraits at hand, whose masks are "
        "themselves made by a network. Its fps are of its own processor, ours of the one named above, one "
        "thread each; random weights, which take the same time.",
        (
            "variant",
            "params M",
            "MFLOPs",
            "IoU ours, %",
            "95 %",
            "IoU EG1800 said",
            "IoU EasyPortrait said",
            "fps LiteRT",
            "fps OpenVINO",
            "fps native said",
            "fps web",
        ),
        tuple(rows),
        (
            "models",
            "train/efflite0",
            *(f"train/{model}" for model in LONGER),
            *(evaluation_of(model) for model in PORTRAITS[2:]),
            "speed/portraits",
            *(f"web/{model}" for model in PORTRAITS),
        ),
    )


def _prior(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for row in ("paper", "none"):
        found = records.row("prior", row=row)
        stills, clips = found.get("stills") or {}, found.get("clips") or {}
        cells = [number(clips.get(name), digits) for name, digits in TIME]
        what = "with the previous mask" if row == "paper" else "without"
        rows.append((what, percent(stills.get("iou_fg_image")), percent(clips.get("iou_fg_image")), *cells))
    return Table(
        "Table P: with and without the previous mask",
        "The table that the document does not print: it says that quality as seen improves, without a number. Two "
        "networks, equal steps and seed; the still photos have no previous mask, on clips it is the network's own last "
        "answer. `warp_iou` by optical flow (DIS). Low is better, but for IoU, `warp_iou` and "
        "`vc8`; `flicker_excess` is best at 0.",
        ("training", "IoU stills, %", "IoU clips, %", *(f"`{name}`" for name, _ in TIME)),
        tuple(rows),
        ("prior",),
        after=_said_of_prior(records),
    )


def _said_of_prior(records: Records) -> str:
    first, second = (records.row("prior", row=row).get("clips") or {} for row in ("paper", "none"))
    name = "boundary_jitter_px"
    if first.get(name) is None or second.get(name) is None:
        return ""
    better = "less" if first[name] < second[name] else "more"
    return (
        f"Trained on previous masks, the network's boundary moves {better} from frame to frame against the truth's: "
        f"{first[name]:.2f} px against {second[name]:.2f} px."
    )


def _four(records: Records) -> Table:
    judged = [
        (f"{what}, {data}", f"eval/{row}-{name}")
        for row, what in (("paper", "with the previous mask"), ("none", "without"))
        for name, data in (("vikram", "portraits at hand, test"), ("eg8", "eight pairs of EG1800, test only"))
    ]
    judged.append(("portrait_efflite0, from ImageNet, portraits at hand, test", "eval/portrait_efflite0"))
    judged += [(f"peer: {what}, portraits at hand, test", peer_step(name)) for name, what in PEERS.items()]
    rows: list[tuple[str, ...]] = []
    for title, at in judged:
        cells = [percent(records.figure(at, figure), 2) for figure in FOUR]
        interval = between(records.figure(at, "intervals", "values", "iou_fg_image"))
        boundary = percent(records.figure(at, "boundary_iou"), 2)
        rows.append((title, number(records.figure(at, "images"), 0), *cells, interval, boundary))
    return Table(
        "Table P: four conventions of IoU",
        "One set of predictions under the four things that are called IoU; the document does not say which is its own.",
        ("network and data", "n", *(f"`{name}`" for name in FOUR), "95 % of the first", "`boundary_iou`"),
        tuple(rows),
        tuple(at for _, at in judged),
    )


def _own_sets(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    shown = []
    takes = {}
    for name, column in (("eg1800", "eg1800"), ("easyportrait-v1", "easyportrait")):
        takes[name] = STEPS[f"{name}/prepare"].takes
        shown.append(f"{name}/prepare")
        for model in PORTRAITS[:5]:
            train, at = f"train/{name}-{model}", f"eval/{name}-{model}"
            score = records.figure(at, "iou_fg_image")
            ours = percent(score, 2) if score is not None else "not run here"
            rows.append((f"{name}: {model}", number(PORTRAIT[model].get(column)), ours))
            if score is not None or model == PORTRAITS[0]:
                shown += [train, at]
    return Table(
        "Table P: the document's own datasets",
        "Ready to run for those who have them: `python -m benchmarks.results --table P --beyond` with "
        "`--eg1800 FOLDER`, `--easyportrait FOLDER`.",
        ("data and variant", "IoU said", "IoU ours"),
        tuple(rows),
        tuple(shown),
        after="What it takes: " + "; ".join(f"{name}: {what}" for name, what in takes.items()) + ".",
    )


def _speed(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    found = records.figure("speed/portraits", "rows") or []
    for row in sorted(found, key=lambda row: -row["fps"]):
        kind = "peer" if row.get("peer") else "ours"
        cells = (number(row["fps"], 0), number(row["median_ms"], 2), number(row.get("ratio"), 2))
        rows.append((f"{row['model']}, {row['runtime']}", kind, row["input"], *cells))
    if not rows:
        rows.append((absent(records, "speed/portraits"), *[NONE] * 5))
    busy = records.figure("speed/portraits", "wall_over_cpu")
    told = f" Wall time over own time: {busy:.2f} (1 = nobody else used the core)." if busy else ""
    return Table(
        "Table P: speed with peers",
        "One thread of one core, all by turns; `ratio` is to the first peer." + told,
        ("model, runtime", "whose", "input", "fps", "median ms", "ratio"),
        tuple(rows),
        ("speed/portraits",),
    )


def triple(records: Records, at: str) -> str:
    """mA / mIoU / mDice of an evaluation."""
    values = [records.figure(at, name) for name in ("pixel_accuracy", "miou_image", "mdice_image")]
    return NONE if any(value is None for value in values) else " / ".join(f"{value:.4f}" for value in values)


def _said(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.4f}" for value in values)


def _networks(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for run in (*FEET, LARGE):
        said = CLAIMED_FEET[network_of(run)]
        made, real = f"eval/{run}-{WHOLE if run == LARGE else 'feet'}", f"eval/{run}-real"
        rows.append(
            (
                run,
                triple(records, made) if made in records else absent(records, made),
                _said(said["feet"]),
                between(records.figure(made, "intervals", "values", "miou_image")),
                triple(records, real) if real in records else absent(records, real),
                _said(said["real"]),
                between(records.figure(real, "intervals", "values", "miou_image")),
                number(records.figure(f"train/{run}", "steps"), 0),
            )
        )
    made_n = records.figure("eval/fastlinknet-feet", "images") or "the"
    groups = records.figure("eval/fastlinknet-feet", "intervals", "groups")
    people = f" of {groups} {records.figure('eval/fastlinknet-feet', 'intervals', 'unit')}s" if groups else ""
    real_n = records.figure("eval/fastlinknet-real", "images") or "the"
    test = records.figure(WHOLE, "splits", "test") or {}
    large = f"{test['scenes']:,} test pictures of {test['subjects']} people" if test else "test pictures"
    return Table(
        "Table F: five networks on feet",
        f"mA / mIoU / mDice on {made_n} made pictures{people} held out with their feet and floors, and on {real_n} "
        "real photos that were never trained on. The document trained 50 epochs of 50 steps at 256 x 256 on 43,896 "
        "pictures; ours are minutes of one thread on 3,500, `fastlinknet` at 256 x 256 and those named 128 at "
        f"128 x 128. `{LARGE}` has learned from the set of 71,024, made whole, for as long as `fastlinknet`, and "
        f"is judged on that set's own {large}. Intervals are of mIoU, in percent, over people where they are known.",
        ("network", "made, ours", "made, said", "95 %", "real, ours", "real, said", "95 %", "steps"),
        tuple(rows),
        (
            "feet",
            "realfeet",
            "realfeet/prepare",
            *(f"train/{run}" for run in FEET),
            *(f"eval/{run}-{name}" for run in FEET for name in ("feet", "real")),
            f"train/{LARGE}",
            f"eval/{LARGE}-{WHOLE}",
            f"eval/{LARGE}-real",
        ),
    )


def _feet_sizes(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for run in FEET:
        model = network_of(run)
        said, size = CLAIMED_FEET[model], model_size(records, model)
        whole = records.row("speed/feet", model=model, runtime="openvino")
        own = records.row("speed/feet-runs", model=f"{run}/{model}", runtime="openvino")
        mflops = size.get("mflops")
        rows.append(
            (
                model,
                beside(number(None if mflops is None else mflops / 1000, 3), number(said["gflops"], 3)),
                number(whole.get("median_ms"), 1),
                number(said["ms"], 0),
                f"{number(own.get('median_ms'), 1)} at {own.get('input', NONE)}",
                beside(number(size.get("size_mb"), 1), number(said["mb"], 1)),
            )
        )
    return Table(
        "Table F: sizes and times",
        "At 256 x 256, two classes; the document's in brackets or beside. Its times are of a phone of 2016, ours of "
        "one thread of the processor named above with OpenVINO.",
        ("network", "GFLOPs", "ms ours, 256 x 256", "ms said", "ms of the run above", "MB"),
        tuple(rows),
        ("models", "speed/feet", "speed/feet-runs"),
    )


def _distilled(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for run, what in zip(DISTILLED, ("plain", "distilled from linknet128", "distilled from mobileseg128"), strict=True):
        made, real = f"eval/{run}-feet", f"eval/{run}-real"
        rows.append(
            (
                what,
                number(records.figure(f"train/{run}", "steps"), 0),
                triple(records, made) if made in records else absent(records, made),
                triple(records, real) if real in records else absent(records, real),
                between(records.figure(made, "intervals", "values", "miou_image")),
            )
        )
    return Table(
        "Table F: distillation at equal steps",
        "FastLinkNet at 128 x 128, same seed, same pictures, same steps; mA / mIoU / mDice. The document's search "
        "allowed distillation and none of its four winners used it.",
        ("training", "steps", "made", "real", "95 % of mIoU, made"),
        tuple(rows),
        tuple(name for run in DISTILLED for name in (f"train/{run}", f"eval/{run}-feet", f"eval/{run}-real")),
    )


def _search(records: Records) -> Table:
    trials = records.figure("search", "trials") or []
    done = [trial for trial in trials if trial.get("state") == "done"]
    rows: list[tuple[str, ...]] = []
    for trial in sorted(done, key=lambda trial: -(trial.get("score") or 0))[:5]:
        drawn = trial.get("drawn", trial)
        shown = (number(drawn.get(name), digits) for name, digits in (("lr", 6), ("dropout", 3)))
        soften = (number(drawn.get(name), 2) for name in ("temperature", "soften_lambda"))
        rows.append((str(drawn.get("loss")), number(trial.get("score"), 4), *shown, *soften))
    if not rows:
        rows.append((absent(records, "search"), *[NONE] * 5))
    states = records.figure("search", "states") or {}
    ended = ", ".join(f"{count} {state}" for state, count in sorted(states.items()) if count)
    return Table(
        "Table F: the search",
        f"The best five of {len(trials) or 20} trials{f' ({ended})' if ended else ''} of 25 steps of FastLinkNet at "
        "128 x 128; the document's 100 ended at lr 0.005706, dropout 0.04245, IoU loss.",
        ("loss", "mIoU, validation", "lr", "dropout", "T", "lambda"),
        tuple(rows),
        ("search",),
    )
