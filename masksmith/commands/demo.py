"""``masksmith demo``: an exported network on a page, with the camera."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from masksmith import console, options

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("models", metavar="[MODEL.onnx]...", type=PATH, nargs=-1)
@click.option("--clip", type=PATH, help="A video for machines without a camera [default: a drawn one].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to serve; 0.0.0.0 opens it to the network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 = any that is free.")
@click.option("--fetch", is_flag=True, help="Fetch ONNX Runtime for browsers with npm, once, and end.")
@click.option("--package", type=PATH, help="With --fetch: its package file, fetched elsewhere.")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@options.json_option
def demo(models: tuple[Path, ...], **given: Any) -> None:
    """Show exported networks at work on a page: camera, background, speed.

    The network runs in the browser, in WASM on one thread (WebGPU where there is one); pictures stay on the machine,
    and the page asks nobody but this server. Ctrl-C ends it. ONNX Runtime for browsers is fetched once: --fetch.

    \b
    Example:
      masksmith demo --fetch
      masksmith export run --to onnx --out person.onnx
      masksmith demo person.onnx
    """
    from masksmith.demo import package, server

    if given["fetch"] or given["package"]:
        place = package.fetch(given["package"])
        if given["as_json"]:
            console.emit_json({"package": package.NAME, "version": package.VERSION, "folder": str(place)})
        else:
            console.say(f"{package.NAME} {package.VERSION} is in {place}")
        return
    if not models:
        console.note("no model named: choose an .onnx file on the page, or name one here")
    serving = server.Server(server.site(models, given["clip"]), given["host"], given["port"])
    if given["host"] not in ("127.0.0.1", "localhost", "::1"):
        console.warn("others in the network can open the page; browsers give it a camera on https and localhost only")
    if given["as_json"]:
        console.emit_json({"url": serving.url, "models": [str(path) for path in models]})
    else:
        console.say(serving.url)
    console.note("Ctrl-C ends it")
    if given["show"]:
        click.launch(serving.url)
    with contextlib.suppress(KeyboardInterrupt), serving:
        serving.serve_forever()
