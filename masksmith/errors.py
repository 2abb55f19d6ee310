"""The errors users meet. Each carries the exit code that the command line ends with.

Exit codes: 0 done, 1 a check failed, 2 usage, 3 bad input data, 4 environment.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class MasksmithError(Exception):
    """Base of all errors that are meant for the user; shown as one line, without a traceback."""

    exit_code = 1


class CheckFailed(MasksmithError):
    """The work was done and its answer is no: leaks found, a bar missed, a file changed."""

    exit_code = 1


class UsageProblem(MasksmithError):
    """What was asked for cannot be asked for: an unknown option value, key or combination."""

    exit_code = 2


class BadInput(MasksmithError):
    """A file is not what it should be.

    Args:
        where: the file (or row of a file) at fault.
        expected: what would have been right.
        found: what is there.
        fix: what the user can do about it.
    """

    exit_code = 3

    def __init__(self, where: Any, expected: str, found: str, fix: str) -> None:
        super().__init__(str(where), expected, found, fix)
        self.where, self.expected, self.found, self.fix = str(where), expected, found, fix

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}; {self.fix}"


class EnvironmentFault(MasksmithError):
    """The machine cannot do it: a missing library, a full disk, no permission, no cluster, no network."""

    exit_code = 4


def unknown_choice(what: str, value: str, choices: Iterable[str]) -> UsageProblem:
    """The error for a name that is not in a table: lists the choices and the closest match."""
    known = sorted(choices)
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UsageProblem(f"unknown {what} {value!r}.{hint} Choices: {', '.join(known)}")
