"""The section of the page on growing: the cost model, what it is checked against, and 100 million images by it."""

from __future__ import annotations

from typing import Any

from .cells import NONE, Table, markdown, number, provenance
from .choices import WHOLE
from .claims import FEET_SET
from .ledger import Records
from .tables import STEPS, absent

_STEP = "scaling"
_WHOLE = (WHOLE, f"{WHOLE}/audit", f"{WHOLE}/verify")
_PARTS = {
    "save": "writing a manifest with its split proof",
    "load": "reading it whole",
    "split": "split by subject and floor",
    "audit": "audit",
    "plan": "the list of scenes before generation starts",
    "receipts": "receipts, written and looked through",
}
_RECKONED = (
    ("generate_core_hours", "generation, hours of one core", 0, 1),
    ("generate_hours", "generation, minutes of the cluster", 1, 60),
    ("evaluate_core_hours", "evaluation, hours of one core", 0, 1),
    ("evaluate_hours", "evaluation, minutes of the cluster", 1, 60),
    ("terabytes", "images and masks, TB", 2, 1),
    ("upload_hours_at_least", "sending them, seconds at least", 0, 3600),
    ("objects_in_tars", "objects, in tar shards", 0, 1),
    ("objects_as_files", "objects, as files of their own", 0, 1),
    ("manifest_gb", "manifest, GB", 1, 1),
    ("receipts", "receipts", 0, 1),
    ("receipts_lists", "requests to list them", 0, 1),
    ("receipts_read_minutes", "reading the receipts when going on, minutes", 1, 1),
    ("rows_read_minutes", "reading the shards' rows one after another for the manifest, minutes", 1, 1),
    ("save_hours", "writing the manifest, minutes of one core", 0, 60),
    ("split_hours", "split, minutes of one core", 0, 60),
    ("audit_hours", "audit, minutes of one core", 0, 60),
)


def lines(records: Records) -> list[str]:
    """The section's lines."""
    made = ["## Growing: what 100 million images would need", "", *markdown(_whole(records))]
    if _STEP not in records:
        made += [f"Nothing is measured yet ({absent(records, _STEP)}): `{STEPS[_STEP].command}`.", ""]
        return made
    for table in (_model(records), _rows(records), _reckoned(records)):
        made += markdown(table)
    made += [*_limits(records), ""]
    return [*made, *provenance(records.of([STEPS[name] for name in (_STEP, *_WHOLE)]))]


def _whole(records: Records) -> Table:
    """The set of document F, made at its whole size, and looked at."""
    rows: list[tuple[str, ...]] = []
    splits = records.figure(WHOLE, "splits") or {}
    for name, said in FEET_SET.items():
        split = splits.get(name, {})
        cells = (number(split.get(key), 0) for key in ("scenes", "subjects", "floors"))
        rows.append((name, number(said, 0), *cells))
    scans, floors = (sum(split.get(key, 0) for split in splits.values()) for key in ("subjects", "floors"))
    record, found = records.get(WHOLE), records.figure(f"{WHOLE}/verify", "ok")
    if record is None or record.seconds is None:
        after = f"Not made yet: {absent(records, WHOLE)}."
    else:
        count = records.figure(WHOLE, "count") or 0
        kept = "nothing is in two splits" if records.figure(f"{WHOLE}/audit", "ok") else "the audit has not passed"
        files = "every file is as its record says" if found else "its files were not checked"
        after = (
            f"Made in {record.seconds / 60:.1f} minutes on two processes, cutouts included: "
            f"{count / record.seconds:,.0f} scenes a second; {kept}, {files}."
        )
    return Table(
        "The set of Demborg 2018 at its whole size",
        f"The document's splits, through its four cameras; ours from {scans or 'the'} scans and {floors or 'the'} "
        "floor photos at hand, no foot and no floor in two splits.",
        ("split", "scenes said", "scenes", "subjects", "floors"),
        tuple(rows),
        _WHOLE,
        after,
    )


