"""Croissant 1.0: images, masks and ``croissant.json``, which ``mlcroissant`` reads pixels and columns with.

Three sets of records: ``lines`` (a record each, with the names of its files), ``images`` and ``masks`` (a file name and
its pixels each).
"""

from __future__ import annotations

import mimetypes
from typing import Any

from loaders.formats.form import Whole
from loaders.formats.trees import Tree
from manifests import croissant
from masksmith import files

TREE = Tree("images", "masks", "instances", "records.jsonl")
DOCUMENT = "croissant.json"
_COLUMNS = {
    "id": "sc:Text",
    "subject": "sc:Text",
    "split": "sc:Text",
    "clip": "sc:Text",
    "frame": "sc:Integer",
    "source": "sc:Text",
    "width": "sc:Integer",
    "height": "sc:Integer",
    "record": "sc:Text",
}


def finish(whole: Whole) -> None:
    """The lines, and the document that says what they and the files are."""
    TREE.finish(whole)
    lines = whole.out / TREE.lines
    sha256 = files.sha256(lines)
    distribution: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": "lines-file",
            "name": "lines-file",
            "contentUrl": TREE.lines,
            "encodingFormat": "application/jsonlines",
            "sha256": sha256,
        }
    ]
    sets = [_lines_set()]
    for folder in (TREE.images, TREE.masks):
        place = whole.out / folder
        suffixes = {path.suffix.lower() for path in place.iterdir()} if place.is_dir() else set()
        if suffixes:
            distribution.append(_file_set(folder, suffixes))
            sets.append(_pictures_set(folder))
    info = whole.info
    document = {
        **croissant.document(info, sha256),
        "distribution": distribution,
        "recordSet": sets,
        "version": info.version if info.version.count(".") == 2 else f"{info.version}.0.0",
        "description": info.description or f"{info.name}: {whole.records} records",
    }
    files.write_json(whole.out / DOCUMENT, document)


def _file_set(folder: str, suffixes: set[str]) -> dict[str, Any]:
    kinds = sorted({mimetypes.types_map.get(suffix, "application/octet-stream") for suffix in suffixes})
    return {
        "@type": "cr:FileSet",
        "@id": f"{folder}-files",
        "name": f"{folder}-files",
        "encodingFormat": kinds if len(kinds) > 1 else kinds[0],
        "includes": f"{folder}/*",
    }


def _lines_set() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "lines",
        "name": "lines",
        "key": {"@id": "lines/id"},
        "field": [
            *(_column("lines", name, name, kind) for name, kind in _COLUMNS.items()),
            _column("lines", "image_file", "file_name", "sc:Text"),
            _column("lines", "mask_file", "mask_file_name", "sc:Text"),
        ],
    }


def _pictures_set(folder: str) -> dict[str, Any]:
    def of_file(name: str, kind: str, what: str) -> dict[str, Any]:
        return {
            "@type": "cr:Field",
            "@id": f"{folder}/{name}",
            "name": name,
            "dataType": kind,
            "source": {"fileSet": {"@id": f"{folder}-files"}, "extract": {"fileProperty": what}},
        }

    fields = [of_file("file", "sc:Text", "filename"), of_file("content", "sc:ImageObject", "content")]
    return {"@type": "cr:RecordSet", "@id": folder, "name": folder, "field": fields}


def _column(owner: str, name: str, column: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{owner}/{name}",
        "name": name,
        "dataType": kind,
        "source": {"fileObject": {"@id": "lines-file"}, "extract": {"column": column}},
    }
