"""``make loadtest``: every stack on a fresh server in every round, until all pairs are decided or time is up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from rich.console import Console, RenderableType
from typing_extensions import override

from common.catalog.sizes import Size
from common.catalog.stacks import make_command
from common.console import format_clock
from common.errors import BenchmarkError
from common.records.figure import Figure
from common.records.run import Cell, Design, LoadRun, Run
from common.records.schema import Visit
from common.records.summary import Pair, Summary
from common.records.window import Window
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import PlannedServer
from common.words import counted
from loadtests.analysis.across_runs import RecordedRun
from loadtests.analysis.comparison import looks_of
from loadtests.analysis.dropping import pairs_of
from loadtests.analysis.together import is_doubted
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, failure_of
from loadtests.campaign.plan import PlannedVisit, progress, time_left_s, windows_of
from loadtests.campaign.store import RunFolder, misfits_named
from loadtests.experiments.loadtest import frameworks_by_server, report, stacks_by_python
from loadtests.experiments.loadtest.notes import notes, with_earlier_runs
from loadtests.experiments.loadtest.visit import measure_window
from loadtests.scenarios.scenario import WARMUP_S, WINDOW_S
from loadtests.windows.by_locust import START_UP_S
from loadtests.windows.sliced import measure_in_turn

TOGETHER = frozenset({Design.SLICED, Design.DUET})
"""The designs in which all servers of a round are up at once, so that a round is made whole or again."""
LoadRunType = TypeVar("LoadRunType", bound=LoadRun)


class LoadTest(Experiment[LoadRunType, Summary]):
    """A load test; the base of comparisons as well."""

    command = "loadtest"
    run_type: ClassVar[type[Run]] = LoadRun
    visit_types = (Window,)
    summary_type = Summary

    def __init__(self, run: LoadRunType, repeated: Sequence[Summary] = ()) -> None:
        super().__init__(run)
        self._repeated = repeated
        """The summaries of earlier runs of the same stacks on this machine, the newest last."""

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        run, position = self.run, progress(self.run, visits)
        if not position.todo:
            return Remaining(batch=(), completion_reason=position.completion_reason, count=0, left_s=0.0)
        batch = position.todo if run.design in TOGETHER else position.todo[:1]
        first = position.todo[0]
        most = len(position.todo) + len(position.active) * (run.rounds - first.round)
        fewest = len(position.todo) + len(position.active) * max(0, run.stopping.fewest_rounds - first.round)
        return Remaining(
            batch=batch, completion_reason="", count=most, left_s=time_left_s(run, visits, most=most, fewest=fewest)
        )

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        yield lambda batch: self.visit(batch, subjects)

    def visit(self, batch: Sequence[PlannedVisit], subjects: Mapping[str, Candidate]) -> Sequence[Visit]:
        """Make the windows of a sliced round, or the next window."""
        if self.run.slicing is not None:
            windows = [planned.record(Window, self.run.id) for planned in batch]
            candidates = {window.cell: self._candidate(window.cell, subjects) for window in windows}
            seed = f"{self.run.seed}/{batch[0].round}"
            return measure_in_turn(windows, self.run.setup, self.run.slicing, candidates, seed=seed)
        (planned,) = batch
        candidate = self._candidate(planned.cell, subjects)
        window = planned.record(Window, self.run.id)
        return [measure_window(window, self.run.setup, candidate, seed=self.run.seed + planned.round)]

    def _candidate(self, cell: str, subjects: Mapping[str, Candidate]) -> Candidate:
        """Return the candidate of a cell; for a control, that of its original."""
        originals = {cell.name: cell.control_of for cell in self.run.cells}
        return subjects[originals[cell] or cell]

    @override
    def summarise(self, visits: Sequence[Visit]) -> Summary:
        return report.summarise(self.run, windows_of(visits))

    @override
    def tables(self, summary: Summary) -> Iterable[RenderableType]:
        tables = [report.table(self.run, summary)]
        if (servers := frameworks_by_server.by_server(self.run, summary)) is not None:
            tables.append(frameworks_by_server.table(servers))
        if (pythons := stacks_by_python.by_python(self.run, summary)) is not None:
            tables += [stacks_by_python.table(pythons), stacks_by_python.spread_table(pythons)]
        return tables

    @override
    def conclusions(self, summary: Summary) -> Iterable[str]:
        if self._repeated and not is_doubted(summary):
            yield with_earlier_runs(self.run, self._repeated, summary)

    @override
    def notes(self, summary: Summary) -> Iterable[str]:
        yield from notes(self.run, summary)
        if (servers := frameworks_by_server.by_server(self.run, summary)) is not None:
            yield from frameworks_by_server.notes(servers)
        if (pythons := stacks_by_python.by_python(self.run, summary)) is not None:
            yield from stacks_by_python.notes(pythons)

    @override
    def figures(self, summary: Summary) -> Iterable[Figure]:
        return report.figures(self.run, summary)

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, Window)
        value = requests_per_cpu_s(visit.load)
        if visit.load is None or not visit.load.requests:
            return "nothing was answered"
        if value is None:
            return f"{visit.load.requests / visit.load.duration_s:,.0f} req/s of wall time"
        return f"{value:,.0f} req/s per vCPU"

    @override
    def failure(self, summary: Summary) -> BenchmarkError | None:
        return failure_of([(row.cell, row.verdict, row.doubts) for row in summary.cells], "stack")

    @override
    def stacks(self) -> Iterable[Cell]:
        return [cell for cell in self.run.cells if cell.control_of is None]

    @override
    def servers_left(self, visits: Sequence[Visit], subjects: Mapping[str, Candidate]) -> Sequence[PlannedServer]:
        return planned_windows(list(subjects.values())[:1], self.run.setup.size, self.remaining(visits).count)

    @override
    def cores(self) -> frozenset[int]:
        return frozenset((*self.run.setup.server_cores, *self.run.setup.generator_cores))

    @override
    def half_made(self, visits: Sequence[Visit]) -> int:
        windows = windows_of(visits)
        if self.run.design not in TOGETHER or not windows:
            return 0
        latest, todo = windows[-1].round, progress(self.run, windows).todo
        return sum(window.round == latest for window in windows) if todo and todo[0].round == latest else 0

    @override
    def table_so_far(self, visits: Sequence[Visit]) -> RenderableType | None:
        windows = windows_of(visits)
        active = progress(self.run, visits).active
        return report.table_so_far(self.run, windows, pairs_at_look(self.run, windows), active)

    @override
    def round_summary(self, visits: Sequence[Visit]) -> str | None:
        windows = windows_of(visits)
        pairs, remaining = pairs_at_look(self.run, windows), self.remaining(visits)
        undecided = sum(pair.is_undecided for pair in pairs or ())
        seen = f"{undecided} of {len(pairs)} pairs undecided at the latest look, " if pairs else ""
        left = f", at most {format_clock(remaining.left_s)} left" if remaining.left_s else ""
        active = progress(self.run, visits).active
        return f"round {windows[-1].round}: {seen}{counted(len(active), 'cell')} still in{left}"


def planned_windows(candidates: Sequence[Candidate], size: Size, rounds: int) -> list[PlannedServer]:
    """Return the servers of this many rounds, to estimate their cost on a paid runtime."""
    needed_s = WARMUP_S + WINDOW_S + START_UP_S
    return [
        PlannedServer(candidate=candidate, size=size, needed_s=needed_s, loaded=True) for candidate in candidates
    ] * rounds


def read_load_test(folder: RunFolder) -> RecordedRun:
    """Return a load test with its windows, and its summary computed from its visits."""
    run, visits = folder.run(), folder.visits()
    assert isinstance(run, LoadRun)
    with misfits_named(folder.folder):
        return RecordedRun(run=run, windows=windows_of(visits), summary=LoadTest(run).summarise(visits))


def why_unfinished(folder: RunFolder) -> str | None:
    """Return why the load test in a folder is not a finished one, with what to run; ``None`` if it is.

    Interrupted ones have a summary as well, and so have those of the web UI, whose stacks nobody has checked.
    """
    run, visits = folder.run(), folder.visits()
    assert isinstance(run, LoadRun)
    if unchecked := [cell.name for cell in run.cells if cell.conformance is None]:
        seen = f"{unchecked[0]} was not checked against the contract; make web does not check its stacks"
        return f"{seen}. Run: make loadtest"
    with misfits_named(folder.folder):
        if LoadTest(run).is_complete(visits):
            return None
    return f"it was interrupted. Run: {make_command('loadtest', {'RESUME': folder.name})}"


def pairs_at_look(run: LoadRun, windows: Sequence[Window]) -> tuple[Pair, ...] | None:
    """Return every pair as of the latest look; ``None`` before the first one."""
    made = max((window.round for window in windows), default=0)
    latest = max((look for look in looks_of(run) if look <= made), default=0)
    return pairs_of(run, [window for window in windows if window.round <= latest]) if latest else None
