"""ONNX Runtime for browsers: fetched once with npm, checked against its known digest, kept in a cache folder.

The project holds none of it. Version and digest stand here, so that every machine runs the same files.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault

NAME = "onnxruntime-web"
VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package file, base64, as npm writes it into lock files."""
FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
_RECEIPT = "receipt.json"
_LIMIT = 64 * 1024 * 1024  # bytes of one file; the largest has 27 million


def folder() -> Path:
    """Where the files are kept: below ``XDG_CACHE_HOME``, or ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "masksmith" / NAME / VERSION


def found(place: Path | None = None) -> Path:
    """The folder with the files, every one as it was fetched.

    Raises:
        EnvironmentFault: not fetched yet, or changed since.
    """
    place = place or folder()
    try:
        sizes = json.loads((place / _RECEIPT).read_text())["sizes"]
        whole = all((place / name).stat().st_size == sizes[name] for name in FILES)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise EnvironmentFault(
            f"{NAME} {VERSION}, which runs networks in the browser, is not in {place}; "
            "fetch it once with npm: masksmith demo --fetch"
        )
    return place


def fetch(package: str | os.PathLike[str] | None = None, place: Path | None = None) -> Path:
    """Fetch the package with npm, or take a file that was fetched elsewhere, and keep what the page needs of it.

    Args:
        package: a package file (``npm pack onnxruntime-web@VERSION`` makes it); None = let npm fetch it.
        place: where to keep it; None = :func:`folder`.

    Raises:
        BadInput: the package's digest is another than the known one, or a file is missing in it.
        EnvironmentFault: no npm, or it cannot fetch.
    """
    place = place or folder()
    if package is not None:
        return _unpack(Path(package), place)
    npm = shutil.which("npm")
    by_hand = f"or run `npm pack {NAME}@{VERSION}` where that works and name the file: masksmith demo --package FILE"
    if npm is None:
        raise EnvironmentFault(f"npm is not installed, and {NAME} comes with it; install it (Debian: npm), {by_hand}")
    with tempfile.TemporaryDirectory() as work:
        line = [npm, "pack", f"{NAME}@{VERSION}", "--pack-destination", work, "--silent"]
        done = subprocess.run(line, cwd=work, capture_output=True, text=True)
        packed = sorted(Path(work).glob("*.tgz"))
        if done.returncode or not packed:
            last = next((text for text in reversed(done.stderr.splitlines()) if text.strip()), "no reason given")
            raise EnvironmentFault(f"npm cannot fetch {NAME} {VERSION} ({last.strip()}); try later, {by_hand}")
        return _unpack(packed[0], place)


def _unpack(package: Path, place: Path) -> Path:
    try:
        with package.open("rb") as handle:
            known = base64.b64encode(hashlib.file_digest(handle, "sha512").digest()).decode()
    except OSError as fault:
        raise BadInput(package, "a package file", fault.strerror or str(fault), "check the path") from None
    if not hmac.compare_digest(f"sha512-{known}", INTEGRITY):
        wanted = f"{NAME} {VERSION} with the digest {INTEGRITY[:19]}..."
        raise BadInput(package, wanted, f"sha512-{known[:12]}...", "fetch it again; nothing was kept")
    sizes: dict[str, int] = {}
    with tarfile.open(package) as archive:
        for name in FILES:
            try:
                member = archive.getmember(f"package/dist/{name}")
            except KeyError:
                raise BadInput(package, f"package/dist/{name}", "no such file in it", "fetch it again") from None
            source = archive.extractfile(member)
            if source is None or member.size > _LIMIT:
                raise BadInput(package, f"{name} as a file of usual size", "something else", "fetch it again")
            files.write_bytes(place / name, source.read())
            sizes[name] = member.size
    files.write_json(place / _RECEIPT, {"name": NAME, "version": VERSION, "integrity": INTEGRITY, "sizes": sizes})
    return place
