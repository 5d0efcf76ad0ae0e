"""One timed window: what the server and the generator did between two instants, as one record.

``locust ... --window-file FILE`` waits until all users are spawned and their connections open, warms up, takes a
reading, waits for the window, takes another reading, writes the difference, and ends.
"""

import faulthandler
import os
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust.argument_parser import LocustArgumentParser
from msgspec.structs import replace

from common.host.folders import write_file
from common.host.meters import GONE, CpuReading
from common.records.window import Load, Warmup
from loadtests.timing.health import Health
from loadtests.timing.loop_reading import read_loop
from loadtests.timing.reading import Reading, read_cores, read_server
from loadtests.timing.warmup import warm_up
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.open_loop import OpenLoop
from loadtests.users.options import number_from
from loadtests.users.tally import counted_between

CATCH_UP_S = 0.020
"""The time for an open loop to send what fell due while meters were read; the server's CPU time includes it."""
GRACE_S = 20.0
"""The time after all waits at which a timer outside the interpreter kills the process, whatever it is doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """The window to measure, and the file for its record."""

    file: Path
    warmup_s: float
    most_warmup_s: float = 0.0
    """The longest warm-up, of a server whose rate goes on rising; 0 if it does not depend on that."""
    may_compile: bool = False
    """Whether the server may compile its code while it runs."""
    window_s: float
    opening_s: float
    """The time limit for opening all connections, after which the window is given up."""
    gate: Path | None = None
    """A folder in which generators that begin together wait for each other."""
    gate_of: int = 1
    """The number of generators that share the gate."""
    meter: str = ""
    """A meter of ``common.host.meters``; empty if the server's CPU time cannot be read."""
    cores: tuple[int, ...] = ()
    """The cores that the generator is pinned to; empty if it is not pinned."""
    server_cores: tuple[int, ...] = ()
    """The cores that the server is pinned to; empty if they are unknown."""


def add_options(parser: LocustArgumentParser) -> None:
    """Add the options of a window to Locust's."""
    add: Callable[..., Any] = partial(parser.add_argument, include_in_web_ui=False)
    number = number_from(0, 3600)
    add("--window-file", help="measure one timed window, write its record to this file, and end")
    add("--warmup-s", type=number, default=1.0, help="seconds between all connections open and the window")
    add("--most-warmup-s", type=number, default=0.0, help="seconds of warm-up at most, until rates no longer rise")
    add("--may-compile", type=int, default=0, help="1 if the server may compile its code while it runs")
    add("--window-s", type=number, default=2.0, help="seconds that the window lasts")
    add("--opening-s", type=number, default=10.0, help="seconds that all connections may take to open")
    add("--gate", type=Path, help="a folder in which generators that begin together wait for each other")
    add("--gate-of", type=int, default=1, help="the number of generators that wait for each other")
    add("--meter", default="", help="the server's CPU time: cgroup:PATH[,PATH] or tree:PID")
    add("--server-cores", type=numbers, default=(), help="cores that the server is pinned to")


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers in a list such as ``1,2``."""
    return tuple(int(part) for part in text.split(",") if part.strip().isdecimal())


def plan_of(options: Namespace) -> WindowPlan:
    """Return the window that Locust's options ask for."""
    return WindowPlan(
        file=Path(options.window_file),
        warmup_s=options.warmup_s,
        most_warmup_s=options.most_warmup_s,
        may_compile=bool(options.may_compile),
        window_s=options.window_s,
        opening_s=options.opening_s,
        meter=options.meter,
        gate=options.gate,
        gate_of=options.gate_of,
        cores=options.cores,
        server_cores=tuple(options.server_cores),
    )


class NotOpenError(Exception):
    """The connections were never all open."""


def run(plan: WindowPlan, measurement: Callable[[], Load], longest_s: float) -> Load:
    """Make a measurement, write its record and return it.

    The loss of the server is recorded, not raised. If anything in this process hangs, a timer outside the interpreter
    kills it after ``longest_s`` and some grace.
    """
    faulthandler.dump_traceback_later(2 * plan.opening_s + longest_s + GRACE_S, exit=True)
    result = measurement()
    write_file(plan.file, msgspec.json.encode(result))
    return result


