"""How fast and how sparingly files are fetched: ``python benchmarks/fetching.py [--json] [--mb 500]``.

A server on loopback, in a process of its own, sends one large file:

- ``fetch_over_curl`` >= 0.8: bytes a second of our fetch over those of ``curl -o``, taking turns, median of the rounds.
  curl checks nothing, and our fetch knows the SHA-256 at its end, so on a machine whose SHA-256 (``sha256_mb_per_s``)
  is slower than its loopback this is a race of the two; on a network, both are as fast as the network;
- ``fetch_over_checked_curl``: over ``curl -o`` followed by ``sha256sum``, which brings the same knowledge;
- ``resume_extra`` <= 1.02: bytes that the server sent for a download cut at 20 random places, over one whole file.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loaders.download import Wanted, download
from loaders.line import Line, Patience
from masksmith import console, files

CUTS = 20
GIGABIT = 125.0  # MB a second
SERVER = """
import os, socket, sys, time
data = open(sys.argv[1], "rb")
size = os.path.getsize(sys.argv[1])
pace = float(sys.argv[2]) * 1e6  # bytes a second; 0 = as fast as it goes
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
while True:
    client, _ = listening.accept()
    with client:
        client.recv(65536)
        head = b"HTTP/1.1 200 OK\\r\\nETag: \\"1\\"\\r\\nContent-Length: %d\\r\\n" % size
        client.sendall(head + b"Connection: close\\r\\n\\r\\n")
        try:
            if not pace:
                client.sendfile(data, 0)
                continue
            begun, done = time.perf_counter(), 0
            while done < size:
                done += client.sendfile(data, done, 1 << 18)
                time.sleep(max(0.0, begun + done / pace - time.perf_counter()))
        except OSError:
            pass
"""


def speed(scratch: Path, megabytes: int, rounds: int, pace: float = 0) -> dict[str, Any]:
    """``fetch_over_curl``, from a server that sends ``pace`` MB a second (0 = as fast as it goes)."""
    source = scratch / "source.bin"
    block = random.Random(0).randbytes(1 << 20)
    with source.open("wb") as handle:
        for _ in range(megabytes):
            handle.write(block)
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(source), str(pace)], stdout=subprocess.PIPE, text=True)
    try:
        if server.stdout is None:
            raise OSError("the server has no output")
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/file"
        times: dict[str, list[float]] = {"ours": [], "checked": [], "bare": []}
        for turn in range(rounds + 1):
            for name in times:
                out = scratch / f"{name}.bin"
                out.unlink(missing_ok=True)
                os.sync()
                start = time.perf_counter()
                if name == "ours":
                    download(Wanted(out, (url,)), Line())
                else:
                    subprocess.run(["curl", "-s", "-o", str(out), url], check=True)
                    if name == "checked":
                        subprocess.run(["sha256sum", str(out)], check=True, capture_output=True)
                passed = time.perf_counter() - start
                if out.stat().st_size != source.stat().st_size:
                    raise OSError(f"{name} brought {out.stat().st_size} bytes")
                if turn:
                    times[name].append(passed)
    finally:
        server.kill()
        server.wait()
    rates = {name: megabytes / statistics.median(found) for name, found in times.items()}
    over = {
        name: statistics.median(b / a for a, b in zip(times["ours"], times[name], strict=True))
        for name in ("checked", "bare")
    }
    start = time.perf_counter()
    files.digest(block * 64)
    return {
        "fetch_over_curl": over["bare"],
        "fetch_over_checked_curl": over["checked"],
        "sha256_mb_per_s": 64 / (time.perf_counter() - start),
        "mb_per_s": rates,
    }


def resumed(scratch: Path, megabytes: int = 64) -> dict[str, Any]:
    """``resume_extra``: a server that cuts at random places, and counts what it sent."""
    rng = random.Random(1)
    data = rng.randbytes(megabytes << 20)
    places = sorted(rng.sample(range(1, len(data)), CUTS))
    sent = 0
    answers = 0
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        nonlocal sent, answers
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                asked = client.recv(65536).decode("latin-1").lower()
                start = int(asked.split("range: bytes=")[1].split("-")[0]) if "range: bytes=" in asked else 0
                end = places[answers] if answers < CUTS else len(data)
                answers += 1
                status = f"206 Partial Content\r\nContent-Range: bytes {start}-{len(data) - 1}/{len(data)}"
                head = f'HTTP/1.1 {status if start else "200 OK"}\r\nETag: "1"\r\nContent-Length: {len(data) - start}'
                client.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
                client.sendall(data[start : max(start, end)])
                sent += max(0, end - start)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    out = scratch / "resumed.bin"
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/file"
    wanted = Wanted(out, (url,), len(data), files.digest(data))
    download(wanted, Line(Patience(tries=CUTS + 2, backoff_s=0.001)))
    listening.close()
    return {"resume_extra": sent / len(data), "cuts": answers - 1}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--mb", type=int, default=500, help="size of the file")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        told = {**speed(Path(place), given.mb, given.rounds), **resumed(Path(place))}
        slow = speed(Path(place), given.mb, min(given.rounds, 3), GIGABIT)
        told["fetch_over_curl_gigabit"] = slow["fetch_over_curl"]
    if given.json:
        console.emit_json(told)
        return
    for name, value in told.items():
        console.say(f"{name:24} {value}")


if __name__ == "__main__":
    main()
