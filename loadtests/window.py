"""The timed window of one server's life: what was done between two instants, by it and by the generator, as one record.

Run as ``locust ... --window-file FILE``: once all users are spawned and all their connections are open, wait for the
warm-up, take a snapshot, wait for the window, take another, write the difference, and end.
"""

import faulthandler
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gevent
import msgspec
import psutil

from common.accounting import CpuReading, read_meter
from common.core_times import CoreTimes, core_times
from common.records import Latency, Load
from loadtests import histogram
from loadtests.engine import Engine
from loadtests.tally import Tally, added_up

GRACE_S = 20.0
"""How long after all waits have passed the process is ended from outside Python, whatever it is doing."""
NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
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
    """A meter of ``common.accounting``; empty where the server's CPU time cannot be read."""
    cores: tuple[int, ...] = ()
    """The cores the generator is pinned to; empty to leave it as it is."""
    server_cores: tuple[int, ...] = ()
    """The cores the server is pinned to; empty where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Every counter at one instant."""

    at_s: float
    tallies: tuple[Tally, ...]
    sent: int
    in_flight: int
    reconnects: int
    cpu_s: float
    run_delay_s: float
    own_cores: CoreTimes
    all_cores: CoreTimes
    server_cores: CoreTimes | None


class _NotOpenError(Exception):
    """The connections never were all open."""


def run(plan: Plan, engine: Engine, users: Callable[[], int]) -> Load:
    """Measure the window that ``plan`` describes, and write its record.

    ``users`` gives the number of users once all are spawned, and 0 before. A server that goes away is a record that
    says so; should anything in this process hang, it is ended by a timer that does not depend on it.
    """
    faulthandler.dump_traceback_later(2 * plan.opening_s + plan.warmup_s + plan.window_s + GRACE_S, exit=True)
    result = measure(plan, engine, users)
    write(plan.file, result)
    return result


def measure(plan: Plan, engine: Engine, users: Callable[[], int]) -> Load:
    """The window's record."""
    before, gone = snapshot(engine, plan), None
    readings: list[CpuReading] = []
    try:
        _wait_open(engine, users, plan.opening_s)
        _wait_for_others(plan)
        _wait(plan.warmup_s)
        # The meters are read outside the window: the engine stands still meanwhile, and some take milliseconds.
        readings += _read(plan.meter)
        engine.forget_extremes()
        before = snapshot(engine, plan)
        _wait(plan.window_s)
        after = snapshot(engine, plan)
        readings += _read(plan.meter)
        if not engine.open_now:
            gone = "no connection was open when the window ended"
    except (OSError, psutil.Error, _NotOpenError) as error:
        after = snapshot(engine, plan)
        gone = str(error)
    if engine.error is not None:
        raise engine.error
    server = readings if len(readings) == 2 else [None, None]  # noqa: PLR2004 -- before and after
    return difference(before, after, server, users=users(), open_min=engine.open_min, server_gone=gone)


def snapshot(engine: Engine, plan: Plan) -> Snapshot:
    """The counters now. Nothing else runs in this thread meanwhile; it takes some tens of microseconds."""
    return Snapshot(
        at_s=time.perf_counter(),
        tallies=tuple(tally.copy() for tally in engine.tallies.values()),
        sent=engine.sent,
        in_flight=engine.in_flight,
        reconnects=engine.reconnects,
        cpu_s=time.process_time(),
        run_delay_s=int(Path("/proc/self/schedstat").read_text().split()[1]) / NS_PER_S,
        own_cores=core_times(plan.cores or tuple(os.sched_getaffinity(0))),
        all_cores=core_times(),
        server_cores=core_times(plan.server_cores) if plan.server_cores else None,
    )


