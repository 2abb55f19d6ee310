"""A JSON object read in a stream is the one that json reads at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.formats import jsonstream
from masksmith.errors import BadInput

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def gathered(path: Path) -> dict[str, Any]:
    """Values of the document; a list for the items of an array (an empty one does not show)."""
    found: dict[str, Any] = {}
    for key, value in jsonstream.items(path):
        found.setdefault(key, []).append(value)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(st.text(max_size=5), VALUES, max_size=5), indent=st.sampled_from([None, 0, 3]))
@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_every_item_comes_whatever_is_read_at_a_time(
    chunk: int, document: dict[str, Any], indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonstream, "CHUNK", chunk)
    (tmp_path / "a.json").write_text(json.dumps(document, indent=indent), encoding="utf-8")
    expected = {key: value if isinstance(value, list) else [value] for key, value in document.items() if value != []}
    assert gathered(tmp_path / "a.json") == expected


@pytest.mark.parametrize("text", ["", "[1]", '{"a": [1, 2', '{"a": [1 2]}', '{"a": 1,', "{1: 2}", '{"a": [1,]}', "x"])
def test_what_is_no_json_object_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadInput, match=r"a\.json"):
        list(jsonstream.items(tmp_path / "a.json"))
