"""How much of a request is the framework: the parts of its CPU time, each with its interval. Pure."""

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec.structs import replace

from common.records.figure import subject_of
from common.records.run import Cell, LoadRun
from common.records.share import Share
from common.records.summary import CellSummary, Component, Interval, Summary
from loadtests.analysis.across_runs import MACHINE, conditions_of
from loadtests.analysis.between_runs import LEVEL
from loadtests.analysis.joint import estimate_in_run
from loadtests.analysis.outcome import between
from loadtests.analysis.over_floor import floors_of
from loadtests.analysis.verdicts import is_compared
from loadtests.statistics.components import Estimate, sized, total
from loadtests.statistics.intervals import student_t

HELLO = "hello"
"""The scenario in which a floor does nothing but answer."""
OF_A_SCENARIO = frozenset({"scenario", "delay_ms", "warmup_s", "most_warmup_s"})
"""The conditions in which load tests of two scenarios may differ and still be made alike."""


class LoadTest(Protocol):
    """A load test, or several that repeat each other."""

    @property
    def run(self) -> LoadRun:
        """The first one."""

    @property
    def summary(self) -> Summary:
        """What they say together."""

    @property
    def ids(self) -> Sequence[str]:
        """The ids of all."""


def shares_of(tests: Sequence[LoadTest], beside: Sequence[LoadTest] = ()) -> list[Share]:
    """Return the parts of a request for each stack of some load tests that has a rate.

    Those of ``hello`` among them and among the tests ``beside`` tell what a floor's server takes from what the floor
    does in a scenario. A stack that several tests of one scenario hold at one size is of the first of them.
    """
    hello = [test for test in (*tests, *beside) if test.run.setup.load.scenario == HELLO]
    found: dict[tuple[object, ...], Share] = {}
    for test in tests:
        for share in _Parts(test, hello).shares():
            found.setdefault((share.scenario, share.subject, share.vcpu), share)
    return [*found.values()]


class _Parts:
    """A load test whose requests are split into parts."""

    def __init__(self, test: LoadTest, hello: Sequence[LoadTest]) -> None:
        self._test = test
        self._hello = [bare for bare in hello if _made_alike(bare.run, test.run)]
        self._cells = {cell.name: cell for cell in test.run.cells if cell.control_of is None}
        self._rows = {row.cell: row for row in test.summary.cells}
        self._floors = floors_of(test.run)
        self._pairs = {frozenset((pair.a, pair.b)): (pair,) for pair in test.summary.pairs}

    def shares(self) -> Iterator[Share]:
        """Yield the parts of each stack with a rate, in the order of the summary."""
        for row in self._test.summary.cells:
            if row.cell in self._cells and (cost := _cost(self._test, row.cell)) is not None:
                yield self._share(row, cost)

    def _share(self, row: CellSummary, cost: Estimate) -> Share:
        test, cell = self._test, self._cells[row.cell]
        above = self._floors.get(row.cell)
        floor = row.cell if above is None and cell.is_floor else above
        share = Share(
            scenario=test.run.setup.load.scenario,
            cell=cell.name,
            title=cell.title,
            version=cell.version,
            subject=subject_of(test.run, cell),
            vcpu=test.run.setup.size.vcpu,
            cost_s=cost.interval(),
            floor=floor,
            server_s=None,
            work_s=None,
            framework_s=row.over_floor_s,
            share=None if above is None else self._of_framework(row.cell, above),
            database_s=row.database_s,
            doubts=dict(self._doubts(row.cell, floor)),
            runs=[*test.ids],
        )
        return share if floor is None else self._with_floor(share, self._cells[floor])

    def _with_floor(self, share: Share, floor: Cell) -> Share:
        """Return the parts with those of the floor, if a load test of ``hello`` tells them apart."""
        own, hello = _cost(self._test, floor.name), _nearest(self._hello, floor, self._test)
        bare = None if hello is None else _cost(hello, floor.name)
        if own is None or hello is None or bare is None:
            return share
        work_s = None if share.scenario == HELLO else _beyond(own, bare)
        return replace(share, server_s=bare.interval(), work_s=work_s, hello_runs=[*hello.ids])

    def _of_framework(self, cell: str, floor: str) -> Interval | None:
        """Return what the floor leaves of a request, by rounds that have both; by the estimates alone if in doubt."""
        pair = between(self._pairs.get(frozenset((cell, floor)), ()), cell, floor)
        if pair is not None and pair.ratio is not None:
            ratio = pair.ratio
            low, high = (None if edge is None else 1 - edge for edge in (ratio.high, ratio.low))
            return Interval(estimate=1 - ratio.estimate, low=low, high=high, n=ratio.n)
        own, bare = _cost(self._test, cell), _cost(self._test, floor)
        if own is None or bare is None:
            return None
        return Interval(estimate=1 - math.exp(bare.mean - own.mean), low=None, high=None, n=min(own.n, bare.n))

    def _doubts(self, cell: str, floor: str | None) -> Iterator[tuple[str, str]]:
        for name in dict.fromkeys(filter(None, (floor, cell))):
            if not is_compared(row := self._rows[name]):
                yield from ((verdict, f"{name}: {seen}") for verdict, seen in row.doubts.items())


