"""What a page shows in fences, and commands of it as they are typed."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from docs import reference
from masksmith import cli

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
METRICS = sorted((ROOT / "docs" / "metrics").glob("*.md"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
_PROGRESS = re.compile(r"^[\w ]+: [\d,]+/[\d,]+ ")
_RULES = re.compile("[━─┃│┏┓┗┛┡┩┳┻╇└┘┴┬┌┐╞╡╪]+")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line of its fence, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(page, text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in _FENCE.finditer(text)]


def inline(page: Path) -> list[str]:
    """What stands between single back-ticks outside of the fences, line breaks made spaces."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def bare(line: str) -> str:
    """A line without its comment: from `` #`` or, for a remark in brackets, three spaces on."""
    return re.split(r"\s+#\s|\s{3,}\(", line)[0].strip()


def commands(text: str) -> list[str]:
    """The lines of a block that has no prompt, without their comments."""
    return [bare(line) for line in text.splitlines() if bare(line)]


@dataclass(frozen=True)
class Step:
    """A line behind the prompt of a console block, and what is shown to come of it."""

    line: str
    shown: tuple[str, ...]


def steps(block: Block) -> list[Step]:
    """The lines behind ``$`` with what stands under each."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{block}: {line!r} stands before any command"
            found[-1][1].append(line)
    return [Step(line, tuple(shown)) for line, shown in found]


def typed(line: str) -> tuple[int, str]:
    """The exit code of a ``masksmith ...`` line and all it printed; where there is a choice of engine, serial."""
    words = shlex.split(line, comments=True)
    assert words[0] == "masksmith", line
    words = words[1:]
    if "--engine" not in words and any("--engine" in each.opts for each in target(words)[0].params):
        words += ["--engine", "serial"]
    held = io.StringIO()
    with contextlib.redirect_stdout(held), contextlib.redirect_stderr(held):
        try:
            cli.main(words)
            code = 0
        except SystemExit as done:
            code = int(done.code or 0)
    return code, held.getvalue()


def target(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words call, and the words that are left for it."""
    command: click.Command = cli.group
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"no such command: {words[0]}"
        command, words = found, words[1:]
    return command, words


def parsed(line: str) -> None:
    """Read a ``masksmith ...`` line as far as its options: each must exist and have its values.

    Raises:
        click.UsageError: an option that the command does not have, or one without its value.
    """
    command, words = target(shlex.split(line, comments=True)[1:])
    command.make_parser(click.Context(command)).parse_args(words)


def mentioned(text: str) -> None:
    """Look at a command in running text, which may be cut short: the command and its options must exist."""
    command, words = target([word for word in text.split()[1:] if word != "..."])
    own = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help", "--version"}
    for word in words:
        if word.strip("[]").startswith("--"):
            assert re.split("[=]", word.strip("[]"))[0] in own, f"{text}: {word}"


def options() -> set[str]:
    """The options of all commands."""
    params = [each for _, command in reference.commands() for each in command.params]
    return {name for each in params for name in (*each.opts, *each.secondary_opts)} | {"--help"}


def lacking(shown: tuple[str, ...], printed: str) -> Iterator[str]:
    """The first shown line that was not printed in this order; numbers, widths and folders may differ."""
    lines = iter([_plain(line) for line in printed.splitlines() if not _PROGRESS.match(line)])
    for line in shown:
        wanted = _plain(line)
        if wanted in ("", "..."):
            continue
        if not any(line == wanted for line in lines):
            yield line
            return


def _plain(line: str) -> str:
    text = re.sub(r"(?<!\w)/\S+/", "/", _RULES.sub(" ", line))
    text = re.sub(r"\b[0-9a-f]{32,}\b", "0", text)
    return " ".join(re.sub(r"[+−-]?\d+(\.\d+)?(e-?\d+)?", "0", text).split())
