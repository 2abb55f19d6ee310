"""README.md and the guides do what they say: every block is run, small, from nothing but the installed packages."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.docs import blocks, lines
from tests.docs.blocks import GUIDES, METRICS, README, ROOT, Block

SHELL = {"ls", "cat", "head", "cp", "rm"}
WRITTEN = [*(block for page in (README, *GUIDES) for block in blocks.blocks(page) if block.language in ("", "sh"))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")
    return tmp_path


def run_python(block: Block, known: dict[str, object]) -> None:
    exec(compile("\n" * block.line + block.text, str(block), "exec"), {"__name__": "block", **known})


def parts(line: str) -> list[str]:
    """The commands of a line joined by ``&&``."""
    return [part.strip() for part in line.split("&&")]


def all_lines() -> Iterator[tuple[Block, str]]:
    for block in WRITTEN:
        for line in blocks.commands(block.text):
            for part in parts(line):
                yield block, part


def try_line(block: Block, line: str, *, slow: bool) -> None:
    row = lines.LINES[line]
    if row.before is not None and (slow or not row.slow):
        row.before()
    if row.why is None and (slow or not row.slow):
        code, printed = blocks.typed(row.run or line)
        assert code == row.code, f"{block}: {row.run or line}\nended with {code}:\n{printed[-3000:]}"


def test_every_line_has_a_row_and_every_row_a_line() -> None:
    found = {line: str(block) for block, line in all_lines()}
    unknown = {line: place for line, place in found.items() if line not in lines.LINES}
    assert not unknown, "say in tests/docs/lines.py how these are tried"
    assert not set(lines.LINES) - set(found), "rows in tests/docs/lines.py without a line in README.md or a guide"


def test_every_block_is_of_a_kind_that_is_tried() -> None:
    for page in (README, *GUIDES):
        for block in blocks.blocks(page):
            assert block.language in ("", "sh", "console", "python"), block
            if block.language == "console":
                for step in blocks.steps(block):
                    assert step.line.split()[0] in {"masksmith", *SHELL} or step.line == "echo $?", (
                        f"{block}: {step.line}"
                    )


def test_every_fence_is_closed() -> None:
    for page in (README, *GUIDES, *METRICS):
        fences = re.findall("^ *```", page.read_text(encoding="utf-8"), re.M)
        assert len(fences) == 2 * len(blocks.blocks(page)), page


def test_every_option_of_every_line_exists() -> None:
    for _, line in all_lines():
        if line.startswith("masksmith "):
            blocks.parsed(line)
            blocks.parsed(lines.LINES[line].run or line)


@pytest.mark.parametrize("page", [README, *GUIDES, *METRICS, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_commands_and_options_between_back_ticks_exist(page: Path) -> None:
    known = blocks.options()
    for text in blocks.inline(page):
        if text.startswith("masksmith ") and re.match("[a-z]", text.split()[1]):
            blocks.mentioned(text)
        elif text.startswith("--") and page != ROOT / "CONTRIBUTING.md":
            assert re.split("[ =]", text)[0] in known, f"{page.name}: {text}"


def test_what_sets_up_an_environment_is_a_target_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in [line for line in lines.LINES if line.startswith("make ")]:
        assert re.search(rf"^{line.split()[1]}:", makefile, re.M), line


def test_the_lines_of_the_readme_run(folder: Path) -> None:
    the_readme(slow=False)


@pytest.mark.slow
def test_the_long_lines_of_the_readme_run_too(folder: Path) -> None:
    the_readme(slow=True)


def the_readme(*, slow: bool) -> None:
    lines.workshop()
    for block in blocks.blocks(README):
        if block.language == "python":
            frames = [np.zeros((48, 64, 3), np.uint8)]
            run_python(block, {"frames": frames})
            continue
        for line in blocks.commands(block.text):
            for part in parts(line):
                try_line(block, part, slow=slow)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide_prints_what_it_says(page: Path, folder: Path) -> None:
    if "parametric:" in page.read_text(encoding="utf-8"):
        pytest.importorskip("anny", reason="made feet need the extra 'feet'")
    code = 0
    for block in blocks.blocks(page):
        if block.language == "python":
            run_python(block, {})
        elif block.language == "console":
            for step in blocks.steps(block):
                if step.line == "echo $?":
                    assert step.shown[0] == str(code), f"{block}: exit code {code}"
                    code = 0
                    continue
                assert not code, f"{block}: the line before {step.line!r} ended with {code}"
                code, printed = run_line(step.line)
                lacking = list(blocks.lacking(step.shown, printed))
                assert not lacking, f"{block}: {step.line}\ndid not print {lacking[0]!r} there, but\n{printed}"
    assert not code


def run_line(line: str) -> tuple[int, str]:
    if line.startswith("masksmith "):
        return blocks.typed(line)
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stdout + done.stderr
