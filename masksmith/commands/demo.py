"""``masksmith demo``: an exported network on a page, with the camera."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from masksmith import console, options

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("models", metavar="[MODEL]...", type=PATH, nargs=-1)
@click.option("--clip", type=PATH, help="A video for machines without a camera [default: a drawn one].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to serve; 0.0.0.0 opens it to the network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 = any that is free.")
@click.option("--fetch", is_flag=True, help="Fetch with npm what runs networks in browsers, once, and end.")
@click.option("--package", type=PATH, help="Keep a package file of it that was fetched elsewhere, and end.")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@options.json_option
def demo(models: tuple[Path, ...], **given: Any) -> None:
    """Show exported networks at work on a page: camera, background, speed.

    The network runs in the browser, in WASM on one thread: .tflite files in LiteRT, which is faster, .onnx files in
    ONNX Runtime (WebGPU where there is one). Pictures stay on the machine, and the page asks nobody but this server.
    Ctrl-C ends it. Both runtimes are fetched once: --fetch.

    \b
    Example:
      masksmith demo --fetch
      masksmith export run --for web --out person.tflite
      masksmith demo person.tflite
    """
    from masksmith.demo import package, server

    if given["fetch"] or given["package"]:
        kept = [package.take(given["package"])] if given["package"] else []
        if given["fetch"]:
            kept += [(one, package.fetch(one)) for one in package.PACKAGES if one not in [known for known, _ in kept]]
        if given["as_json"]:
            told = [{"package": one.name, "version": one.version, "folder": str(place)} for one, place in kept]
            console.emit_json({"packages": told})
        for one, place in [] if given["as_json"] else kept:
            console.say(f"{one.name} {one.version} is in {place}")
        return
    if not models:
        console.note("no model named: choose a file on the page, or name one here")
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
