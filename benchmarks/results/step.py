"""A step of the plan: one command, what it needs and what it leaves."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = "$MASKSMITH_DATA"
"""How the folder of real data is written in commands; a shell that has the variable takes them as they stand."""
OWN = ("$EG1800", "$EASYPORTRAIT")
"""Folders of datasets that a user may have; without them their steps are rows that say so."""


@dataclass(frozen=True)
class Step:
    """One command of the results, decided before anything is run.

    Attributes:
        id: names the step and its record; ``eval/enet128-feet`` is kept as ``eval-enet128-feet.json``.
        table: P, F, R, C, N, ``scale``, or ``sets`` for the datasets that several tables share.
        line: the command as a shell in the work folder takes it, with :data:`DATA` and :data:`OWN` in it.
        minutes: about how long it takes on one thread.
        needs: ids of steps that come first.
        files: files and folders that must be there, such as ``$MASKSMITH_DATA/camvid``.
        sets: folders of manifests that it makes or reads; their digests stand in the record.
        makes: what it leaves in the work folder.
        run: the folder of the training it does; what ``run.json`` there says of time and revision goes first.
        ends: exit codes that are no fault (an audit that mends leaks has found some).
        takes: what would be needed to run it, where a machine or dataset like ours does not do.
        beyond: not run unless asked for: longer than the time set aside for all tables.
    """

    id: str
    table: str
    line: str
    minutes: float
    needs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    run: str = ""
    ends: tuple[int, ...] = (0,)
    takes: str = ""
    beyond: bool = False

    @property
    def name(self) -> str:
        """The record's name, without a suffix."""
        return self.id.replace("/", "-")

    @property
    def alone(self) -> bool:
        """Whether it measures time, so that nothing else may run beside it."""
        return self.id.partition("/")[0] in ("speed", "web", "pipeline", "scaling", "whole")

    @property
    def command(self) -> str:
        """The whole line that was given, as it is printed in the tables."""
        return self.line

    def words(self, places: Mapping[str, Path]) -> list[str]:
        """The command's words with the places in them, as this interpreter runs them.

        Args:
            places: of :data:`DATA` and :data:`OWN`, those that are known.
        """
        words = [filled(word, places) for word in shlex.split(self.line)]
        if words[0] == "masksmith":
            return [sys.executable, "-m", "masksmith", *words[1:]]
        if words[0] == "python":
            return [sys.executable, *words[1:]]
        return words


def filled(text: str, places: Mapping[str, Path]) -> str:
    """``text`` with the known places in it, longest names first."""
    for name in sorted(places, key=len, reverse=True):
        text = text.replace(name, str(places[name]))
    return text
