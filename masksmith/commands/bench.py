"""``masksmith bench``: how fast models are; each measurement is a command of its own, imported when it is called."""

from __future__ import annotations

import importlib

import click

from masksmith.errors import unknown_choice

# name -> (where the click command is, its one-line help)
BENCHES: dict[str, tuple[str, str]] = {
    "speed": ("masksmith.commands.bench_speed:speed", "Time models side by side on one thread."),
    "pipeline": ("masksmith.commands.bench_pipeline:pipeline", "Time a model on video, from file to composite."),
    "web": (
        "masksmith.commands.bench_web:web",
        "Time a model in the browser, on one WASM thread.",
    ),
}


class Benches(click.Group):
    """A click group that imports a measurement when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(BENCHES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in BENCHES:
            return None
        module, attribute = BENCHES[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in BENCHES and not args[0].startswith("-"):
            raise unknown_choice("measurement", args[0], BENCHES)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in BENCHES.items()])


@click.group(cls=Benches)
def bench() -> None:
    """Measure how fast models are, with peers beside them.

    \b
    Example:
      masksmith bench speed random:portrait_lcnet selfie_segmentation.tflite --runs 1000
      masksmith bench pipeline clip.mp4 person.xml --skip 80
    """
