"""The declaration of an experiment: its remaining visits, how to make a visit, and the summary of all visits."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import mean
from typing import ClassVar, Generic, TypeVar

from msgspec import Struct
from rich.console import Console, RenderableType

from common.aws.settings import FargateSettings
from common.errors import BenchmarkError, FailedError, GeneratorBoundError
from common.records.figure import Figure
from common.records.run import Cell, Run
from common.records.schema import Visit
from common.records.summary import Verdict
from common.runtimes.candidates import Candidate, candidate_from_cell
from common.runtimes.preparation import PlannedServer
from loadtests.analysis.dropping import TERMINAL_VERDICTS
from loadtests.campaign.plan import PlannedVisit

RunType = TypeVar("RunType", bound=Run)
SummaryType = TypeVar("SummaryType", bound=Struct)

Visitor = Callable[[Sequence[PlannedVisit]], Sequence[Visit]]
"""Makes visits together and returns their records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """The remaining visits of a run."""

    batch: tuple[PlannedVisit, ...]
    """The visits to make next, together; empty once the run is over."""
    completion_reason: str
    """The reason why the run is over; empty while it continues."""
    count: int
    """The largest number of visits still to make."""
    left_s: float | None
    """The longest time that they can take, judging by those made; ``None`` while it is unknown."""


class Experiment(ABC, Generic[RunType, SummaryType]):
    """One experiment, bound to one run. Everything but ``visiting`` is a pure function of the run and its visits.

    An interrupted run therefore resumes exactly as it would have continued.
    """

    command: str
    """The command that starts and resumes such runs."""
    run_type: ClassVar[type[Run]]
    """The type of its manifest."""
    visit_types: ClassVar[tuple[type[Visit], ...]]
    """The types of its visits."""
    summary_type: ClassVar[type[Struct]]
    """The type of its summary."""
    is_reported: ClassVar[bool] = True
    """Whether reports of stacks include its runs."""

    def __init__(self, run: RunType) -> None:
        self.run = run

    @property
    def why_not_resumable(self) -> str | None:
        """The reason why an interrupted run cannot be completed later; ``None`` if it can."""
        if any(cell.is_local for cell in self.stacks()):
            return "is of a folder of your own, whose path is not recorded, and cannot be resumed"
        return None

    @abstractmethod
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        """Return what is left once ``visits`` are made."""

    def is_complete(self, visits: Sequence[Visit]) -> bool:
        """Return whether nothing is left once ``visits`` are made; an interrupted run has a summary too."""
        return not self.remaining(visits).batch

    @abstractmethod
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> AbstractContextManager[Visitor]:
        """Provide a function that makes visits, and clean up afterwards; ``subjects`` are keyed by cell name."""

    @abstractmethod
    def summarise(self, visits: Sequence[Visit]) -> SummaryType:
        """Return the summary of the visits."""

    @abstractmethod
    def tables(self, summary: SummaryType) -> Iterable[RenderableType]:
        """Return the tables that show a summary."""

    @abstractmethod
    def notes(self, summary: SummaryType) -> Iterable[str]:
        """Return what a reader must know besides the tables, one sentence each."""

    @abstractmethod
    def describe(self, visit: Visit) -> str:
        """Return the outcome of a visit in a few words."""

    def conclusions(self, summary: SummaryType) -> Iterable[str]:  # noqa: ARG002 -- experiments that answer a question
        """Return the sentences that a summary ends with."""
        return ()

    def warnings(self, summary: SummaryType) -> Iterable[str]:  # noqa: ARG002 -- experiments that may leave a question
        """Return what a completed run warns of although it does not fail, one sentence each."""
        return ()

    def figures(self, summary: SummaryType) -> Iterable[Figure]:  # noqa: ARG002 -- experiments that know some
        """Return the summary's figures of single stacks, for the store."""
        return ()

    def failure(self, summary: SummaryType) -> BenchmarkError | None:  # noqa: ARG002 -- experiments that can fail
        """Return the error with which a completed run ends; ``None`` if its numbers are valid."""
        return None

    def stacks(self) -> Iterable[Cell]:
        """Return the cells whose stacks are brought up."""
        return ()

    def subjects(self, fargate: FargateSettings | None = None) -> Mapping[str, Candidate]:
        """Return the candidates to bring up when the run is resumed, by cell name."""
        return {cell.name: replace(candidate_from_cell(cell), fargate=fargate) for cell in self.stacks()}

    def servers_left(
        self,
        visits: Sequence[Visit],  # noqa: ARG002 -- experiments that run on Fargate
        subjects: Mapping[str, Candidate],  # noqa: ARG002
    ) -> Sequence[PlannedServer]:
        """Return the servers still to be started, to estimate their cost on a paid runtime."""
        return ()

    def cores(self) -> frozenset[int]:
        """Return the cores that the run is pinned to."""
        return frozenset()

    def half_made(self, visits: Sequence[Visit]) -> int:  # noqa: ARG002 -- designs whose visits are made together
        """Return how many visits of the last round must be repeated because the round was interrupted."""
        return 0

    def table_so_far(self, visits: Sequence[Visit]) -> RenderableType | None:  # noqa: ARG002 -- runs worth watching
        """Return the table shown on a terminal during the run; computing it costs some milliseconds between visits."""
        return None

    def round_summary(self, visits: Sequence[Visit]) -> str | None:  # noqa: ARG002 -- runs that decide by round
        """Return a sentence to print at the end of a round."""
        return None


def failure_of(rows: Iterable[tuple[str, Verdict, Collection[str]]], noun: str) -> BenchmarkError | None:
    """Return the error for rows without a valid number, or with the generator's own; ``None`` if there are none.

    A row has a name, its verdict, and all doubts about it; ``noun`` says what the names are of.
    """
    judged = list(rows)
    if bad := dict.fromkeys(name for name, verdict, _ in judged if verdict in TERMINAL_VERDICTS):
        every = {name for name, _, _ in judged}
        return FailedError(f"no valid number for {len(bad)} of {len(every)} {noun}s: {', '.join(bad)}.")
    if bound := ", ".join(dict.fromkeys(name for name, _, doubts in judged if Verdict.GENERATOR_BOUND in doubts)):
        return GeneratorBoundError(f"the generator was the limit for {bound}: those numbers may be its own.")
    return None


def remaining_of(planned: Iterable[PlannedVisit], visits: Sequence[Visit]) -> Remaining:
    """Return what remains of a fixed plan whose visits are made one at a time."""
    made = {(type(visit), visit.round, visit.cell) for visit in visits}
    left = [visit for visit in planned if (visit.kind, visit.round, visit.cell) not in made]
    return Remaining(
        batch=tuple(left[:1]),
        completion_reason="" if left else "every visit is made",
        count=len(left),
        left_s=expected_s(left, visits),
    )


def expected_s(planned: Iterable[PlannedVisit], visits: Sequence[Visit]) -> float | None:
    """Return how long the planned visits will take, by the mean of those made of the same cell, or else kind.

    ``None`` if there are no such visits for one of them.
    """
    took_s: dict[object, list[float]] = defaultdict(list)
    for made in visits:
        if made.took_s is not None:
            took_s[type(made), made.cell].append(made.took_s)
            took_s[type(made)].append(made.took_s)
    total_s = 0.0
    for visit in planned:
        known = took_s.get((visit.kind, visit.cell)) or took_s.get(visit.kind)
        if known is None:
            return None
        total_s += mean(known)
    return total_s
