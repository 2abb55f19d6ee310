from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from masksmith import cli
from masksmith.errors import BadInput, EnvironmentFault

ROOT = Path(cli.__file__).resolve().parent.parent
FLOORS = {
    "masksmith": {"masksmith"},
    "manifests": {"masksmith", "manifests"},
    "datagen": {"masksmith", "manifests", "datagen"},
    "loaders": {"masksmith", "manifests", "loaders"},
    "evaluation": {"masksmith", "manifests", "evaluation"},
    "trainers": {"masksmith", "manifests", "datagen", "loaders", "evaluation", "trainers"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def modules() -> list[Path]:
    return sorted(p for package in FLOORS for p in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_imports_only_its_own_floor_and_those_below(path: Path) -> None:
    relative = path.relative_to(ROOT)
    if relative.parts[:2] == ("masksmith", "commands") or relative.as_posix() in (
        "masksmith/cli.py",
        "masksmith/__main__.py",
    ):
        return
    above = (imports(path) & set(FLOORS)) - FLOORS[relative.parts[0]]
    assert not above, f"{relative} imports {sorted(above)}"


def test_help_imports_nothing_heavy_and_answers_at_once() -> None:
    code = (
        "import sys\nfrom masksmith.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'open3d', 'cv2', 'numpy', 'pyarrow', 'albumentations', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    best = 99.0
    for _ in range(5):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        best = min(best, time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
    assert "quickstart" in done.stdout
    assert best < 1.0  # 0.1 s on an idle machine; wide, because tests share the machine


def commands() -> list[tuple[str, click.Command]]:
    context = click.Context(cli.group)
    found = []
    for name in cli.COMMANDS:
        command = cli.group.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", each) for sub, each in command.commands.items()]
    return found


def test_every_command_has_help_with_an_example() -> None:
    for name, command in commands():
        assert command.help, name
        assert "Example:" in command.help, name


def test_the_help_of_the_front_door_is_that_of_the_commands() -> None:
    for name, (_, line) in cli.COMMANDS.items():
        command = cli.group.get_command(click.Context(cli.group), name)
        assert command is not None and command.help is not None
        assert command.help.strip().splitlines()[0] == line, name


def test_every_option_has_help() -> None:
    for name, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"


@pytest.mark.parametrize(("fault", "code"), [(BadInput("f", "a", "b", "c"), 3), (EnvironmentFault("no disk"), 4)])
def test_errors_end_with_one_line_and_their_code(
    fault: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise fault

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: broken)
    with pytest.raises(SystemExit) as end:
        cli.main(["models"])
    assert end.value.code == code
    assert capsys.readouterr().err == f"masksmith: error: {fault}\n"


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["evalute"])
    assert end.value.code == 2
    assert "Did you mean 'evaluate'" in capsys.readouterr().err


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--nonsense"])
    assert end.value.code == 2
