"""What growing costs: ``python -m benchmarks.scaling [--json] [--images N ...] [--rows N ...] [--quick]``.

Two kinds of measurement, each in a process of its own, so that its peak memory is its own:

- with images: ``generate`` (serial, one core; cutouts count as what is fixed) and ``evaluate`` of as many pairs. Costs
  are a fixed part and a part per item, fitted at a quarter of the first size and at the first size; the other sizes
  check them: ``over_model`` is measured over predicted processor time, 1 = the model holds;
- without images: manifests and plans of made-up rows, up to millions: writing one with its split proof (``save``),
  reading it whole (``load``), ``split`` by subject and floor, ``audit``, the list of scenes that ``generate`` makes
  before it starts (``plan``), and the receipts that it looks through when it goes on (``receipts``).

``reckoned`` is what 100 million images would need on a Ray cluster with an object store by these costs, and ``limits``
what would stop it, at which number of records, with the memory that is assumed. Assumptions stand in ``assumed``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

IMAGES = (1_000, 10_000, 100_000)
ROWS = (100_000, 1_000_000, 10_000_000)
TARGET = 100_000_000
BLOCK = 50_000
"""Rows that are made at a time."""
SHARD = 1000
"""Scenes a tar shard."""
ASSUMED = {
    "nodes": 100,
    "cores_a_node": 32,
    "head_gb": 64.0,
    "store_put_ms": 30.0,
    "store_get_ms": 15.0,
    "store_keys_a_list": 1000,
    "store_gbit_a_node": 10.0,
    "reads_together": 64,
}
"""Of the cluster: memory is that of the machine that plans and writes the manifest; store times are of one request."""


def measured(words: Sequence[str]) -> dict[str, float]:
    """Run a command of masksmith in a process of its own: ``seconds``, ``cpu_s`` and ``peak_mb``.

    Raises:
        SystemExit: the command failed.
    """
    script = (
        "import sys; from masksmith import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit as done:\n"
        "    if done.code: raise\n" + _TOLD
    )
    return _told([sys.executable, "-c", script, *words])


_TOLD = """
import json, re, resource
own = resource.getrusage(resource.RUSAGE_SELF)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
sys.stderr.write("\\n#" + json.dumps({"cpu_s": own.ru_utime + own.ru_stime, "peak_mb": peak}))
"""


def _told(command: Sequence[str]) -> dict[str, float]:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - start
    last = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode or not last.startswith("#"):
        raise SystemExit(f"{' '.join(command[3:])} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return {"seconds": spent, **json.loads(last[1:])}


def generation(folder: Path, count: int) -> dict[str, float]:
    """Scenes of made feet on made floors, in one process: costs, bytes an image and of the manifest."""
    out = folder / f"feet-{count}"
    words = ["generate", "--scans", "parametric:6", "--floors", "procedural:3", "--views", "2", "--engine", "serial"]
    found = measured([*words, "--count", str(count), "--seed", "1", "--out", str(out)])
    below = [path.stat().st_size for kind in ("images", "masks") for path in (out / kind).rglob("*") if path.is_file()]
    return {
        **found,
        "bytes_an_image": sum(below) / count,
        "manifest_bytes_a_row": (out / "records.parquet").stat().st_size / count,
    }


def evaluation(folder: Path, count: int) -> dict[str, float]:
    """As many pairs of 512 x 512, of which 200 are different: costs of the command and the size of its counts."""
    from benchmarks.evaluation import write_pairs

    if not (folder / "pairs").exists():
        write_pairs(folder / "pairs", 200)
    place = folder / f"judged-{count}"
    for side in ("pred", "truth"):
        stored = sorted((folder / "pairs" / side).iterdir())
        for index in range(count):
            target = place / side / f"{index // 1000:06d}" / f"{index:08d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(stored[index % len(stored)], target)
    words = ["evaluate", str(place / "pred"), str(place / "truth"), "--engine", "serial", "--out", str(place / "out")]
    found = measured(words)
    return {**found, "bytes_a_row": (place / "out" / "counts.parquet").stat().st_size / count}


def fitted(sizes: Sequence[int], rows: Sequence[Mapping[str, float]], figure: str = "cpu_s") -> dict[str, float]:
    """A fixed part and a part per item from the first two sizes."""
    (a, b), (first, second) = sizes[:2], (row[figure] for row in rows[:2])
    each = (second - first) / (b - a)
    return {"fixed": first - each * a, "each": each}


def checked(
    sizes: Sequence[int], rows: Sequence[Mapping[str, float]], model: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Each measurement beside the model: ``over_model`` of processor time."""
    made = []
    for size, row in zip(sizes, rows, strict=True):
        wanted = model["fixed"] + model["each"] * size
        made.append({"count": size, **row, "modelled_cpu_s": wanted, "over_model": row["cpu_s"] / wanted})
    return made


