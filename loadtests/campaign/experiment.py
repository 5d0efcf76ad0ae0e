"""What an experiment declares: what is left to visit, how a visit is made, and what the visits amount to."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import mean
from typing import ClassVar, Generic, TypeVar

from msgspec import Struct
from rich.console import Console, RenderableType

from common.aws.settings import FargateSettings
from common.errors import BenchmarkError
from common.records.figure import Figure
from common.records.run import Cell, Run
from common.records.visit import Visit
from common.runtimes.approval import PlannedServer
from common.runtimes.candidates import Candidate, candidate_from_cell
from loadtests.campaign.plan import PlannedVisit

RunType = TypeVar("RunType", bound=Run)
SummaryType = TypeVar("SummaryType", bound=Struct)

Visitor = Callable[[Sequence[PlannedVisit]], Sequence[Visit]]
"""Makes visits together and returns their records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is left of a run."""

    batch: tuple[PlannedVisit, ...]
    """The visits that are made next, together; empty once the run is over."""
    completion_reason: str
    """Why the run is over; empty while it is not."""
    count: int
    """The most visits that are still to be made."""
    left_s: float | None
    """The most that they will take, going by those made; ``None`` while nothing is known."""


class Experiment(ABC, Generic[RunType, SummaryType]):
    """One experiment, bound to one run. Everything but ``visiting`` is a pure function of the run and its visits.

    Since nothing else has a say in what comes next, an interrupted run resumes as it would have gone on.
    """

    command: ClassVar[str]
    """What makes such runs, and resumes them."""
    resumable: ClassVar[bool] = True
    """Whether an interrupted run can be completed later."""

    def __init__(self, run: RunType) -> None:
        self.run = run

    @abstractmethod
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        """Return what is left once ``visits`` are made."""

    @abstractmethod
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> AbstractContextManager[Visitor]:
        """Give a function that makes visits, and clean up afterwards; ``subjects`` are by the names of their cells."""

    @abstractmethod
    def summarise(self, visits: Sequence[Visit]) -> SummaryType:
        """Return what the visits amount to."""

    @abstractmethod
    def tables(self, summary: SummaryType) -> Iterable[RenderableType]:
        """Return the tables that a summary is printed as."""

    @abstractmethod
    def notes(self, summary: SummaryType) -> Iterable[str]:
        """Return what a reader has to know beside the tables, one sentence each."""

    @abstractmethod
    def describe(self, visit: Visit) -> str:
        """Return the outcome of a visit in a few words."""

    def conclusions(self, summary: SummaryType) -> Iterable[str]:  # noqa: ARG002 -- experiments that answer a question
        """Return the sentences that a summary ends with."""
        return ()

    def figures(self, summary: SummaryType) -> Iterable[Figure]:  # noqa: ARG002 -- experiments that know some
        """Return what the summary says of single stacks, for the store."""
        return ()

    def failure(self, summary: SummaryType) -> BenchmarkError | None:  # noqa: ARG002 -- experiments that can fail
        """Return the error that a run ends with although it was carried out; ``None`` where its numbers are valid."""
        return None

    def stacks(self) -> Iterable[Cell]:
        """Return the cells whose stacks are brought up."""
        return ()

    def subjects(self, fargate: FargateSettings | None = None) -> Mapping[str, Candidate]:
        """Return what to bring up for each of the stacks when the run is resumed, by the names of their cells."""
        return {cell.name: replace(candidate_from_cell(cell), fargate=fargate) for cell in self.stacks()}

    def servers_left(
        self,
        visits: Sequence[Visit],  # noqa: ARG002 -- experiments that run on Fargate
        subjects: Mapping[str, Candidate],  # noqa: ARG002
    ) -> Sequence[PlannedServer]:
        """Return the servers that are still to be brought up, for what they cost where servers are paid for."""
        return ()

    def cores(self) -> frozenset[int]:
        """Return the cores that the run is pinned to."""
        return frozenset()

    def half_made(self, visits: Sequence[Visit]) -> int:  # noqa: ARG002 -- designs whose visits are made together
        """Return how many visits of the last round have to be made again, since they are made together."""
        return 0

    def table_so_far(self, visits: Sequence[Visit]) -> RenderableType | None:  # noqa: ARG002 -- runs worth watching
        """Return what is shown on a terminal while the run is under way; it costs some milliseconds between visits."""
        return None

    def round_summary(self, visits: Sequence[Visit]) -> str | None:  # noqa: ARG002 -- runs that decide by round
        """Return what to say at the end of a round."""
        return None


def remaining_of(planned: Iterable[PlannedVisit], visits: Sequence[Visit]) -> Remaining:
    """Return what is left of a fixed plan, whose visits are made one after the other."""
    made = {(type(visit), visit.round, visit.cell) for visit in visits}
    left = [one for one in planned if (one.kind, one.round, one.cell) not in made]
    return Remaining(
        batch=tuple(left[:1]),
        completion_reason="" if left else "every visit is made",
        count=len(left),
        left_s=expected_s(left, visits),
    )


def expected_s(planned: Iterable[PlannedVisit], visits: Sequence[Visit]) -> float | None:
    """Return how long the planned visits take if each takes as long as those made of its cell, or of its kind.

    ``None`` where one of them has none.
    """
    took_s: dict[object, list[float]] = defaultdict(list)
    for visit in visits:
        if visit.took_s is not None:
            took_s[type(visit), visit.cell].append(visit.took_s)
            took_s[type(visit)].append(visit.took_s)
    total_s = 0.0
    for one in planned:
        known = took_s.get((one.kind, one.cell)) or took_s.get(one.kind)
        if known is None:
            return None
        total_s += mean(known)
    return total_s
