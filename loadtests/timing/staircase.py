"""Steps of load on one server, each with its own window, until an objective breaks: ``ramp`` and ``sleepers``."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from time import perf_counter

import gevent
from msgspec.structs import replace

from common.host.meters import private_bytes
from common.records.load import Objective
from common.records.window import Load, LoadStep
from loadtests.analysis.climbing import MOST_STEPS, broken, next_target, unsent
from loadtests.timing.window import NotOpenError, WindowPlan, empty_window, observe, wait, wait_for_others, wait_open
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.open_loop import OpenLoop

DRAIN_S = 10.0
"""The time limit for the requests left over from a broken step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staircase:
    """The set-up of a step's load, and the objective that it must meet."""

    objective: Objective
    first: float
    most: float
    settle_s: float
    """The time under load before each step's window, which is not counted."""
    apply: Callable[[float], None]
    """Sets the load to a target, and returns once it is reached; ``NotOpenError`` if it cannot be."""
    of_connections: bool = False
    """Whether targets are numbers of connections, which each step opens."""

    def longest_s(self, plan: WindowPlan) -> float:
        """Return the longest time that all steps can take, in seconds."""
        return plan.warmup_s + MOST_STEPS * (plan.opening_s + self.settle_s + plan.window_s + DRAIN_S)


def climb(
    stairs: Staircase, plan: WindowPlan, loop: ClosedLoop, users: Callable[[], int], report: Callable[[LoadStep], None]
) -> Load:
    """Return the record of the highest step that held, or else of the first that was measured; it lists all steps."""
    try:
        # A first target of too many connections is a step that breaks, not the end of the climb.
        with suppress(NotOpenError) if stairs.of_connections else nullcontext():
            wait_open(loop, users, plan.opening_s)
        wait_for_others(plan)
        wait(plan.warmup_s)
    except NotOpenError as error:
        return empty_window(plan, loop, users(), str(error))
    best: Load | None = None
    steps: list[LoadStep] = []
    while (target := _next(stairs, steps)) is not None:
        load, lost = _attempt(stairs, plan, loop, users, target)
        steps.append(_step(stairs, plan, target, load))
        report(steps[-1])
        if steps[-1].broken is None and target == max(step.target for step in steps if step.broken is None):
            best = load
        if best is None or best.server_gone is not None:
            best = load
        if lost:
            break
        if steps[-1].broken is not None:
            drain(loop)
    assert best is not None
    return replace(best, steps=steps)


def _attempt(
    stairs: Staircase, plan: WindowPlan, loop: ClosedLoop, users: Callable[[], int], target: float
) -> tuple[Load, bool]:
    """Return the window of a step, which is empty if its load could not be reached, and whether the server is lost."""
    try:
        stairs.apply(target)
    except NotOpenError as error:
        return empty_window(plan, loop, users(), str(error)), not loop.ready
    wait(stairs.settle_s)
    load = observe(plan, loop, users())
    return load, load.server_gone is not None


def drain(loop: ClosedLoop) -> None:
    """Let an open loop's server recover from a step that overloaded it."""
    if not isinstance(loop, OpenLoop):
        return
    loop.pace(0)
    loop.forget_waiting()
    deadline_s = perf_counter() + DRAIN_S
    while loop.in_flight and perf_counter() < deadline_s:
        gevent.sleep(0.01)


def _next(stairs: Staircase, steps: Sequence[LoadStep]) -> float | None:
    tried = [(step.target, step.broken is None) for step in steps]
    return next_target(tried, first=stairs.first, most=stairs.most, whole=stairs.of_connections)


def _step(stairs: Staircase, plan: WindowPlan, target: float, load: Load) -> LoadStep:
    return LoadStep(
        target=target,
        throughput_rps=load.requests / load.duration_s if load.duration_s else 0.0,
        requests=load.requests,
        p50_s=load.latency_s.p50 if load.latency_s else None,
        p99_s=load.latency_s.p99 if load.latency_s else None,
        unsent=unsent(load),
        failures=sum(load.failures.values()),
        generator_cpu_share=load.generator_cpu_s / load.duration_s if load.duration_s else 0.0,
        generator_run_delay_share=(load.generator_run_delay_s or 0.0) / load.duration_s if load.duration_s else 0.0,
        memory_bytes=private_bytes(plan.meter),
        broken=broken(stairs.objective, load),
    )