def difference(
    before: Snapshot,
    after: Snapshot,
    server: Sequence[CpuReading | None],
    *,
    users: int,
    open_min: int,
    server_gone: str | None,
) -> Load:
    """The record of what happened between two snapshots."""
    known = {(tally.method, tally.name): tally for tally in before.tallies}
    nothing = Tally(method="", name="")
    done = added_up(tally.since(known.get((tally.method, tally.name), nothing)) for tally in after.tallies)
    duration_s = after.at_s - before.at_s
    first, last = server
    periods = _minus(last, first, "throttled_periods")
    beside = _since(after.server_cores, before.server_cores)
    return Load(
        duration_s=duration_s,
        users=users,
        sent=after.sent - before.sent,
        answered=done.good + done.wrong,
        requests=done.good,
        failures=dict(Counter(done.failures)),
        in_flight=after.in_flight,
        connections_open_min=open_min,
        reconnects=after.reconnects - before.reconnects,
        latency_s=latency_of(done),
        histogram=list(histogram.sparse(done.counts)),
        server_cpu_s=_minus(last, first, "cpu_s"),
        throttled_s=_minus(last, first, "throttled_s"),
        throttled_periods=None if periods is None else int(periods),
        generator_cpu_s=after.cpu_s - before.cpu_s,
        generator_run_delay_s=after.run_delay_s - before.run_delay_s,
        steal_s=after.own_cores.since(before.own_cores).steal_s,
        steal_all_s=after.all_cores.since(before.all_cores).steal_s,
        server_steal_s=None if beside is None else beside.steal_s,
        server_cores_busy_s=None if beside is None else beside.busy_s,
        littles_law_ratio=done.total_s / duration_s / users if users else 0.0,
        server_gone=server_gone,
    )


def latency_of(tally: Tally) -> Latency | None:
    """What a tally's histogram says; ``None`` if it is empty."""
    p50, p90, p99, p999 = (histogram.percentile_s(tally.counts, fraction) for fraction in (0.5, 0.9, 0.99, 0.999))
    if p50 is None or p90 is None or p99 is None or p999 is None:
        return None
    return Latency(p50=p50, p90=p90, p99=p99, p999=p999, max=tally.longest_s, mean=tally.total_s / tally.good)


def write(file: Path, load: Load) -> None:
    """Put the record in place, whole or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_bytes(msgspec.json.encode(load))
    part.replace(file)


def _wait_open(engine: Engine, users: Callable[[], int], opening_s: float) -> None:
    deadline_s = time.perf_counter() + opening_s
    while not users() or engine.open_now < users():
        if time.perf_counter() > deadline_s:
            seen = f"{engine.open_now} of {users()} connections were open after {opening_s:g} s"
            failures = added_up(engine.tallies.values()).failures
            reasons = ", ".join(f"{reason} {count} times" for reason, count in failures.items())
            raise _NotOpenError(f"{seen} ({reasons or 'no failures'})")
        gevent.sleep(0.01)


def _wait_for_others(plan: Plan) -> None:
    """Wait until as many generators as share the gate have their connections open; the load goes on meanwhile."""
    if plan.gate is None:
        return
    (plan.gate / str(os.getpid())).touch()
    deadline_s = time.perf_counter() + plan.opening_s
    while (here := len(list(plan.gate.iterdir()))) < plan.gate_of:
        if time.perf_counter() > deadline_s:
            raise _NotOpenError(f"{here} of {plan.gate_of} generators were ready after {plan.opening_s:g} s")
        gevent.sleep(0.005)


def _wait(duration_s: float) -> None:
    """Wait by our own clock: gevent's timers count from the start of its loop's turn and may come early."""
    end_s = time.perf_counter() + duration_s
    while (left_s := end_s - time.perf_counter()) > 0:
        gevent.sleep(left_s)


def _read(meter: str) -> list[CpuReading]:
    return [read_meter(meter)] if meter else []


def _since(after: CoreTimes | None, before: CoreTimes | None) -> CoreTimes | None:
    return None if after is None or before is None else after.since(before)


def _minus(after: CpuReading | None, before: CpuReading | None, name: str) -> float | None:
    last, first = getattr(after, name, None), getattr(before, name, None)
    return None if last is None or first is None else last - first
