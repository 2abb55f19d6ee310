"""The ledger of a fetch, ``.fetch.json`` in the dataset's folder: what was agreed to, what came, what did not."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loaders.download import Failure
from masksmith import files
from masksmith.errors import BadInput

NAME = ".fetch.json"
SAVE_EVERY_S = 2.0
_TABLES = ("licence", "files", "urls")


class Ledger:
    """What is known of the folder of one dataset.

    ``files`` holds, by path inside the folder, ``size``, ``sha256`` and where it came from; what stands there is
    enforced from then on. ``urls`` holds for each URL the ``result`` of the last run (``fetched`` or ``failed``), the
    ``reason`` and HTTP ``status`` of a failure, and the ``count`` of runs in which it failed.

    Args:
        folder: of the dataset.
        dataset: its name in the registry.

    Raises:
        BadInput: the folder is another dataset's, or its ledger is broken.
    """

    def __init__(self, folder: Path, dataset: str) -> None:
        self.path = folder / NAME
        self.folder = folder
        self.data: dict[str, Any] = {"dataset": dataset, **{table: {} for table in _TABLES}}
        self._saved = 0.0
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return
        except ValueError as fault:
            raise BadInput(self.path, "a ledger in JSON", str(fault), "restore it, or give another --to") from None
        whole = isinstance(found, dict) and all(_table(found.get(table)) for table in _TABLES)
        if not whole or found.get("dataset") != dataset:
            held = repr(found.get("dataset")) if isinstance(found, dict) else "something else"
            raise BadInput(self.path, f"the ledger of {dataset!r}", held, "give another --to")
        self.data = found

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Path inside the folder to what is known of it."""
        table: dict[str, dict[str, Any]] = self.data["files"]
        return table

    @property
    def urls(self) -> dict[str, dict[str, Any]]:
        """URL to how it went."""
        table: dict[str, dict[str, Any]] = self.data["urls"]
        return table

    def agreed(self, terms: Mapping[str, str]) -> bool:
        """Whether just these terms were accepted for this folder."""
        return bool(self.data["licence"] == dict(terms))

    def agree(self, terms: Mapping[str, str]) -> None:
        """Note that these terms were accepted."""
        self.data["licence"] = dict(terms)

    def came(self, url: str) -> None:
        """Note that a URL gave what was wanted."""
        self.urls[url] = {"result": "fetched", "reason": None, "status": 200, "count": self._count(url)}

    def failed(self, failure: Failure) -> None:
        """Note that a URL gave nothing."""
        self.urls[failure.url] = {
            "result": "failed",
            "reason": failure.reason,
            "status": failure.status,
            "count": self._count(failure.url) + 1,
        }

    def _count(self, url: str) -> int:
        return int(self.urls.get(url, {}).get("count", 0))

    def save(self, *, now: bool = True) -> None:
        """Write it, atomically; without ``now`` only where the last time is a while ago."""
        if now or time.monotonic() - self._saved >= SAVE_EVERY_S:
            files.write_json(self.path, self.data)
            self._saved = time.monotonic()


def _table(value: Any) -> bool:
    return isinstance(value, dict)
