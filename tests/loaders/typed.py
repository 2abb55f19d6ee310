"""``masksmith prepare folders`` as it is typed, and what it wrote."""

from __future__ import annotations

from pathlib import Path

from manifests import Manifest, Record
from masksmith import cli, files


def make(*arguments: str | Path) -> None:
    cli.main(["prepare", "folders", *map(str, arguments), "--engine", "serial"])


def records(folder: Path) -> list[Record]:
    return list(Manifest.open(folder).records())


def written(folder: Path) -> dict[str, str]:
    """Every file that is part of the dataset, with its SHA-256."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and ".receipts" not in p.parts)
    return {p.relative_to(folder).as_posix(): files.sha256(p) for p in found}


def prepared(name: str, root: Path, out: Path, *arguments: str | Path) -> Manifest:
    """What ``masksmith prepare NAME`` made of a folder."""
    cli.main(["prepare", name, "--from", str(root), "--to", str(out), *map(str, arguments), "--engine", "serial"])
    return Manifest.open(out)
