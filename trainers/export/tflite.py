"""TFLite files, converted in an environment of their own.

The converter (litert-torch) brings 2 GB of libraries that clash with others, so it never enters the main environment:
`make tflite-env` makes ``.venv-tflite`` beside the checkout, or ``MASKSMITH_TFLITE_ENV`` names another. What goes there
is a program of ``torch.export``, which needs none of this project to be read.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import torch

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault
from trainers.export.deployed import Deployed

PLACE = "MASKSMITH_TFLITE_ENV"
FOLDER = ".venv-tflite"
SCRIPT = """
import sys, torch, litert_torch
program = torch.export.load(sys.argv[1])
given = tuple(program.example_inputs[0])
litert_torch.convert(program.module(), given).export(sys.argv[2])
"""


def interpreter() -> Path:
    """The Python of the converter's environment.

    Raises:
        EnvironmentFault: there is none.
    """
    root = Path(__file__).resolve().parents[2]
    named = os.environ.get(PLACE)
    for folder in [Path(named)] if named else [Path(FOLDER), root / FOLDER]:
        found = folder / "bin" / "python"
        if found.is_file():
            return found
    raise EnvironmentFault(
        f"TFLite files are converted in an environment of their own, and there is none: run `make tflite-env`, "
        f"or name one in {PLACE}; onnx and openvino need no other environment"
    )


def there() -> bool:
    """Whether the converter's environment is there."""
    try:
        interpreter()
    except EnvironmentFault:
        return False
    return True


def convert(made: Deployed, out: Path) -> None:
    """Write a TFLite file, channels last, in 32 bits.

    Raises:
        EnvironmentFault: the converter's environment is not there.
        BadInput: the converter refuses the network; its last line is told.
    """
    python = interpreter()
    with tempfile.TemporaryDirectory() as folder:
        program, target = Path(folder) / "network.pt2", Path(folder) / "network.tflite"
        with torch.no_grad():
            torch.export.save(torch.export.export(made.eval(), tuple(made.example())), program)
        done = subprocess.run(
            [str(python), "-c", SCRIPT, str(program), str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode or not target.is_file():
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
            raise BadInput(
                made.core.name, "operators that the TFLite converter knows", lines[-1][:200], "export it --to onnx"
            )
        files.write_bytes(out, target.read_bytes())
