"""The Ray cluster that shards run on: found, or started here, or reported as not there."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import subprocess
import sys
from typing import Any

from masksmith.errors import EnvironmentFault, UsageProblem

ANSWER_S = 20.0
"""How long a cluster may take to answer before it counts as not there."""
_KNOCK_S = 5.0
_STORE_BYTES = 100 * 1024 * 1024  # shards and their results are small
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
_PROBE = (
    "import logging, sys, ray\n"
    "try:\n    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)\n"
    "except BaseException as fault:\n    sys.exit(' '.join(str(fault).split())[:300] or type(fault).__name__)\n"
)
_ours: list[tuple[str | None, int | None]] = []  # what this process is connected to, if it was connected here


def library() -> Any:
    """The ``ray`` module, told to be quiet and to report nothing to anyone.

    Raises:
        EnvironmentFault: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise EnvironmentFault("the engine 'ray' needs the library ray: pip install 'masksmith[ray]'") from None


def connect(address: str | None = None, workers: int | None = None) -> Any:
    """Connect to a cluster, or start one on this machine where no address is given; returns the ``ray`` module.

    A connection that this process already has is used: one made by its owner always, one made here where it is to the
    same place.

    Args:
        address: ``host:port``, ``ray://host:port``, ``auto`` (a cluster running on this machine) or ``local``;
            by default what RAY_ADDRESS names, and else ``local``.
        workers: of a cluster started here; by default one a core this process may use.

    Raises:
        EnvironmentFault: no ``ray``, or nothing answers at the address; names it.
        UsageProblem: an address that is none.
    """
    ray = library()
    address = address or os.environ.get("RAY_ADDRESS") or None
    address = None if address == "local" else address
    wanted = (address, None if address else workers)
    if ray.is_initialized():
        if not _ours or _ours[-1] == wanted:
            return ray
        disconnect()
    if address is None:
        # without the word "local" ray would go wherever RAY_ADDRESS points
        started = {"num_cpus": workers or len(os.sched_getaffinity(0)), "object_store_memory": _STORE_BYTES}
        with _faults("this machine"):
            ray.init(address="local", include_dashboard=False, **started, **_QUIET)
    else:
        _knock(address)
        with _faults(address):
            ray.init(address=address, **_QUIET)
    _ours.append(wanted)
    return ray


def disconnect() -> None:
    """Leave the cluster that :func:`connect` joined or started; one that somebody else joined is left alone."""
    if _ours:
        library().shutdown()
        _ours.clear()


@contextlib.contextmanager
def _faults(address: str) -> Any:
    try:
        yield
    except (ConnectionError, RuntimeError, OSError, ValueError, TimeoutError) as fault:
        raise EnvironmentFault(_says(address, " ".join(str(fault).split())[:300])) from None


def _knock(address: str) -> None:
    """Find out whether a cluster answers, without waiting for minutes as a client would, or being ended by it."""
    if address != "auto":
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if not host or not port.isdigit():
            raise UsageProblem(f"--ray-address takes host:port, ray://host:port, auto or local, not {address!r}")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
        except (OSError, OverflowError) as fault:
            raise EnvironmentFault(_says(address, str(fault))) from None
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            capture_output=True,
            text=True,
            timeout=ANSWER_S - _KNOCK_S,
            env={**os.environ, "RAY_ADDRESS": ""},
        )
    except subprocess.TimeoutExpired:
        why = f"something is there, but no Ray cluster answers within {ANSWER_S - _KNOCK_S:.0f} s"
        raise EnvironmentFault(_says(address, why)) from None
    if done.returncode:
        raise EnvironmentFault(_says(address, (done.stderr.strip().splitlines() or ["no reason given"])[-1]))


def _says(address: str, why: str) -> str:
    return (
        f"no Ray cluster at {address} ({why}); start one with `ray start --head`, "
        "mend --ray-address or RAY_ADDRESS, or use --engine process"
    )
