"""A file server on loopback that can behave as badly as real ones do."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Served:
    """A file and how it is served.

    Attributes:
        etag, modified: validators; None for none.
        ranges: whether Range is honoured.
        cuts: lengths after which the next answers are cut off.
        refusals: (status, headers) that the next answers are instead.
        redirect: where to send everybody.
        claims: Content-Length that is told instead of the true one; None for the true one, -1 for none.
        ignores_if_range: honours Range although the file has changed.
        pause_s: wait between pieces.
        gate: what every answer waits for.
    """

    data: bytes = b""
    etag: str | None = None
    modified: str | None = None
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    redirect: str | None = None
    claims: int | None = None
    ignores_if_range: bool = False
    pause_s: float = 0.0
    gate: threading.Event | None = None
    kind: str = "application/octet-stream"
    requests: list[dict[str, Any]] = field(default_factory=list)


class FileServer:
    """``files`` maps paths to what is served there; requests are kept with their arrival times."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.files: dict[str, Served] = {}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def serve(self, path: str, data: bytes = b"", **how: Any) -> Served:
        self.files[f"/{path}"] = served = Served(data, **how)
        return served


def handler(find: Callable[[], FileServer]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.answer(find().files.get(self.path.split("?")[0]))

        def head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Connection": "close", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def answer(self, served: Served | None) -> None:
            if served is None:
                self.head(404, {"Content-Length": "0"})
                return
            served.requests.append({"at": time.monotonic(), **{k.lower(): v for k, v in self.headers.items()}})
            if served.gate:
                served.gate.wait(10)
            if served.redirect:
                self.head(302, {"Location": served.redirect, "Content-Length": "0"})
                return
            if served.refusals:
                status, headers = served.refusals.pop(0)
                self.head(status, {"Content-Length": "0", **headers})
                return
            self.send(served)

        def send(self, served: Served) -> None:
            asked = self.headers.get("Range")
            proof = self.headers.get("If-Range")
            same = served.ignores_if_range or proof in (None, served.etag, served.modified)
            start = int(asked.split("=")[1].split("-")[0]) if asked and served.ranges and same else 0
            headers = {"Content-Type": served.kind, "Content-Length": str(len(served.data) - start)}
            if served.etag:
                headers["ETag"] = served.etag
            if served.modified:
                headers["Last-Modified"] = served.modified
            if served.claims is not None:
                headers["Content-Length"] = str(served.claims)
            if served.claims == -1:
                del headers["Content-Length"]
            if start >= len(served.data) and start:
                self.head(416, {"Content-Range": f"bytes */{len(served.data)}", "Content-Length": "0"})
                return
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(served.data) - 1}/{len(served.data)}"
            self.head(206 if start else 200, headers)
            body = served.data[start:]
            if served.cuts:
                body = body[: served.cuts.pop(0)]
            for place in range(0, len(body), 1 << 16):
                self.wfile.write(body[place : place + (1 << 16)])
                self.wfile.flush()
                time.sleep(served.pause_s)

    return Handler


@contextlib.contextmanager
def running() -> Iterator[FileServer]:
    """A server in a thread, on a free port of 127.0.0.1."""
    box: list[FileServer] = []
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(lambda: box[0]))
    box.append(FileServer(listening.server_address[1]))
    thread = threading.Thread(target=lambda: listening.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield box[0]
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