def measure(plan: WindowPlan, loop: ClosedLoop, users: Callable[[], int]) -> Load:
    """Return the record of one window after a warm-up."""
    try:
        wait_open(loop, users, plan.opening_s)
        warmup = warmed(plan, loop, users())
        wait_for_others(plan)
        wait(plan.warmup_s if warmup is None else 0.0)
    except NotOpenError as error:
        return empty_window(plan, loop, users(), str(error))
    return replace(observe(plan, loop, users()), warmup=warmup)


def warmed(plan: WindowPlan, loop: ClosedLoop, users: int) -> Warmup | None:
    """Load the server until its rate no longer rises; ``None`` if the plan does not ask for it."""
    if not plan.most_warmup_s:
        return None
    made, _ = warm_up(
        lambda: _warming(plan, loop, users),
        lambda at_s: wait(at_s - time.perf_counter()),
        least_s=plan.warmup_s,
        most_s=plan.most_warmup_s,
        may_compile=plan.may_compile,
    )
    return made


def _warming(plan: WindowPlan, loop: ClosedLoop, users: int) -> Reading:
    """Return a reading, without the CPU time of a server that has exited: the window will say so."""
    server = None
    with suppress(*GONE):
        server = read_server(plan.meter)
    return read_loop(loop, users=users, server=server)


def observe(plan: WindowPlan, loop: ClosedLoop, users: int) -> Load:
    """Return the record of a window that begins now."""
    before = after = _read(plan, loop, users)
    gone = None
    health = Health(loop)
    try:
        # Meters are read outside the window, since the loop stands still meanwhile and some take milliseconds.
        first = read_server(plan.meter)
        if isinstance(loop, OpenLoop):
            wait(CATCH_UP_S)
        loop.forget_extremes()
        before = _read(plan, loop, users, first)
        wait(plan.window_s)
        after = _read(plan, loop, users)
        after = after.with_server(read_server(plan.meter))
        if not loop.ready:
            gone = "no connection was open when the window ended"
    except GONE as error:
        after = _read(plan, loop, users)
        gone = str(error)
    if loop.error is not None:
        raise loop.error
    return replace(after - before, server_gone=gone, seconds=health.seconds())


def empty_window(plan: WindowPlan, loop: ClosedLoop, users: int, gone: str) -> Load:
    """Return the record of a window that could not be made, with the reason."""
    now = _read(plan, loop, users)
    return replace(now - now, connections_open_min=0, server_gone=gone)


def _read(plan: WindowPlan, loop: ClosedLoop, users: int, server: CpuReading | None = None) -> Reading:
    return read_loop(loop, users=users, server=server, cores=read_cores(plan.cores, plan.server_cores))


def wait_open(loop: ClosedLoop, users: Callable[[], int], opening_s: float) -> None:
    """Return once all users' connections are ready; ``NotOpenError`` if they are not after ``opening_s``."""
    earlier = [tally.copy() for tally in loop.tallies.values()]
    if not wait_until(lambda: 0 < users() <= loop.ready, opening_s):
        state = f"{loop.ready} of {users()} connections were open after {opening_s:g} s"
        failures = counted_between(earlier, loop.tallies.values()).failures
        reasons = ", ".join(f"{reason} {count} times" for reason, count in failures.items())
        raise NotOpenError(f"{state} ({reasons or 'no failures'})")


def wait_for_others(plan: WindowPlan) -> None:
    """Wait until all generators that share the gate have their connections open; the load continues meanwhile."""
    if (gate := plan.gate) is None:
        return
    (gate / str(os.getpid())).touch()
    longest_s = plan.opening_s + plan.most_warmup_s
    if not wait_until(lambda: len([*gate.iterdir()]) >= plan.gate_of, longest_s, look_every_s=0.005):
        present = len([*gate.iterdir()])
        raise NotOpenError(f"{present} of {plan.gate_of} generators were ready after {plan.opening_s:g} s")


def wait_until(is_reached: Callable[[], bool], longest_s: float, *, look_every_s: float = 0.01) -> bool:
    """Wait until something is reached, at most for ``longest_s``; return whether it was."""
    deadline_s = time.perf_counter() + longest_s
    while not (reached := is_reached()) and time.perf_counter() < deadline_s:
        gevent.sleep(look_every_s)
    return reached


def wait(duration_s: float) -> None:
    """Wait by ``perf_counter``, since gevent's timers count from the start of its loop's turn and may fire early."""
    end_s = time.perf_counter() + duration_s
    while (left_s := end_s - time.perf_counter()) > 0:
        gevent.sleep(left_s)
