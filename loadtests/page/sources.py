"""The runs that a page is made from, each read once and summarised anew from its visits."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from msgspec import Struct

from common.catalog.frameworks import App
from common.console import Terminal
from common.errors import UsageError
from common.records.figure import Figure, Subject, machine_digest, subject_of
from common.records.run import Cell, LoadRun, Run, is_load_test
from common.records.schema import Visit
from common.records.share import Share
from common.records.summary import Summary
from common.words import counted
from loadtests.analysis.machines import runs_elsewhere
from loadtests.analysis.newest import newest_figures
from loadtests.analysis.shares import shares_of
from loadtests.analysis.together import series_of, together, trusted
from loadtests.board.bill import SCENARIO
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.store import RunFolder, find_run_folder, misfits_named, run_folders

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One run with what its visits amount to."""

    run: Run
    visits: Sequence[Visit]
    summary: Struct
    figures: Sequence[Figure]
    stacks: Sequence[Cell]

    @classmethod
    def read(cls, folder: RunFolder) -> "Source":
        """Return the run in a folder; ``UsageError`` where it cannot be read or its records are inconsistent."""
        run, visits = folder.run(), folder.visits()
        with misfits_named(folder.folder):
            return cls.of(run, visits)

    @classmethod
    def of(cls, run: Run, visits: Sequence[Visit]) -> "Source":
        """Return a run with what its visits amount to."""
        experiment = experiment_of(run)
        summary = experiment.summarise(visits)
        figures = list(experiment.figures(summary))
        return cls(run=run, visits=visits, summary=summary, figures=figures, stacks=list(experiment.stacks()))

    @property
    def machine(self) -> str:
        """Digest of the machine that it was measured on."""
        return machine_digest(self.run.machine)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The runs of one page, the newest first, all of one machine."""

    runs: Sequence[Source]
    left_out: Sequence[str] = ()
    """Sentences about runs that were asked for and are not on the page."""
    elsewhere: Sequence[Source] = ()
    """Load tests that other machines made of some of the same stacks; none of their figures is on the page."""
    beside: Sequence[Source] = ()
    """Load tests of ``hello`` by which requests of other scenarios are split; none of their figures is on the page."""

    @cached_property
    def load_tests(self) -> "list[JoinedLoadTest]":
        """Every load test, the newest first, without comparisons; runs that repeat each other are one."""
        alike: dict[str, list[Source]] = {}
        for source in self.runs:
            if is_load_test(source.run) and isinstance(source.summary, Summary):
                alike.setdefault(series_of(source.run), []).append(source)
        return [JoinedLoadTest.of(sorted(tests, key=lambda test: test.run.started_at)) for tests in alike.values()]

    @cached_property
    def shares(self) -> list[Share]:
        """How much of a request is the framework, for each scenario and stack; of several load tests, the newest."""
        return shares_of(self.load_tests, Sources(runs=self.beside).load_tests)

    @cached_property
    def ranking(self) -> "JoinedLoadTest | None":
        """The load test whose decisions the page shows: of those that rank the most stacks, the newest.

        Load tests of `hello`, which the page's rates are of, come before all others.
        """
        return max(
            self.load_tests,
            key=lambda test: (test.gives_rates, test.ranked, test.newest_at),
            default=None,
        )

    @cached_property
    def newest_figures(self) -> list[Figure]:
        """The newest valid figure of each stack, metric and conditions, over the runs that repeat its run."""
        return newest_figures(figure for source in self.runs for figure in source.figures)

    @cached_property
    def cells(self) -> dict[Subject, Cell]:
        """The newest description of each stack; one whose conformance was tested says more than one without."""
        stacks = [(source.run, cell) for source in self.runs for cell in source.stacks]
        every = [(run, cell) for run, cell in stacks if cell.app is not App.EXTRAS]  # which is the stack and more
        every.sort(key=lambda described: (described[1].conformance is not None, described[0].started_at))
        return {subject_of(run, cell): cell for run, cell in every}

    def of(self, *kinds: type[Run]) -> list[Source]:
        """Return the runs of exactly these kinds, the newest first."""
        return [source for source in self.runs if type(source.run) in kinds]


@dataclass(frozen=True, kw_only=True)
class JoinedLoadTest:
    """A load test with its summary, or several that repeat each other with what they say together."""

    run: LoadRun
    """The first one."""
    visits: Sequence[Visit]
    """Those of all."""
    summary: Summary
    newest_at: datetime
    ids: Sequence[str]
    """The runs, the first one first."""

    @classmethod
    def of(cls, sources: Sequence[Source]) -> "JoinedLoadTest":
        """Return the load test of one run, or of several that repeat each other, the first one first.

        Runs that are in doubt as a whole are left out of several, unless all are.
        """
        tests = {source.run.id: source for source in sources}
        summaries = [source.summary for source in tests.values() if isinstance(source.summary, Summary)]
        kept = [tests[summary.run] for summary in trusted(summaries)]
        run = kept[0].run
        assert isinstance(run, LoadRun)
        return cls(
            run=run,
            visits=[visit for source in kept for visit in source.visits],
            summary=together([summary for summary in summaries if tests[summary.run] in kept], run.stopping.margin),
            newest_at=kept[-1].run.started_at,
            ids=[source.run.id for source in kept],
        )

    @property
    def these(self) -> str:
        """What the words of a page call it: ``this run``, or ``these 3 runs``."""
        return "this run" if len(self.ids) == 1 else f"these {len(self.ids)} runs"

    @property
    def scenario(self) -> str:
        """The name of its scenario."""
        return self.run.setup.load.scenario

    @property
    def gives_rates(self) -> bool:
        """Whether its scenario is the one that the page's rates are of."""
        return self.scenario == SCENARIO

    @property
    def under(self) -> str:
        """The words that say what was sent, where it is another scenario than that of the page's rates."""
        if self.run.setup.load.requests:
            return " with requests of your own"
        return "" if self.gives_rates else f" under {self.scenario}"

    @property
    def ranked(self) -> int:
        """The number of stacks that it ranks."""
        return sum(row.rank is not None for row in self.summary.cells)