def write_rows(folder: Path, count: int) -> None:
    """A manifest of ``count`` made-up records: a subject has 20, a floor 60, and no two floors share a subject.

    The split proof is written too, as ``generate`` does it.
    """
    import numpy as np
    import pyarrow as pa

    from manifests import Info, ManifestWriter
    from manifests.record import SCHEMA

    info = Info(name="rows", classes={"background": 0, "foot": 1})
    with ManifestWriter(folder, info, prove=("subject", "floor")) as writer:
        for start in range(0, count, BLOCK):
            index = np.arange(start, min(start + BLOCK, count))
            subject = index // 20
            split = np.array(["train", "train", "train", "val", "test"])[subject // 3 % 5]
            number = len(index)
            names = [f"{k:09d}" for k in index.tolist()]
            floors = [[("floor", f"f{k}")] for k in (subject // 3).tolist()]
            columns: dict[str, Any] = {
                "id": names,
                "image": [f"images/{name}.jpg" for name in names],
                "mask": [f"masks/{name}.png" for name in names],
                "width": np.full(number, 256),
                "height": np.full(number, 256),
                "subject": [f"s{k}" for k in subject.tolist()],
                "groups": floors,
                "split": split.tolist(),
                "source": ["made"] * number,
                "licence": [["CC0-1.0"]] * number,
                "sha256_image": _digests(start, number, "image"),
                "sha256_mask": _digests(start, number, "mask"),
                "recipe": [f'{{"index":{k},"blend":"{"alpha," * 140}"}}' for k in index.tolist()],
            }
            arrays = [pa.array(columns.get(field.name, [None] * number), field.type) for field in SCHEMA]
            writer.add_table(pa.Table.from_arrays(arrays, schema=SCHEMA))


def _digests(start: int, number: int, kind: str) -> list[str]:
    """Text that does not compress better than digests do."""
    from masksmith import seeds

    drawn = seeds.rng(0, kind, start).bytes(32 * number).hex()
    return [drawn[64 * k : 64 * k + 64] for k in range(number)]


def _load(folder: Path, count: int) -> None:
    from manifests import Manifest

    Manifest.open(folder).table()


def _split(folder: Path, count: int) -> None:
    """As the command does it: planned on the columns that it needs, and written as a copy with its proof."""
    from manifests import Manifest
    from manifests.edit import resplit

    shares = {"train": 0.7, "val": 0.15, "test": 0.15}
    resplit(Manifest.open(folder), ("subject", "floor"), shares, 1).write(folder / "split")


def _audit(folder: Path, count: int) -> None:
    from manifests import Manifest
    from manifests.audit import audit

    audit(Manifest.open(folder))


def _plan(folder: Path, count: int) -> None:
    from datagen import generate
    from datagen.plan import plan

    work = plan(
        scans="parametric:6", floor_spec="procedural:6", out=folder / "none", count=count, seed=1, tar_scenes=SHARD
    )
    generate.shards(work)


def _receipts(folder: Path, count: int) -> None:
    """Of ``count`` images, so a thousandth of them receipts: written, and read as a run that goes on reads them."""
    from masksmith.receipts import Receipts

    receipts = Receipts(folder / "receipts", "scenes", {"count": count})
    for index in range(math.ceil(count / SHARD)):
        (receipts.folder / f"{index:06d}.json").write_text('{"rows": "000000.parquet", "scenes": 1000}')
    for index in range(math.ceil(count / SHARD)):
        receipts.load(index)


PARTS: dict[str, Callable[[Path, int], None]] = {
    "save": write_rows,
    "load": _load,
    "split": _split,
    "audit": _audit,
    "plan": _plan,
    "receipts": _receipts,
}


def simulated(folder: Path, count: int) -> dict[str, dict[str, float]]:
    """Every part on ``count`` rows: processor time and peak memory of its process, start included."""
    place = folder / f"rows-{count}"
    found = {}
    for name in PARTS:
        script = (
            "import sys; from pathlib import Path; from benchmarks import scaling\n"
            "scaling.PARTS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))\n" + _TOLD
        )
        found[name] = _told([sys.executable, "-c", script, name, str(place), str(count)])
    found["save"]["bytes_a_row"] = (place / "records.parquet").stat().st_size / count
    return found


def reckon(made: Mapping[str, Any], judged: Mapping[str, Any], rows: Mapping[str, Any]) -> dict[str, float]:
    """What :data:`TARGET` images need by the measured costs and :data:`ASSUMED`."""
    cores = ASSUMED["nodes"] * ASSUMED["cores_a_node"]
    last, largest = made["sizes"][-1], rows[max(rows, key=int)]
    shards = math.ceil(TARGET / SHARD)
    bytes_all = TARGET * last["bytes_an_image"]
    network = ASSUMED["nodes"] * ASSUMED["store_gbit_a_node"] * 1e9 / 8
    return {
        "images": TARGET,
        "generate_core_hours": TARGET * made["model"]["each"] / 3600,
        "generate_hours": TARGET * made["model"]["each"] / 3600 / cores,
        "evaluate_core_hours": TARGET * judged["model"]["each"] / 3600,
        "evaluate_hours": TARGET * judged["model"]["each"] / 3600 / cores,
        "terabytes": bytes_all / 1e12,
        "upload_hours_at_least": bytes_all / network / 3600,
        "tar_shards": shards,
        "objects_in_tars": 3 * shards,
        "objects_as_files": 2 * TARGET + 2 * shards,
        "manifest_gb": TARGET * last["manifest_bytes_a_row"] / 1e9,
        "receipts": shards,
        "receipts_lists": math.ceil(shards / ASSUMED["store_keys_a_list"]),
        "receipts_read_minutes": shards * ASSUMED["store_get_ms"] / 1000 / ASSUMED["reads_together"] / 60,
        "rows_read_minutes": shards * ASSUMED["store_get_ms"] / 1000 / 60,
        "puts_in_tars_minutes_a_node": 3 * shards * ASSUMED["store_put_ms"] / 1000 / ASSUMED["nodes"] / 60,
        **{f"{name}_hours": _at(rows, name, "cpu_s", TARGET) / 3600 for name in largest},
    }


def limits(rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For every part the memory a row, that of all images, and how many rows the assumed memory holds."""
    made = []
    for name in PARTS:
        each = _slope(rows, name, "peak_mb")
        made.append(
            {
                "part": name,
                "bytes_a_row": each * 1e6,
                "gb_at_target": _at(rows, name, "peak_mb", TARGET) / 1000,
                "rows_in_memory": ASSUMED["head_gb"] * 1e9 / (each * 1e6) if each * 1e6 > 1 else None,
                "rows_a_second": 1 / slope if (slope := _slope(rows, name, "cpu_s")) > 0 else None,
            }
        )
    return made


def _slope(rows: Mapping[str, Any], name: str, figure: str) -> float:
    """Of a figure between the two largest numbers of rows; at least 0."""
    sizes = sorted(rows, key=int)[-2:]
    low, high = (rows[size][name][figure] for size in sizes)
    return max((high - low) / (int(sizes[1]) - int(sizes[0])), 0.0)


def _at(rows: Mapping[str, Any], name: str, figure: str, count: int) -> float:
    largest = max(rows, key=int)
    value: float = rows[largest][name][figure] + _slope(rows, name, figure) * (count - int(largest))
    return value


def main(words: Sequence[str] | None = None) -> int:
    """Measure, and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--images", type=int, nargs="+", default=IMAGES, metavar="N", help="sizes with images")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, metavar="N", help="sizes without, two at least")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--folder", type=Path, help="where files are made [the system's temporary folder]")
    given = parser.parse_args(words)
    images, rows = (list(given.images), list(given.rows)) if not given.quick else ([40, 80], [2_000, 20_000])
    if len(rows) < 2:
        parser.error("--rows takes two sizes at least")
    sizes = sorted({max(images[0] // 4, 1), *images})
    found: dict[str, Any] = {"assumed": ASSUMED}
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        for name, work in (("generate", generation), ("evaluate", evaluation)):
            measured_rows = []
            for size in sizes:
                print(f"{name}: {size:,}", file=sys.stderr, flush=True)
                measured_rows.append(work(Path(made), size))
            model = fitted(sizes, measured_rows)
            found[name] = {"model": model, "sizes": checked(sizes, measured_rows, model)}
        found["rows"] = {}
        for count in sorted(rows):
            print(f"rows: {count:,}", file=sys.stderr, flush=True)
            found["rows"][str(count)] = simulated(Path(made), count)
    found["reckoned"] = reckon(found["generate"], found["evaluate"], found["rows"])
    found["limits"] = limits(found["rows"])
    if given.json:
        print(json.dumps(found, indent=2))
        return 0
    for name in ("generate", "evaluate"):
        for row in found[name]["sizes"]:
            print(
                f"{name:10}{row['count']:>10,}{row['cpu_s']:10.1f} s of processor, {row['over_model']:.3f} of the model"
            )
    for row in found["limits"]:
        print(f"{row['part']:10}{row['bytes_a_row']:10.0f} bytes a row, {row['gb_at_target']:8.1f} GB at {TARGET:,}")
    for name, value in found["reckoned"].items():
        print(f"{name:30}{value:20,.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
