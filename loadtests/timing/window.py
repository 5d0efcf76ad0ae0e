"""The timed window of one server's life: what was done between two instants, by it and by the generator, as one record.

Run as ``locust ... --window-file FILE``: once all users are spawned and all their connections are open, wait for the
warm-up, take a snapshot, wait for the window, take another, write the difference, and end.
"""

import faulthandler
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gevent
import msgspec
import psutil

from common.host.cpu import CpuReading, read_cpu
from common.records.window import Load
from loadtests.timing.health import Health
from loadtests.timing.snapshot import difference, snapshot
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.open_loop import OpenLoop
from loadtests.users.tally import added_up

CATCH_UP_S = 0.020
"""What an open loop is given to send what was due while meters were read; the server's CPU time includes it."""
GRACE_S = 20.0
"""How long after all waits have passed the process is ended from outside Python, whatever it is doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """What is to be measured, and where the record goes."""

    file: Path
    warmup_s: float
    window_s: float
    opening_s: float
    """How long connections may take to be open, all of them, before the window is given up."""
    gate: Path | None = None
    """The folder where generators that begin together wait for each other."""
    gate_of: int = 1
    """How many they are."""
    meter: str = ""
    """A meter of ``common.host.cpu``; empty where the server's CPU time cannot be read."""
    cores: tuple[int, ...] = ()
    """The cores the generator is pinned to; empty to leave it as it is."""
    server_cores: tuple[int, ...] = ()
    """The cores the server is pinned to; empty where that is not known."""


class NotOpenError(Exception):
    """The connections never were all open."""


def run(plan: WindowPlan, measurement: Callable[[], Load], longest_s: float) -> Load:
    """Make a measurement, and write its record.

    A server that goes away is a record that says so; should anything in this process hang, it is ended once
    ``longest_s`` and some grace have passed, by a timer that does not depend on it.
    """
    faulthandler.dump_traceback_later(2 * plan.opening_s + longest_s + GRACE_S, exit=True)
    result = measurement()
    write(plan.file, result)
    return result


def measure(plan: WindowPlan, loop: ClosedLoop, users: Callable[[], int]) -> Load:
    """The record of one window after a warm-up."""
    try:
        wait_open(loop, users, plan.opening_s)
        wait_for_others(plan)
        wait(plan.warmup_s)
    except NotOpenError as error:
        return nothing(plan, loop, users(), str(error))
    return observe(plan, loop, users())


def observe(plan: WindowPlan, loop: ClosedLoop, users: int) -> Load:
    """The record of a window that begins now."""
    before, gone = snapshot(loop, own_cores=plan.cores, server_cores=plan.server_cores), None
    readings: list[CpuReading] = []
    health = Health(loop)
    try:
        # The meters are read outside the window: the engine stands still meanwhile, and some take milliseconds.
        readings += read(plan.meter)
        if isinstance(loop, OpenLoop):
            wait(CATCH_UP_S)
        loop.forget_extremes()
        before = snapshot(loop, own_cores=plan.cores, server_cores=plan.server_cores)
        wait(plan.window_s)
        after = snapshot(loop, own_cores=plan.cores, server_cores=plan.server_cores)
        readings += read(plan.meter)
        if not loop.ready:
            gone = "no connection was open when the window ended"
    except (OSError, psutil.Error) as error:
        after = snapshot(loop, own_cores=plan.cores, server_cores=plan.server_cores)
        gone = str(error)
    if loop.error is not None:
        raise loop.error
    return difference(
        before,
        after,
        readings if len(readings) == 2 else [None, None],  # noqa: PLR2004 -- before and after
        users=users,
        open_min=loop.sockets.open_min,
        server_gone=gone,
        seconds=health.seconds(),
        rate_rps=loop.schedule.rate_rps if isinstance(loop, OpenLoop) else 0.0,
    )


def nothing(plan: WindowPlan, loop: ClosedLoop, users: int, gone: str) -> Load:
    """The record of a window that could not be made."""
    now = snapshot(loop, own_cores=plan.cores, server_cores=plan.server_cores)
    return difference(now, now, [None, None], users=users, open_min=0, server_gone=gone)


def write(file: Path, load: Load) -> None:
    """Put the record in place, whole or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_bytes(msgspec.json.encode(load))
    part.replace(file)


def wait_open(loop: ClosedLoop, users: Callable[[], int], opening_s: float) -> None:
    """Return once all connections of all users are ready; ``NotOpenError`` says how far it came in ``opening_s``."""
    deadline_s = time.perf_counter() + opening_s
    while not users() or loop.ready < users():
        if time.perf_counter() > deadline_s:
            seen = f"{loop.ready} of {users()} connections were open after {opening_s:g} s"
            failures = added_up(loop.tallies.values()).failures
            reasons = ", ".join(f"{reason} {count} times" for reason, count in failures.items())
            raise NotOpenError(f"{seen} ({reasons or 'no failures'})")
        gevent.sleep(0.01)


def wait_for_others(plan: WindowPlan) -> None:
    """Wait until as many generators as share the gate have their connections open; the load goes on meanwhile."""
    if plan.gate is None:
        return
    (plan.gate / str(os.getpid())).touch()
    deadline_s = time.perf_counter() + plan.opening_s
    while (here := len(list(plan.gate.iterdir()))) < plan.gate_of:
        if time.perf_counter() > deadline_s:
            raise NotOpenError(f"{here} of {plan.gate_of} generators were ready after {plan.opening_s:g} s")
        gevent.sleep(0.005)


def wait(duration_s: float) -> None:
    """Wait by our own clock: gevent's timers count from the start of its loop's turn and may come early."""
    end_s = time.perf_counter() + duration_s
    while (left_s := end_s - time.perf_counter()) > 0:
        gevent.sleep(left_s)


def read(meter: str) -> list[CpuReading]:
    """One reading of the meter; none where there is no meter."""
    return [read_cpu(meter)] if meter else []
