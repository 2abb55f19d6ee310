"""The front door: ``masksmith COMMAND``. Commands are imported when they are called, not before."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from masksmith import __version__
from masksmith.errors import MasksmithError, unknown_choice

# name -> (where the click command is, its one-line help). The help stands here too, so that
# `masksmith --help` imports nothing else; a test holds the two equal.
COMMANDS: dict[str, tuple[str, str]] = {
    "quickstart": (
        "masksmith.commands.quickstart:quickstart",
        "Feet, scenes, split, training, evaluation, report: all of it.",
    ),
    "scans": ("datagen.scans_cli:scans", "Check foot scans and make them ready."),
    "generate": ("datagen.cli:generate", "Make scenes of feet on floors, with masks and a manifest."),
    "scene": ("datagen.cli:scene", "Make one scene again from its recipe."),
    "clips": ("datagen.clips_cli:clips", "Make clips of moving cameras and feet, with exact motion."),
    "show": ("masksmith.commands.show:show", "Draw a contact sheet of a dataset."),
    "stats": (
        "masksmith.commands.stats:stats",
        "Count what a dataset is made of: areas, positions, subjects, floors, choices.",
    ),
    "augment": ("masksmith.commands.augment:augment", "Write warped copies of a dataset, with their masks."),
    "fetch": ("loaders.fetch_cli:fetch", "Fetch a public dataset, verified and resumable."),
    "prepare": ("loaders.prepare_cli:prepare", "Bring images and masks into one manifest."),
    "manifest": ("manifests.cli:manifest", "Show, verify, compare, merge and filter manifests."),
    "split": ("manifests.cli:split", "Divide a dataset so that no subject or floor is in two splits."),
    "audit": ("masksmith.commands.audit:audit", "Look for leaks between splits; exit code 1 where there are any."),
    "priors": (
        "masksmith.commands.priors:priors",
        "Preview the simulated previous-frame masks, or write them.",
    ),
    "convert": ("loaders.convert_cli:convert", "Write a dataset in the form of another tool, or read it back."),
    "models": ("trainers.cli:models", "List the networks with their sizes."),
    "train": ("masksmith.commands.train:train", "Train a network by a preset."),
    "distill": ("masksmith.commands.distill:distill", "Train a network that also learns from a trained one."),
    "tune": ("masksmith.commands.tune:tune", "Search for a network's learning rate, dropout and loss."),
    "ablate": ("masksmith.commands.ablate:ablate", "Train with and without each kind of previous mask, and compare."),
    "prune": ("masksmith.commands.prune:prune", "Take the channels a trained network needs least out of it."),
    "export": (
        "masksmith.commands.export:export",
        "Write a trained network to a file for a runtime, checked against PyTorch.",
    ),
    "bench": ("masksmith.commands.bench:bench", "Measure how fast models are, with peers beside them."),
    "identity": (
        "trainers.identity.cli:identity",
        "Train, test and use a face network: who is who, for splits without leaks.",
    ),
    "predict": (
        "masksmith.commands.predict:predict",
        "Masks of a picture, a folder, a video or what a camera sees.",
    ),
    "demo": ("masksmith.commands.demo:demo", "Show exported networks at work on a page: camera, background, speed."),
    "evaluate": ("masksmith.commands.evaluate:evaluate", "Judge masks against the truth, or a model on a dataset."),
    "report": (
        "masksmith.commands.report:report",
        "Set evaluations side by side: tables, paired differences, slices, figures.",
    ),
    "jitter": ("evaluation.cli:jitter", "Judge how still the masks of a clip are."),
    "mattes": ("evaluation.mattes_cli:mattes", "Judge soft masks against soft truth."),
}


class LazyGroup(click.Group):
    """A click group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise unknown_choice("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 a check failed, 2 usage, 3 bad input data, 4 environment.",
)
@click.version_option(__version__, prog_name="masksmith")
def group() -> None:
    """Data, priors, training and judgement for real-time segmentation of feet and people.

    \b
    Example:
      masksmith quickstart --out quickstart
      masksmith generate --scans scans --floors floors --out feet --count 3000 --seed 1
    """


def main(args: list[str] | None = None) -> Any:
    """Run the command line; known errors end it with one line and their exit code."""
    try:
        group.main(args=args, prog_name="masksmith", standalone_mode=False)
    except MasksmithError as fault:
        print(f"masksmith: error: {fault}", file=sys.stderr)
        sys.exit(fault.exit_code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as fault:
        fault.show()
        sys.exit(fault.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("masksmith: stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except ImportError as fault:
        package = (fault.name or "").split(".")[0]
        text = str(fault).splitlines()[0]
        if "libusb" in text:
            text += "; install the system library first: apt-get install libusb-1.0-0 (Debian, Ubuntu)"
        elif package:
            text += f"; install it: pip install {package}"
        print(f"masksmith: error: {text}", file=sys.stderr)
        sys.exit(4)


if __name__ == "__main__":
    main()
