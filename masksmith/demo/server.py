"""A small server for the demo: a list of files, loopback by default, and nothing besides."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

from masksmith.demo import package
from masksmith.errors import BadInput, EnvironmentFault
from masksmith.runtimes import Model, open_model

HOST = "127.0.0.1"
PORT = 8765
PAGES = {"/": "index.html", "/style.css": "style.css", "/page.js": "page.js", "/scene.js": "scene.js"}
PAGES |= {"/worker.js": "worker.js", "/engines.js": "engines.js"}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".tflite": "application/octet-stream",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
        "connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # clocks of full resolution, and no other site may look in
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_CHUNK = 256 * 1024


@dataclass(frozen=True)
class Site:
    """What is served.

    Attributes:
        files: address -> file.
        models: what the page knows of each model.
        kinds: of models that can be run: ``.onnx``, ``.tflite``.
        clip: address of a video, or empty: then the page draws a scene.
    """

    files: Mapping[str, Path]
    models: Sequence[Mapping[str, Any]]
    kinds: Sequence[str]
    clip: str = ""


def site(models: Sequence[Path], clip: Path | None = None) -> Site:
    """Look at everything before the first visitor does.

    Args:
        models: ``.onnx`` and ``.tflite`` files.
        clip: a video that a browser plays.

    Raises:
        BadInput: a model that does not load or is of another kind, a clip that is not there.
        EnvironmentFault: what runs such models in browsers is not there; without models, neither is.
    """
    served: dict[str, Path] = {}
    there: list[str] = []
    missing: dict[str, EnvironmentFault] = {}
    for kept in package.PACKAGES:
        try:
            place = package.found(kept)
        except EnvironmentFault as fault:
            missing[kept.suffix] = fault
        else:
            served |= {f"/engines/{name}": place / name for name in kept.files}
            there.append(kept.suffix)
    if not there:
        raise missing[package.ORT.suffix]
    told: list[dict[str, Any]] = []
    for number, path in enumerate(models):
        suffix = path.suffix.lower()
        if suffix in missing:
            raise missing[suffix]
        if suffix not in there:
            found = "a folder" if path.is_dir() else f"a file of kind {path.suffix!r}"
            raise BadInput(path, "an .onnx or .tflite file", found, "export it first: masksmith export RUN --for web")
        address = f"/models/{number}{suffix}"
        served[address] = path
        told.append(_about(path, open_model(path), address))
    moving = ""
    if clip is not None:
        if not clip.is_file():
            raise BadInput(clip, "a video", "no such file", "check the path")
        moving = f"/clip{clip.suffix.lower()}"
        if clip.suffix.lower() not in TYPES:
            raise BadInput(clip, "a video (.mp4, .webm)", f"a file of kind {clip.suffix!r}", "convert it")
        served[moving] = clip
    return Site(served, told, there, moving)


def _about(path: Path, model: Model, address: str) -> dict[str, Any]:
    return {
        "name": path.stem,
        "kind": path.suffix.lower(),
        "url": address,
        "bytes": path.stat().st_size,
        "size": list(model.size),
        "output": str(model.meta.get("output", "")),
        "inputs": [
            {"name": given.name, "kind": given.kind, "layout": given.layout, "dtype": given.dtype}
            for given in model.inputs
        ],
    }


class Server(ThreadingHTTPServer):
    """Serves a site; ``with`` starts it in the background and ends it.

    Raises:
        EnvironmentFault: the port is taken or may not be used.
    """

    daemon_threads = True

    def __init__(self, content: Site, host: str = HOST, port: int = PORT) -> None:
        self.content = content
        try:
            super().__init__((host, port), _Handler)
        except OSError as fault:
            raise EnvironmentFault(
                f"cannot serve at {host}:{port} ({fault.strerror}); choose another --port, 0 for any that is free"
            ) from None

    @property
    def url(self) -> str:
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}/"

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """The address, while a thread answers."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self.url
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        if not self._known_host():
            # a name that somebody else points at this machine must not open the page
            self._send(HTTPStatus.FORBIDDEN, ".json", b'{"error": "ask for this machine by its address"}', body)
            return
        address = self.path.split("?", 1)[0]
        if address in PAGES:
            data = resources.files("masksmith.demo").joinpath(PAGES[address]).read_bytes()
            self._send(HTTPStatus.OK, Path(PAGES[address]).suffix, data, body)
        elif address == "/site.json":
            content = self.server.content
            told = {"models": content.models, "kinds": content.kinds, "clip": content.clip}
            self._send(HTTPStatus.OK, ".json", json.dumps(told).encode(), body)
        elif address == "/favicon.ico":
            self._send(HTTPStatus.NO_CONTENT, ".json", b"", body)
        elif address in self.server.content.files:
            self._file(self.server.content.files[address], body)
        else:
            self._send(HTTPStatus.NOT_FOUND, ".json", b'{"error": "no such file"}', body)

    def _known_host(self) -> bool:
        host = re.sub(r":\d+$", "", self.headers.get("Host", "")).strip("[]").lower()
        bound = str(self.server.server_address[0])
        if bound in ("0.0.0.0", "::"):  # opened to the network on purpose
            return bool(re.fullmatch(r"[\d.]+|[0-9a-f:]+|localhost", host))
        return host in {"localhost", "127.0.0.1", "::1", bound}

    def _send(self, status: HTTPStatus, suffix: str, data: bytes, body: bool) -> None:
        self._head(status, suffix, len(data))
        if body:
            self.wfile.write(data)

    def _head(self, status: HTTPStatus, suffix: str, length: int, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(length))
        for name, value in {**HEADERS, **more}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _file(self, path: Path, body: bool) -> None:
        """A file, or the part of it that is asked for: players seek in videos."""
        try:
            handle = path.open("rb")
        except OSError:
            self._send(HTTPStatus.NOT_FOUND, ".json", b'{"error": "the file is gone"}', body)
            return
        with handle:
            size = path.stat().st_size
            part = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            first, last = 0, size - 1
            if part and any(part.groups()):
                first = int(part[1]) if part[1] else max(size - int(part[2]), 0)
                last = min(int(part[2]), size - 1) if part[1] and part[2] else size - 1
                if first > last:
                    self._head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, ".json", 0, Content_Range=f"bytes */{size}")
                    return
                told = {"Content_Range": f"bytes {first}-{last}/{size}", "Accept_Ranges": "bytes"}
                self._head(HTTPStatus.PARTIAL_CONTENT, path.suffix.lower(), last - first + 1, **told)
            else:
                self._head(HTTPStatus.OK, path.suffix.lower(), size, Accept_Ranges="bytes")
            handle.seek(first)
            left = last - first + 1 if body else 0
            with contextlib.suppress(ConnectionError):  # a player that has seen enough
                while left > 0 and (data := handle.read(min(_CHUNK, left))):
                    self.wfile.write(data)
                    left -= len(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: nothing is printed from here."""
