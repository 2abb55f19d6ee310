"""The pages say what the code has: every metric its page and its example, every command its row, one version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from docs import reference
from evaluation import boundary, calibration, coco, matting, region, skipping, temporal
from masksmith import __version__
from tests.docs import blocks
from tests.docs.blocks import GUIDES, METRICS, README, ROOT

INDEX = ROOT / "docs" / "metrics" / "README.md"
PAGES = [page for page in METRICS if page != INDEX]
ROW = re.compile(r"^\| `(\w+)` \|([^|]*)\| \[[^]]+\]\((\w+\.md)\) \|", re.M)
LOWER = {"hausdorff95", "ece", "brier", *matting.CONVENTIONS, *temporal.CONVENTIONS} - temporal.HIGHER


def printed() -> Iterator[str]:
    """The names under which commands print figures."""
    for conventions in (region, boundary, temporal, calibration, matting, coco, skipping):
        yield from conventions.CONVENTIONS
    yield from ("map_at_x", "sweep", "skip_curve", "intervals", "p_higher", "p_value", "difference", "reliability")


def rows() -> dict[str, tuple[str, str]]:
    """Name -> (which way is better, page) of the index."""
    return {m[1]: (m[2].strip(), m[3]) for m in ROW.finditer(INDEX.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", sorted(set(printed())))
def test_every_figure_that_a_command_prints_stands_on_a_page(name: str) -> None:
    homes = [page.name for page in PAGES if f"`{name}`" in page.read_text(encoding="utf-8")]
    assert homes, f"no page of docs/metrics names {name}"
    if name in rows():
        assert rows()[name][1] in homes


def test_every_figure_of_masks_stands_in_the_index_and_leads_to_a_page() -> None:
    figures = {name for each in (region, boundary, temporal, calibration, matting, coco) for name in each.CONVENTIONS}
    assert figures <= set(rows())
    assert {page for _, page in rows().values()} == {page.name for page in PAGES}


def test_the_index_says_which_way_is_better_as_the_code_does() -> None:
    for name, (better, _) in rows().items():
        if name == "flicker_excess":
            assert better == "0"
        elif name in LOWER:
            assert better == "lower", name
        elif name in region.CONVENTIONS or name in boundary.HIGHER | temporal.HIGHER or name in coco.CONVENTIONS:
            assert better == "higher", name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_example_of_a_metric_gives_the_value_it_states(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = [block for block in blocks.blocks(page) if block.language == "python"]
    assert examples, f"{page.name} has no example"
    for block in examples:
        assert "assert " in block.text, block
        exec(compile("\n" * block.line + block.text, str(block), "exec"), {"__name__": "block"})


def test_the_reference_of_the_command_line_is_what_the_commands_say_now() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == reference.page(), "run: python docs/reference.py"


def test_examples_in_the_help_of_commands_name_options_that_exist() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    tried = 0
    for example in re.findall(r"^Example:\n\n```\n(.*?)^```", text, re.S | re.M):
        for line in blocks.commands(example):
            if line.startswith("masksmith "):
                blocks.parsed(line)
                tried += 1
    assert tried > 80


@pytest.mark.parametrize("page", [README, *GUIDES, *METRICS, ROOT / "docs" / "cli.md", *ROOT.glob("[CS]*.md")], ids=str)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", found.lower()).replace(" ", "-") for found in re.findall("^#+ (.+)$", text, re.M)
    }
    for link in re.findall(r"\]\(([^)]+)\)", text):
        place, _, heading = link.partition("#")
        assert not place or (page.parent / place).exists(), f"{page.name}: {link}"
        assert place or heading in headings, f"{page.name}: {link}"


def test_the_citation_is_of_this_version() -> None:
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(told)
    assert told["cff-version"] == "1.2.0"
    assert told["version"] == __version__
    assert told["authors"] == [{"name": "The masksmith authors"}]
    assert told["license"] == "Apache-2.0"
