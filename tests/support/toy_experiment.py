"""An experiment whose visits do what a test says, and a terminal whose text can be read."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
from msgspec import Struct
from rich.console import Console
from typing_extensions import override

from common.console import Terminal
from common.errors import BenchmarkError
from common.records.run import Cell, LoadRun
from common.records.schema import Visit
from common.records.window import Window
from common.runtimes.candidates import Candidate
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, expected_s
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.campaign.store import RunFolder

Act = Callable[[PlannedVisit], None]


class ToySummary(Struct, frozen=True, kw_only=True):
    """The number of visits made."""

    visits: int


class Toy(Experiment[LoadRun, ToySummary]):
    """Visits that do what a test says; rounds are made together where ``together``."""

    command = "toy"

    def __init__(
        self,
        made: LoadRun,
        act: Act = lambda _: None,
        *,
        together: bool = False,
        unprintable: bool = False,
        failure: BenchmarkError | None = None,
    ) -> None:
        super().__init__(made)
        self.act = act
        self.together = together
        self.unprintable = unprintable
        self.fails_with = failure
        self.open = False

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        names = [one.name for one in self.run.cells]
        planned = planned_visits(Window, names, self.run.rounds, self.run.seed)
        made = {(visit.round, visit.cell) for visit in visits}
        left = [one for one in planned if (one.round, one.cell) not in made]
        batch = [one for one in left if one.round == left[0].round] if self.together else left[:1]
        return Remaining(
            batch=tuple(batch),
            completion_reason="" if left else "enough was seen",
            count=len(left),
            left_s=expected_s(left, visits),
        )

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
            for one in batch:
                self.act(one)
            return [one.record(Window, self.run.id) for one in batch]

        self.open = True
        try:
            yield visit
        finally:
            self.open = False

    @override
    def summarise(self, visits: Sequence[Visit]) -> ToySummary:
        return ToySummary(visits=len(visits))

    @override
    def tables(self, summary: ToySummary) -> Iterable[str]:
        if self.unprintable:
            raise BrokenPipeError
        return [f"table of {summary.visits}"]

    @override
    def notes(self, summary: ToySummary) -> Iterable[str]:
        return ["a [note]"]

    @override
    def conclusions(self, summary: ToySummary) -> Iterable[str]:
        return ["the conclusion"]

    @override
    def describe(self, visit: Visit) -> str:
        return f"saw {visit.cell}"

    @override
    def failure(self, summary: ToySummary) -> BenchmarkError | None:
        return self.fails_with

    @override
    def stacks(self) -> Iterable[Cell]:
        return self.run.cells

    @override
    def half_made(self, visits: Sequence[Visit]) -> int:
        return len(visits) % len(self.run.cells) if self.together else 0

    @override
    def table_so_far(self, visits: Sequence[Visit]) -> str:
        return f"so far {len(visits)}"

    @override
    def round_summary(self, visits: Sequence[Visit]) -> str:
        return f"round {visits[-1].round} of {len(visits)} visits"


def text_terminal(*, interactive: bool = False) -> Terminal:
    """Return a terminal that keeps what is printed."""
    return Terminal(
        results=Console(file=io.StringIO(), width=150, markup=False, highlight=False),
        messages=Console(file=io.StringIO(), width=150, markup=False, highlight=False, force_terminal=interactive),
    )


def printed(console: Console) -> str:
    """Return everything that was printed to a console of ``text_terminal``."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def written_summary(folder: RunFolder) -> ToySummary:
    """Return the summary on disk."""
    return msgspec.json.decode((folder.folder / "summary.json").read_bytes(), type=ToySummary)
