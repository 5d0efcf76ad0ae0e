"""Steps of load on one server, each with a window of its own, until an objective breaks: ``ramp`` and ``sleepers``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import gevent
from msgspec.structs import replace

from common.records.load import Objective
from common.records.window import Load, LoadStep
from loadtests.analysis.climbing import MOST_STEPS, broken, next_target, unsent
from loadtests.timing.server_memory import private_bytes
from loadtests.timing.window import NotOpenError, WindowPlan, nothing, observe, wait, wait_for_others, wait_open
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.open_loop import OpenLoop

DRAIN_S = 10.0
"""How long what a broken step left behind may take to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staircase:
    """How the load of a step is set up, and when it is too much."""

    objective: Objective
    first: float
    most: float
    settle_s: float
    """Load before each step's window, not counted."""
    apply: Callable[[float], None]
    """Make a target the load, and return once it is."""
    whole: bool = False
    """Whether targets are whole numbers."""

    def longest_s(self, plan: WindowPlan) -> float:
        """For how long the steps can last, at most."""
        return plan.warmup_s + MOST_STEPS * (plan.opening_s + self.settle_s + plan.window_s + DRAIN_S)


def climb(
    stairs: Staircase, plan: WindowPlan, loop: ClosedLoop, users: Callable[[], int], report: Callable[[LoadStep], None]
) -> Load:
    """The record of the highest step that held, or else of the first one, with all steps in it."""
    best: Load | None = None
    steps: list[LoadStep] = []
    try:
        wait_open(loop, users, plan.opening_s)
        wait_for_others(plan)
        wait(plan.warmup_s)
        while (target := _next(stairs, steps)) is not None:
            stairs.apply(target)
            wait(stairs.settle_s)
            load = observe(plan, loop, users())
            steps.append(_step(stairs, plan, target, load))
            report(steps[-1])
            if steps[-1].broken is None and target == max(step.target for step in steps if step.broken is None):
                best = load
            best = best or load
            if load.server_gone:
                break
            if steps[-1].broken is not None:
                drain(loop)
    except NotOpenError as error:
        best = best or nothing(plan, loop, users(), str(error))
    assert best is not None
    return replace(best, steps=steps)


def drain(loop: ClosedLoop) -> None:
    """Let an open loop's server get over a step that was too much."""
    if not isinstance(loop, OpenLoop):
        return
    loop.pace(0)
    loop.forget_waiting()
    deadline_s = perf_counter() + DRAIN_S
    while loop.in_flight and perf_counter() < deadline_s:
        gevent.sleep(0.01)


def _next(stairs: Staircase, steps: Sequence[LoadStep]) -> float | None:
    tried = [(step.target, step.broken is None) for step in steps]
    return next_target(tried, first=stairs.first, most=stairs.most, whole=stairs.whole)


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
        generator_run_delay_share=load.generator_run_delay_s / load.duration_s if load.duration_s else 0.0,
        memory_bytes=private_bytes(plan.meter),
        broken=broken(stairs.objective, load),
    )
