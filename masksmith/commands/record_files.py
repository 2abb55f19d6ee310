"""The pictures of a record, wherever they lie: in a folder, in a tar shard, behind a URL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from masksmith.errors import BadInput, EnvironmentFault

if TYPE_CHECKING:
    from manifests import Manifest


@contextmanager
def local(manifest: Manifest, path: str) -> Iterator[Path]:
    """A local file with the bytes of a record's file; one behind a URL is fetched for as long as the block lasts.

    ``tar://MEMBER::SHARD`` is a member of a tar beside the manifest.

    Raises:
        BadInput: it is not there.
        EnvironmentFault: a library that is missing, or no answer.
    """
    from manifests.manifest import is_url

    if not is_url(path):
        yield manifest.path(path)
        return
    import fsspec  # type: ignore[import-untyped]

    try:
        with fsspec.open(manifest.url(path), "rb") as handle:
            data = handle.read()
    except (FileNotFoundError, KeyError):
        raise BadInput(f"{manifest.folder}: {path}", "a file of the dataset", "none", "restore it") from None
    except (ImportError, OSError) as fault:
        raise EnvironmentFault(f"{path}: cannot be read ({' '.join(str(fault).split())[:200]})") from None
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"file{Path(path.partition('::')[0]).suffix}"
        place.write_bytes(data)
        yield place
