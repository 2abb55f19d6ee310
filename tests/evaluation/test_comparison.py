"""Evaluations side by side: the document, its tables, its page, and the command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation import comparison, region, tables, versus
from evaluation.counts import CountsBuilder
from masksmith.errors import BadInput, UsageProblem
from tests.evaluation.typed import run

EVIL = '<b>&"|$x_1$\\%{}~^'


def counts(path: Path, shift: int = 0, number: int = 24, start: int = 0, **info: Any) -> Path:
    """Images of eight subjects on two floors; ``shift`` more pixels are found than in the run it is set beside."""
    builder = CountsBuilder((0, 1), info)
    for k in range(start, start + number):
        hit = 600 + 10 * (k % 8) + shift
        row = np.array([[5000, 1000 - hit, 0, hit], [hit, 0, 1000 - hit, 5000]])
        builder.add(f"i{k}", row, subject=f"s{k % 8}", **{"group.floor": [f"oak {k % 2}"]})
    builder.build().to_parquet(path)
    return path


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    counts(tmp_path / "a" / "counts.parquet")
    counts(tmp_path / "b" / "counts.parquet", 50)
    return tmp_path / "a", tmp_path / "b"


def test_runs_are_called_after_their_folders_as_far_as_that_tells_them_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "enet" / "report", tmp_path / "linknet" / "report", tmp_path / "third"]
    for path in paths:
        counts(path / "counts.parquet")
    found = comparison.open_runs([paths[0], paths[1] / "counts.parquet", f"mine={paths[2]}"])
    assert [one.name for one in found] == ["enet/report", "linknet/report", "mine"]
    with pytest.raises(UsageProblem, match="'x'"):
        comparison.open_runs([f"x={paths[0]}", f"x={paths[1]}"])
    with pytest.raises(BadInput, match="no such file"):
        comparison.open_runs([tmp_path / "nowhere"])


def test_the_document_holds_each_runs_figures_and_the_difference_from_the_first(two: tuple[Path, Path]) -> None:
    runs = comparison.open_runs(two)
    made = comparison.document(runs, by=["floor", "area"])
    values = [region.reduce(one.counts).values["iou_fg_dataset"] for one in runs]
    assert [one["figures"]["iou_fg_dataset"]["value"] for one in made["runs"]] == pytest.approx(values)
    (difference,) = made["differences"]
    assert (difference["run"], difference["against"]) == ("b", "a")
    assert difference["figures"]["iou_fg_dataset"]["difference"] == pytest.approx(values[1] - values[0])
    assert difference["figures"]["map_at_0.5"]["better"] == "higher"
    assert set(made["slices"]["floor"]) == {"oak 0", "oak 1"}
    assert set(made["slices"]["floor"]["oak 0"]) == {"a", "b"}
    json.dumps(made, allow_nan=False)


def test_runs_about_other_images_are_refused_unless_asked_otherwise(tmp_path: Path) -> None:
    counts(tmp_path / "a" / "counts.parquet")
    counts(tmp_path / "b" / "counts.parquet", 50, number=20, start=8)
    runs = comparison.open_runs([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(BadInput, match=r"8 missing in b: i0, i1, i2, \.\.\.; 4 missing in a: i24, i25, i26, \.\.\."):
        comparison.document(runs)
    made = comparison.document(runs, common=True)
    assert [one["images"] for one in made["runs"]] == [16, 16]
    assert made["notes"] == [
        "8 images that not all runs have are left out of a",
        "4 images that not all runs have are left out of b",
    ]
    assert comparison.document(runs, unpaired=True)["differences"] == []


def test_time_and_other_figures_of_a_report_stand_beside_the_others(tmp_path: Path) -> None:
    time = {"flicker": 0.1, "intervals": {"flicker": [0.05, 0.2]}, "clips": []}
    counts(tmp_path / "a" / "counts.parquet", report={"time": time, "figures": {"ece": 0.02, "reliability": []}})
    (made,) = comparison.document(comparison.open_runs([tmp_path / "a"]))["runs"]
    assert made["figures"]["flicker"] == {"value": 0.1, "interval": [0.05, 0.2]}
    assert made["figures"]["ece"]["value"] == 0.02 and "reliability" not in made["figures"]


@pytest.fixture
def evil(two: tuple[Path, Path]) -> tuple[dict[str, Any], list[tables.Table]]:
    runs = [
        comparison.Run(name, one.path, one.counts)
        for name, one in zip((EVIL, "b"), comparison.open_runs(two), strict=True)
    ]
    made = comparison.document(runs, by=["floor"])
    return made, tables.of(made)


def test_names_cannot_break_a_markdown_table(evil: Any) -> None:
    text = tables.markdown(evil[1])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines:
        bare = re.sub(r"\\.", "", line)
        assert bare.count("|") in (4, 6, 7), line
    assert r"\<b\>" in text and "| iou\\_fg\\_image | " in text


@pytest.mark.parametrize("letter", list("&%$#_{}~^\\<>|"))
def test_every_letter_that_latex_would_take_for_a_command_is_escaped(letter: str) -> None:
    told = tables.tex(f"a{letter}b")
    assert told != f"a{letter}b" and told.startswith("a\\")


def test_latex_tables_are_booktabs_with_a_cell_for_each_column(evil: Any) -> None:
    text = tables.latex(evil[1])
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\end{table}") == len(evil[1]) == 3
    for block in text.split(r"\begin{tabular}")[1:]:
        size = len(re.match(r"\{(l?r*)\}", block)[1])  # type: ignore[index]
        rows = [line for line in block.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {size}
    if compiler := shutil.which("pdflatex"):
        whole = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + text + "\\end{document}\n"
        done = subprocess.run([compiler, "-halt-on-error"], input=whole, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout[-500:]


def test_the_page_is_escaped_and_loads_nothing(evil: Any) -> None:
    page = versus.render(evil[0], figures={"map_over_x": b"\x89PNG"})
    assert "<b>" not in page and "&lt;b&gt;" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page) and page.count("<script") == 1


def test_figures_can_be_chosen(two: tuple[Path, Path]) -> None:
    made = comparison.document(comparison.open_runs(two))
    first = tables.of(made, ["recall", "map_at_0.75"])[0]
    assert first.columns == ("Run", "images", "recall", "map_at_0.75")
    assert tables.figure(None) == tables.DASH
    assert tables.figure(-0.5, (-0.6, 0.1), signed=True) == "−0.5000 [−0.6000, +0.1000]"
    with pytest.raises(UsageProblem, match="Did you mean 'recall'"):
        tables.of(made, ["recal"])


def test_the_command_writes_tables_page_and_json(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("report", two[0], f"new={two[1]}", "--slice", "floor", "--markdown", tmp_path / "t.md")
    assert run(*words, "--latex", tmp_path / "t.tex", "--out", tmp_path / "out") == 0
    shown = capsys.readouterr()
    assert "new against a" in shown.out and "P(new higher)" in shown.out
    assert "iou_fg_image by floor" in shown.out and str(tmp_path / "out" / "report.html") in shown.out
    assert (tmp_path / "t.md").read_text().count("###") == 3
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    first = {path: (tmp_path / path).read_bytes() for path in ("t.md", "t.tex", "out/report.html", "out/report.json")}
    assert run(*words, "--latex", tmp_path / "t.tex", "--out", tmp_path / "out", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["runs"] == stored["runs"] and len(printed["written"]) == 3
    assert {path: (tmp_path / path).read_bytes() for path in first} == first


def test_a_dry_run_of_the_command_writes_nothing(two: tuple[Path, Path], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert run("report", *two, "--markdown", tmp_path / "t.md", "--figures", tmp_path / "f", "--dry-run") == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("nowhere",), 3),
        (("{a}", "{b}", "--common", "--unpaired"), 2),
        (("{a}", "--latency", "a=3"), 2),
        (("{a}", "--headline", "iou"), 2),
        (("{a}", "--slice", "flor"), 2),
        (("{a}", "--empty", "guess"), 2),
        (("{a}", "--figure", "nonsense"), 2),
    ],
)
def test_what_makes_no_sense_ends_with_its_code(two: tuple[Path, Path], words: tuple[str, ...], code: int) -> None:
    assert run("report", *(word.format(a=two[0], b=two[1]) for word in words)) == code


def test_counts_join_on_the_command_line_and_double_images_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [counts(tmp_path / f"{k}.parquet", number=8, start=8 * k) for k in range(3)]
    whole = counts(tmp_path / "whole.parquet")
    assert run("evaluate", "--from-counts", whole, "--json") == 0
    expected = json.loads(capsys.readouterr().out)
    assert run("evaluate", "--from-counts", *parts, "--out", tmp_path / "out", "--json") == 0
    joined = json.loads(capsys.readouterr().out)
    for name in ("digest", "iou_fg_image", "intervals", "images"):
        assert joined[name] == expected[name]
    assert run("evaluate", "--from-counts", tmp_path / "out" / "counts.parquet", "--json") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == expected["digest"]
    assert run("evaluate", "--from-counts", whole, "--from-counts", parts[1]) == 3
    assert "'i8', which is in" in capsys.readouterr().err
