"""The reference of the command line, docs/cli.md, written from the commands themselves.

``python docs/reference.py`` writes it, ``python docs/reference.py --check`` says whether it is up to date (exit code 1
where it is not). Nothing in it depends on the machine or on the width of a terminal.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from masksmith import cli
from masksmith.errors import CheckFailed

PAGE = Path(__file__).resolve().parent / "cli.md"
_HEAD = """# Command line

Written by `python docs/reference.py` from the commands' own help; `masksmith COMMAND --help` says the same. What a
command is for and how commands follow one another stands in the guides: [generate](guides/generate.md),
[prepare](guides/prepare.md), [evaluate](guides/evaluate.md).

`--json` prints one JSON document to standard output; progress, notes and warnings go to standard error. `--dry-run`
says what would be done and writes nothing. Exit codes: 0 done, 1 a check failed, 2 usage, 3 bad input data,
4 environment.
"""


def page() -> str:
    """All of docs/cli.md."""
    found = list(commands())
    rows = [_row(name, command) for name, command in found]
    table = "\n".join(["| command | what it does |\n|---|---|", *rows, ""])
    return "\n".join([_HEAD, table, *(section(name, command) for name, command in found)])


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and sub-command with its name, ``manifest show``, in the order of the front door."""
    context = click.Context(cli.group)
    for name in cli.COMMANDS:
        command = cli.group.get_command(context, name)
        if command is None:
            raise LookupError(name)
        yield from _with_parts(name, command)


def section(name: str, command: click.Command) -> str:
    """The part of the page about one command."""
    text, example = _told(command)
    lines = [f"## masksmith {name}\n", f"    masksmith {name} {_usage(command)}".rstrip() + "\n", text + "\n"]
    if example:
        lines.append("Example:\n\n```\n" + example + "\n```\n")
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if options:
        lines.append("| option | what it does | default |\n|---|---|---|")
        lines += [_option(one) for one in options]
        lines.append("")
    return "\n".join(lines)


def _with_parts(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), part)
            if inner is not None:
                yield from _with_parts(f"{name} {part}", inner)


def _row(name: str, command: click.Command) -> str:
    first = _told(command)[0].split("\n\n")[0].replace("\n", " ")
    return f"| [{name}](#masksmith-{name.replace(' ', '-')}) | {_cell(first)} |"


def _told(command: click.Command) -> tuple[str, str]:
    """The help without click's marks, and the lines of its example."""
    text, _, example = inspect.cleandoc(command.help or "").partition("\b\nExample:\n")
    return text.strip(), inspect.cleandoc(example)


def _usage(command: click.Command) -> str:
    words = ["[OPTIONS]"] if any(isinstance(one, click.Option) for one in command.params) else []
    for one in command.params:
        if isinstance(one, click.Argument):
            word = (one.metavar or (one.name or "").upper()).strip("[].") + ("..." if one.nargs < 0 else "")
            words.append(word if one.required else f"[{word}]")
    return " ".join([*words, "COMMAND"] if isinstance(command, click.Group) else words)


def _option(option: click.Option) -> str:
    """A row of the table; what the help says of the default in brackets goes to the default's column."""
    said = re.search(r" ?\[default: ([^]]*)\]", option.help or "")
    text = (option.help or "").replace(said[0], "") if said else option.help or ""
    return f"| {_name(option)} | {_cell(text)} | {_cell(said[1]) if said else _default(option)} |"


def _name(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.secondary_opts:
        return names + ", " + ", ".join(f"`{name}`" for name in option.secondary_opts)
    if option.is_flag:
        return names
    return f"{names} {_cell(_kind(option))}"


def _kind(option: click.Option) -> str:
    kind = option.type
    if option.metavar:
        return option.metavar
    if isinstance(kind, click.Choice):
        return "one of " + ", ".join(f"`{one}`" for one in kind.choices)
    name = {"integer": "INTEGER", "float": "NUMBER", "text": "TEXT"}.get(kind.name.replace(" range", ""), "PATH")
    if not isinstance(kind, click.IntRange | click.FloatRange):
        return name
    least = "" if kind.min is None else f"{'above' if kind.min_open else 'from'} {kind.min:g}"
    most = "" if kind.max is None else f"{'below' if kind.max_open else 'to'} {kind.max:g}"
    return " ".join(part for part in (name, least, most) if part)


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if not option.show_default or option.default is None:
        return ""
    if option.secondary_opts:
        return f"`{(option.opts if option.default else option.secondary_opts)[0]}`"
    return f"`{option.default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where docs/cli.md is not up to date.")
def reference(check: bool) -> None:
    """Write docs/cli.md from the commands."""
    made = page()
    if check:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made:
            raise CheckFailed(f"{PAGE.name} is not what the commands say now; run: python docs/reference.py")
        return
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    try:
        reference(standalone_mode=False)
    except CheckFailed as fault:
        click.echo(fault, err=True)
        sys.exit(fault.exit_code)