def _model(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in ("generate", "evaluate"):
        for size in records.figure(_STEP, name, "sizes") or []:
            size_bytes = size.get("bytes_an_image", size.get("bytes_a_row"))
            rows.append(
                (
                    f"{name}, {size['count']:,}",
                    number(size["cpu_s"], 1),
                    number(size["over_model"], 3),
                    number(size["count"] / size["cpu_s"], 0),
                    number(size["peak_mb"], 0),
                    number(size_bytes, 0),
                )
            )
    models = []
    for name in ("generate", "evaluate"):
        model = records.figure(_STEP, name, "model") or {}
        models.append(f"{name} {model.get('fixed', 0):.1f} s + {1000 * model.get('each', 0):.2f} ms an image")
    return Table(
        "Cost model",
        f"Processor time of one core: {'; '.join(models)}, from the two smallest sizes; the others check it. Scenes "
        "are 256 x 256, plain ones of six made feet on three made floors, whose cutouts are the fixed part; pairs "
        "that are evaluated are 512 x 512. Bytes: picture and mask of a scene; a row of counts.",
        ("work and size", "processor s", "over the model", "images a core and s", "peak MB", "bytes an image"),
        tuple(rows),
        (_STEP,),
    )


def _rows(records: Records) -> Table:
    rows: list[tuple[str, ...]] = []
    found: dict[str, Any] = records.figure(_STEP, "rows") or {}
    for name, what in _PARTS.items():
        for count in sorted(found, key=int):
            part = found[count][name]
            size = number(part.get("bytes_a_row"), 0) if name == "save" else NONE
            cells = (number(part["cpu_s"], 2), number(part["peak_mb"], 0), number(int(count) / part["cpu_s"], 0), size)
            rows.append((f"{what}, {int(count):,}", *cells))
    return Table(
        "Manifests without images",
        "Made-up rows, each part in a process of its own; receipts are one to a thousand images.",
        ("part and rows", "processor s", "peak MB", "rows a s", "bytes a row"),
        tuple(rows),
        (_STEP,),
    )


def _reckoned(records: Records) -> Table:
    found = records.figure(_STEP, "reckoned") or {}
    assumed = records.figure(_STEP, "assumed") or {}
    told = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in sorted(assumed.items()))
    return Table(
        "100 million images on a Ray cluster with an object store",
        f"Reckoned, not run: by the costs above, and by what is assumed of the cluster: {told}.",
        ("what", "by the model"),
        tuple((what, number(_times(found.get(name), factor), digits)) for name, what, digits, factor in _RECKONED),
        (_STEP,),
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _limits(records: Records) -> list[str]:
    """What ends where, said from the measured memory a row."""
    head = (records.figure(_STEP, "assumed") or {}).get("head_gb", 0)
    made = [f"Limits found, with {head:g} GB on the machine that plans and writes the manifest:", ""]
    for limit in records.figure(_STEP, "limits") or []:
        rows = limit.get("rows_in_memory")
        if not rows:
            made.append(f"- {_PARTS[limit['part']]}: memory does not grow with the rows.")
            continue
        verdict = "holds 100 million" if limit["gb_at_target"] <= head else "does not hold 100 million"
        made.append(
            f"- {_PARTS[limit['part']]}: {limit['bytes_a_row']:.0f} bytes a row, {limit['gb_at_target']:.1f} GB for "
            f"100 million; {verdict}, ends at about {rows / 1e6:,.0f} million."
        )
    made += _evaluated(records, head)
    made += [
        "",
        "Beyond these: a manifest a part (by `generate --seed`, merged with `masksmith manifest merge` where it fits), "
        "and splits by part: a foot or floor lies in one part alone.",
    ]
    return made


def _evaluated(records: Records, head: float) -> list[str]:
    """What one evaluation keeps of each pair, from the two largest numbers of pairs."""
    sizes = records.figure(_STEP, "evaluate", "sizes") or []
    if len(sizes) < 2:
        return []
    low, high = sizes[-2:]
    each = max((high["peak_mb"] - low["peak_mb"]) * 1e6 / (high["count"] - low["count"]), 0.0)
    if each <= 1:
        return ["- one evaluation: memory does not grow with the pairs."]
    return [
        f"- one evaluation: {each:,.0f} bytes a pair, ends at about {head * 1e3 / each:,.0f} million; judge parts, and "
        "join them by `masksmith evaluate --from-counts PART --from-counts PART`."
    ]