def select_folders(run: str | None, runs: str | None) -> list[RunFolder]:
    """Return the folders that ``RUN=`` or ``RUNS=`` names; ``all``, the default of both, is every run there is.

    ``UsageError`` where both are given, or one of them names no run.
    """
    if run is not None and runs is not None:
        raise UsageError(f"RUN={run} RUNS={runs}: only one of the two can be given.")
    text = run or runs or ALL
    if text == ALL:
        return run_folders()
    if text == "latest":
        return run_folders()[:1]
    names = [text] if run else [name.strip() for name in text.split(",") if name.strip()]
    return [find_run_folder(name, variable="RUN" if run else "RUNS") for name in names]


def with_elsewhere(sources: Sources, runs: Iterable[Run], read: Callable[[Run], Source]) -> Sources:
    """Return the runs of a page with those of ``runs`` that other machines made of the stacks that it ranks."""
    if sources.ranking is None:
        return sources
    return replace(sources, elsewhere=[read(run) for run in runs_elsewhere(sources.ranking.run, runs)])


def read_sources(folders: Iterable[RunFolder], terminal: Terminal) -> Sources:
    """Return the runs that can be read; ``UsageError`` where none can.

    Figures of different machines do not belong in one table: runs of others than the newest run's are left out.
    """
    found, unreadable = list[Source](), dict[str, str]()
    for folder in folders:
        try:
            if experiment_of(folder.run()).is_reported:
                found.append(Source.read(folder))
        except (UsageError, OSError) as error:
            unreadable[folder.folder.name] = str(error)
    if unreadable:
        first = next(iter(unreadable.values()))
        terminal.say(f"left out, since they cannot be read: {counted(len(unreadable), 'run')}, the first: {first}")
    if not found:
        raise UsageError("there is no run of stacks to report on. Run: make loadtest")
    names = f"Left out, since they cannot be read: {', '.join(unreadable)}."
    return of_one_machine(found, [names] if unreadable else [])


def hello_tests(folders: Iterable[RunFolder]) -> Iterator[Source]:
    """Yield the load tests of ``hello`` in some folders, as far as they can be read."""
    for folder in folders:
        with suppress(UsageError, OSError):
            if is_of_hello(folder.run()):
                yield Source.read(folder)


def is_of_hello(run: Run) -> bool:
    """Return whether a run is a load test of the scenario that the page's rates are of."""
    return is_load_test(run) and run.setup.load.scenario == SCENARIO


def of_one_machine(found: Sequence[Source], left_out: Sequence[str] = ()) -> Sources:
    """Return the runs of the machine of the newest one, and say which others there are."""
    newest = sorted(found, key=lambda source: source.run.started_at, reverse=True)
    kept = [source for source in newest if source.machine == newest[0].machine]
    others = len(newest) - len(kept)
    sentences = [*left_out, *([f"Runs of other machines are left out: {others}."] if others else [])]
    return Sources(runs=kept, left_out=sentences)
