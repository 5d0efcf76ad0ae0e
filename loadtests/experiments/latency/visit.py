"""One fresh server at one point, loaded with each kind of traffic in turn."""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from msgspec.structs import replace

from common.catalog.sizes import Size
from common.errors import FailedError
from common.host.meters import GONE, read_memory
from common.records.load import Arrivals, Rate, Setup
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from common.runtimes.surroundings import neighbours, proxied
from loadtests.analysis.values import capacity_rps
from loadtests.experiments.latency.by_task import LoadOrder, ask, code_digest, raise_errors
from loadtests.experiments.latency.records import SATURATED, Point, Traffic, TrafficVisit
from loadtests.windows import by_locust
from loadtests.windows.tools import GeneratorError

WINDOW_S = 2.0
LONGEST_WINDOW_S = 30.0
ARRIVALS = 1100
"""The number of arrivals that a window should hold, so that a thousand of them are answered."""


class Servable(Protocol):
    """A server that can be loaded: a candidate, or nginx."""

    @property
    def name(self) -> str:
        """The name in tables."""

    def serve(self, size: Size, *, cores: Sequence[int], inside: bool = ...) -> AbstractContextManager[RunningServer]:
        """Serve while the block runs; nothing is left afterwards."""


def load_in_turn(visit: TrafficVisit, point: Point, setup: Setup, servable: Servable, *, seed: int) -> TrafficVisit:
    """Return ``visit`` with the loads of all the point's traffic, and with the server's failure, if any.

    ``setup`` is the run's; the point has its own size, cores and load. Raise ``GeneratorError`` if Locust fails
    although the server is well.
    """
    loads: dict[str, Load] = {}
    visit = replace(visit, loads=loads)
    try:
        with ExitStack() as stack:
            stack.enter_context(neighbours(point.neighbours, point.server_cores))
            running = stack.enter_context(_served(point, servable))
            order = f"{seed}/{visit.round}/{point.name}"
            if running.load_task is None:
                load_all(running, point, setup, loads, seed=seed + visit.round, order=order)
            else:
                _load_from_task(running, point, setup, loads, seed=seed + visit.round, order=order)
            return replace(visit, memory_bytes=_held_bytes(running), error=running.exit_reason())
    except GeneratorError:
        raise
    except FailedError as error:
        return replace(visit, error=str(error))


def load_all(
    running: RunningServer, point: Point, setup: Setup, loads: dict[str, Load], *, seed: int, order: str
) -> None:
    """Measure all windows of a point in turn and add them to ``loads``; ``order`` seeds their order.

    Raise ``FailedError`` if the server ends, ``GeneratorError`` if Locust fails.
    """
    for traffic in shuffled(point.traffic, order):
        capacity = capacity_rps(loads[SATURATED], point.size.vcpu) if SATURATED in loads else None
        try:
            load = by_locust.measure(running, _setup(setup, point, traffic, capacity), seed=seed)
        except GeneratorError as error:
            if (reason := running.exit_reason()) is None:
                raise
            raise FailedError(reason) from error
        if load.open_loop is not None and traffic.rate is not None and traffic.rate.share is not None:
            load = replace(load, open_loop=replace(load.open_loop, capacity_rps=capacity))
        loads[traffic.name] = load
        if load.server_gone:
            raise FailedError(running.exit_reason() or load.server_gone)


def shuffled(traffic: Sequence[Traffic], seed: str) -> list[Traffic]:
    """Return the traffic in shuffled order, beginning with the one from which the capacity is read."""
    order = random.Random(seed).sample(list(traffic), len(traffic))  # noqa: S311 -- not for secrets
    return sorted(order, key=lambda kind: kind.name != SATURATED)


def longest_window_s(traffic: Traffic) -> float:
    """Return the longest that the window of a traffic can be, at any rate."""
    return traffic.window_s if traffic.window_s is not None else LONGEST_WINDOW_S


def _load_from_task(
    running: RunningServer, point: Point, setup: Setup, loads: dict[str, Load], *, seed: int, order: str
) -> None:
    assert running.load_task is not None
    needed_s = sum(
        by_locust.longest_s(replace(setup.load, scenario="hello", window_s=longest_window_s(traffic)))
        for traffic in point.traffic
    )
    load_order = LoadOrder(
        code=code_digest(), url=running.load_task.url, setup=setup, seed=seed, point=point, traffic_seed=order
    )
    result = ask(running.load_task, load_order, needed_s)
    loads |= result.loads
    raise_errors(running, result)


def _served(point: Point, servable: Servable) -> AbstractContextManager[RunningServer]:
    serving = servable.serve(point.size, cores=point.server_cores, inside=not point.proxied)
    return proxied(serving) if point.proxied else serving


def _held_bytes(running: RunningServer) -> int | None:
    try:
        return None if running.memory_meter is None else read_memory(running.memory_meter).held_bytes
    except GONE:
        return None


def _setup(setup: Setup, point: Point, traffic: Traffic, capacity: float | None) -> Setup:
    """Return the setup of one traffic of one point."""
    rate_rps = None if traffic.rate is None else _rate_rps(traffic.rate, capacity)
    return replace(
        setup,
        size=point.size,
        server_cores=point.server_cores,
        generator_cores=point.generator_cores,
        load=replace(
            setup.load,
            scenario="hello" if rate_rps is None else "rate",
            users=traffic.connections,
            window_s=_window_s(traffic, rate_rps),
            most_warmup_s=setup.load.most_warmup_s if traffic.name == SATURATED else 0.0,  # it comes first, and warms
            rate=None if rate_rps is None else Rate(rps=round(rate_rps, 3)),
            arrivals=None if rate_rps is None else Arrivals.POISSON,
        ),
    )


def _window_s(traffic: Traffic, rate_rps: float | None) -> float:
    if traffic.window_s is not None:
        return traffic.window_s
    return min(max(ARRIVALS / rate_rps, WINDOW_S), LONGEST_WINDOW_S) if rate_rps else WINDOW_S


def _rate_rps(rate: Rate, capacity: float | None) -> float:
    if rate.rps is not None:
        return rate.rps
    if not capacity:
        raise FailedError("no request was answered while its capacity was measured")
    return (rate.share or 0.0) * capacity