def _made_alike(a: LoadRun, b: LoadRun) -> bool:
    """Return whether two runs were made on one machine in the same way but for the scenario."""
    machines = ([getattr(run.machine, name) for name in (*MACHINE, "memory_bytes")] for run in (a, b))
    conditions = ({name: value for name, value in conditions_of(run).items() if name not in OF_A_SCENARIO}
                  for run in (a, b))  # fmt: skip
    return all(operator.eq(*both) for both in (machines, conditions))


def _nearest(hello: Sequence[LoadTest], floor: Cell, test: LoadTest) -> LoadTest | None:
    """Return the load test of ``hello`` nearest in time that has a sound number for the same floor."""
    fitting = [bare for bare in hello if _has(bare, floor)]
    return min(fitting, key=lambda bare: abs(bare.run.started_at - test.run.started_at), default=None)


def _has(hello: LoadTest, floor: Cell) -> bool:
    cells = {cell.name: cell for cell in hello.run.cells if _is_same_server(cell, floor)}
    return any(row.cell in cells and is_compared(row) for row in hello.summary.cells)


def _is_same_server(a: Cell, b: Cell) -> bool:
    """Return whether two cells of one name are of the same server at the same version."""
    return all(getattr(a, name) == getattr(b, name) for name in ("name", "server_packages", "python"))


def _cost(test: LoadTest, name: str) -> Estimate | None:
    """Return the seconds of a request; the error is that of another run, with what a run does to all stacks."""
    row = next((row for row in test.summary.cells if row.cell == name), None)
    if row is None or row.requests_per_cpu_s is None:
        return None
    rate = estimate_in_run(row.requests_per_cpu_s, row.error)
    error = None if row.error is None else total(row.error, *_shared(test, rate.n))
    return Estimate(mean=-rate.mean, error=error, n=rate.n)


def _shared(test: LoadTest, rounds: int) -> Iterator[Component]:
    """Yield what a run, and a round, do to all stacks alike, and what a stack varies by from run to run."""
    between_runs = filter(None, (LEVEL, test.summary.between_runs))
    yield from (sized(part, 1 / math.sqrt(len(test.ids))) for part in between_runs)
    if test.summary.spread is not None and rounds > 1:
        yield Component(sd=test.summary.spread.rounds / math.sqrt(rounds), freedom=rounds - 1)


def _beyond(own: Estimate, bare: Estimate) -> Interval:
    """Return what the first takes beyond the second, of another run."""
    sizes = [math.exp(cost.mean) for cost in (own, bare)]
    errors = [sized(cost.error, math.exp(cost.mean)) for cost in (own, bare) if cost.error is not None]
    difference, n = sizes[0] - sizes[1], min(own.n, bare.n)
    if len(errors) < len(sizes):
        return Interval(estimate=difference, low=None, high=None, n=n)
    error: Component = total(*errors)
    half = student_t(error.freedom) * error.sd
    return Interval(estimate=difference, low=difference - half, high=difference + half, n=n)
