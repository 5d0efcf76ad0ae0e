"""Leave to start what costs money: asked for before the first task, not needed by runtimes of this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.aws.settings import Fargate
from common.aws.sizes import completed
from common.catalog.sizes import Size
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import GENERATOR_SIZE, START_DEADLINE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A server that a verb will bring up, and how long it is needed once it answers at most."""

    candidate: Candidate
    size: Size
    needed_s: float
    loaded: bool = False
    """Whether it is loaded; where a second task does that, it is paid for too, and its start is waited for."""

    def tasks(self, place: Fargate) -> list[tuple[Size, float]]:
        """The tasks it takes: how large, and how many seconds each lives at most."""
        lifetime_s = START_DEADLINE_S + self.needed_s
        if not (self.loaded and place.beside):
            return [(completed(self.size), lifetime_s)]
        return [(completed(self.size), START_DEADLINE_S + lifetime_s), (GENERATOR_SIZE, lifetime_s)]


def go_ahead(planned: Sequence[Planned], report: Callable[[str], None]) -> bool:
    """Whether to bring them up; ``UsageError`` where they may cost more than the ceiling.

    With ``DRY_RUN=1`` every call is printed that they would take, and nothing is brought up.
    """
    place = _place(planned)
    if place is None:
        return True
    place.budget.approve([task for one in planned for task in one.tasks(place)], report)
    if place.dry_run:
        rehearse(planned)
    return not place.dry_run


def go_ahead_open_end(candidate: Candidate, size: Size, report: Callable[[str], None]) -> bool:
    """As ``go_ahead`` for one server that stays up until it is interrupted, or until the ceiling is reached."""
    if candidate.place is None:
        return True
    candidate.place.budget.approve_open_end(completed(size), report)
    if candidate.place.dry_run:
        rehearse([Planned(candidate=candidate, size=size, needed_s=0)])
    return not candidate.place.dry_run


def rehearse(planned: Sequence[Planned]) -> None:
    """Bring each up at a place that only prints the calls."""
    for one in planned:
        with one.candidate.serve(one.size, cores=()) as running:
            if one.loaded and running.second_task is not None:
                running.second_task.ask(("a window's order",), one.needed_s)


def _place(planned: Sequence[Planned]) -> Fargate | None:
    return next((one.candidate.place for one in planned), None)
