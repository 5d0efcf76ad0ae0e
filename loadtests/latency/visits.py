"""A visit: one fresh server in its surroundings, loaded in one way after the other."""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Protocol

import psutil
from msgspec.structs import replace

from common.catalog.sizes import Size
from common.errors import FailedError
from common.host.memory import read_memory
from common.records.latency import LatencyRun, Point, Traffic, Visit
from common.records.run import Run
from common.records.window import Load
from common.runtimes.base import RunningServer
from common.runtimes.docker_proxy import proxied
from common.runtimes.neighbours import neighbours
from loadtests.latency.points import SATURATED, window_s
from loadtests.runs.plan import Step
from loadtests.scenarios.rates import Rate, capacity_rps
from loadtests.users.arrivals import Arrivals
from loadtests.windows import second_task
from loadtests.windows.generator import GeneratorError
from loadtests.windows.throughput import measure


class Servable(Protocol):
    """What can be visited: a candidate, or the floor."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def serve(self, size: Size, *, cores: Sequence[int], inside: bool = ...) -> AbstractContextManager[RunningServer]:
        """Bring it up; nothing of it is left afterwards."""


def visit(record: LatencyRun, step: Step, point: Point, candidate: Servable) -> Visit:
    """What came of one visit. What goes wrong with the server is the visit's, and does not end the run.

    ``GeneratorError`` where Locust fails though the server is well.
    """
    loads: dict[str, Load] = {}
    blank = Visit(
        run=record.run.id,
        round=step.round,
        position=step.position,
        point=point.name,
        started_at=datetime.now(UTC),
        loads=loads,
    )
    try:
        with ExitStack() as stack:
            stack.enter_context(neighbours(point.neighbours, point.server_cores))
            running = stack.enter_context(_served(point, candidate))
            if running.load_task is None:
                load_all(record.run, step, point, running, loads)
            else:
                second_task.visit(running, running.load_task, record.run, step=step, point=point, loads=loads)
            return replace(blank, memory_bytes=_held_bytes(running), error=running.exit_reason())
    except GeneratorError:
        raise
    except FailedError as error:
        return replace(blank, error=str(error))


def order(traffic: Sequence[Traffic], seed: str) -> list[Traffic]:
    """Shuffled, but for what the capacity is read from, which comes first."""
    shuffled = random.Random(seed).sample(list(traffic), len(traffic))  # noqa: S311 -- not for secrets
    return sorted(shuffled, key=lambda one: one.name != SATURATED)


def _served(point: Point, candidate: Servable) -> AbstractContextManager[RunningServer]:
    size = Size(vcpu=point.vcpu, memory_bytes=point.memory_bytes, worker_count=point.workers, period_s=point.period_s)
    serving = candidate.serve(size, cores=point.server_cores, inside=not point.proxied)
    return proxied(serving) if point.proxied else serving


def load_all(run: Run, step: Step, point: Point, running: RunningServer, loads: dict[str, Load]) -> None:
    """All traffic of a visit, one after the other, into ``loads``; errors as ``visit``, and what ended the server."""
    for traffic in order(point.traffic, f"{run.seed}/{step.round}/{point.name}"):
        capacity = capacity_rps(loads[SATURATED], point.vcpu) if SATURATED in loads else None
        try:
            load = measure(running, _run(run, point, traffic, capacity), seed=run.seed + step.round)
        except GeneratorError as error:
            if (how := running.exit_reason()) is None:
                raise
            raise FailedError(how) from error
        if load.open_loop is not None and (traffic.rate or "").endswith("%"):
            load = replace(load, open_loop=replace(load.open_loop, capacity_rps=capacity))
        loads[traffic.name] = load
        if load.server_gone:
            raise FailedError(running.exit_reason() or load.server_gone)


def _held_bytes(running: RunningServer) -> int | None:
    try:
        return None if running.memory_meter is None else read_memory(running.memory_meter).held_bytes
    except (OSError, psutil.Error):
        return None


def _run(run: Run, point: Point, traffic: Traffic, capacity: float | None) -> Run:
    """The run as it would be if it measured nothing but this."""
    rate_rps = None if traffic.rate is None else _rate_rps(Rate.parse(traffic.rate), capacity)
    return replace(
        run,
        scenario="hello" if rate_rps is None else "rate",
        users=traffic.connections,
        vcpu=point.vcpu,
        memory_bytes=point.memory_bytes,
        server_cores=point.server_cores,
        generator_cores=point.generator_cores,
        window_s=window_s(traffic, rate_rps),
        rate=None if rate_rps is None else f"{rate_rps:.3f}",
        arrivals=None if rate_rps is None else Arrivals.POISSON,
    )


def _rate_rps(rate: Rate, capacity: float | None) -> float:
    if rate.rps is not None:
        return rate.rps
    if not capacity:
        raise FailedError("nothing was answered when its capacity was measured")
    return (rate.share or 0.0) * capacity
