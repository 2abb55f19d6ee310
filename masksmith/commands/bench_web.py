"""``masksmith bench web``: a model on the demo's page, in a headless Chromium, beside itself outside of the browser."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from masksmith import console, options

PATH = click.Path(path_type=Path)
ROUNDS = 5


@click.command()
@click.argument("model")
@click.option("--runs", type=click.IntRange(ROUNDS), default=1000, show_default=True, help="Counted frames.")
@click.option("--warm-up", type=click.IntRange(0), default=200, show_default=True, help="Frames before them.")
@click.option("--clip", type=PATH, help="A video to take frames from [default: a drawn one].")
@click.option("--no-prior", is_flag=True, help="Leave the prior empty.")
@click.option("--fail-under", type=click.FloatRange(0), metavar="FPS", help="Exit code 1 below so many.")
@options.json_option
def web(model: str, runs: int, warm_up: int, clip: Path | None, **given: Any) -> None:
    """Time a model in the browser, on one WASM thread.

    MODEL is a .tflite or .onnx file, a run folder or random:NAME, which are exported --for web. The page takes frames
    as it always does: it makes them small, runs the network, hands its mask on and makes it a picture, but does not
    wait for the screen. The same runtime outside of the browser runs the network by turns with it, for the ratio.

    \b
    Example:
      masksmith bench web person.tflite
      masksmith bench web random:portrait_lcnet --runs 2000 --fail-under 150 --json
    """
    from masksmith.demo import browser, server
    from masksmith.errors import CheckFailed

    browser.executable()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(model)
        if path.suffix.lower() not in (".onnx", ".tflite"):
            path = _exported(model, Path(folder))
        site = server.site([path], clip)
        with server.Server(site, port=0).running() as url, browser.opened(url) as page:
            browser.settle(page)
            found = _rows(page, path, runs, warm_up, not given["no_prior"])
            found |= {"browser": page.context.browser.version}
    if given["as_json"]:
        console.emit_json(found)
    else:
        _show(found)
    fps = found["rows"][0]["fps"]
    if given["fail_under"] is not None and fps < given["fail_under"]:
        raise CheckFailed(f"{fps:.1f} frames a second on the page, fewer than {given['fail_under']:g}")


def _exported(model: str, folder: Path) -> Path:
    """The form for browsers where the network has one, else ONNX."""
    from masksmith.commands.bench_models import network_named
    from masksmith.errors import BadInput
    from trainers.export import job
    from trainers.export.deployed import Form

    network, run, relu, _ = network_named(model)
    try:
        form = Form(to="tflite", relu=relu)
        return job.export(network, form, folder / f"{network.name}.tflite", run=run, latency=0, browser=True).path
    except BadInput as fault:
        console.note(f"{fault}; ONNX Runtime runs it")
        return job.export(network, Form(relu=relu), folder / f"{network.name}.onnx", run=run, latency=0).path


def _rows(page: Any, path: Path, runs: int, warm_up: int, prior: bool) -> dict[str, Any]:
    """Rounds by turns, so that what else the machine does hits both alike."""
    import time

    import numpy as np

    from masksmith import processor, seeds
    from masksmith.demo import browser
    from masksmith.runtimes import open_model

    opened = open_model(path, threads=1)
    picture = seeds.rng(0, "picture").integers(0, 256, (*opened.size, 3), np.uint8)
    inputs = opened.feed(opened.prepare(picture))
    total: list[float] = []
    alone: list[float] = []
    outside: list[float] = []
    ask = "given => masksmith.bench(given)"
    for _ in range(min(warm_up, 20)):
        opened.raw(inputs)
    if warm_up:
        page.evaluate(ask, {"runs": warm_up, "prior": prior})
    own = {"web page": 0.0, opened.runtime: 0.0}  # time on a processor, whatever others do
    for part in range(ROUNDS):
        count = runs // ROUNDS + (part < runs % ROUNDS)
        before = browser.worker_cpu_ms()
        made = page.evaluate(ask, {"runs": count, "prior": prior})
        after = browser.worker_cpu_ms()
        own["web page"] += after - before if before is not None and after is not None else np.nan
        began = time.process_time()
        total += made["total"]
        alone += made["alone"]
        for _ in range(count):
            start = time.perf_counter()
            opened.raw(inputs)
            outside.append(1000 * (time.perf_counter() - start))
        own[opened.runtime] += 1000 * (time.process_time() - began)
    rows = [
        {"model": path.stem, "runtime": name, **_times(values), "cpu_ms": own.get(name, np.nan) / runs}
        for name, values in (("web page", total), ("web run", alone), (opened.runtime, outside))
    ]
    for row in rows:
        row["ratio_to_native"] = rows[2]["median_ms"] / row["median_ms"]
        row["cpu_ratio_to_native"] = rows[2]["cpu_ms"] / row["cpu_ms"]
    return {"cpu": processor.name(), "threads": 1, "size": list(opened.size), "runs": runs, "rows": rows}


def _times(values: list[float]) -> dict[str, Any]:
    import numpy as np

    p10, median, p95 = np.percentile(values, [10, 50, 95])
    return {"fps": 1000 / median, "median_ms": median, "p10_ms": p10, "p95_ms": p95, "mean_ms": float(np.mean(values))}


def _show(found: dict[str, Any]) -> None:
    title = f"{found['cpu'] or 'one thread'}, Chromium {found['browser']}, WASM on one thread"
    rows = [
        [row["model"], row["runtime"], f"{row['fps']:.0f}"]
        + [
            f"{row[key]:.2f}"
            for key in ("median_ms", "p10_ms", "p95_ms", "ratio_to_native", "cpu_ms", "cpu_ratio_to_native")
        ]
        for row in found["rows"]
    ]
    console.table(
        title, ("model", "runtime", "fps", "median ms", "p10", "p95", "of native", "cpu ms", "of native"), rows
    )
    console.note("web page: small, run, mask, of a frame; web run: the network alone; fps = 1000 / median ms")
    spread = max(row["median_ms"] / row["p10_ms"] for row in found["rows"])
    if spread > 1.3:
        console.warn(
            "the fastest tenth is much faster than the middle: others used the machine; cpu ms leaves them out"
        )
