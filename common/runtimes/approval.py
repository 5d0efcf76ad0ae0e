"""Leave to start what costs money: asked for before the first task, not needed by runtimes of this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.aws.settings import FargateSettings
from common.aws.sizes import with_minimum_memory
from common.catalog.sizes import Size
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import GENERATOR_SIZE, START_DEADLINE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedServer:
    """A server that a verb will bring up, and how long it is needed once it answers at most."""

    candidate: Candidate
    size: Size
    needed_s: float
    loaded: bool = False
    """Whether it is loaded; where a second task does that, it is paid for too, and its start is waited for."""

    def tasks(self, fargate: FargateSettings) -> list[tuple[Size, float]]:
        """The tasks it takes: how large, and how many seconds each lives at most."""
        lifetime_s = START_DEADLINE_S + self.needed_s
        if not (self.loaded and fargate.load_from_task):
            return [(with_minimum_memory(self.size), lifetime_s)]
        return [(with_minimum_memory(self.size), START_DEADLINE_S + lifetime_s), (GENERATOR_SIZE, lifetime_s)]


def approve_cost(planned: Sequence[PlannedServer], report: Callable[[str], None]) -> bool:
    """Whether to bring them up; ``UsageError`` where they may cost more than the ceiling.

    With ``DRY_RUN=1`` every call is printed that they would take, and nothing is brought up.
    """
    fargate = _fargate(planned)
    if fargate is None:
        return True
    fargate.budget.approve([task for one in planned for task in one.tasks(fargate)], report)
    if fargate.dry_run:
        print_dry_run(planned)
    return not fargate.dry_run


def approve_open_ended_cost(candidate: Candidate, size: Size, report: Callable[[str], None]) -> bool:
    """As ``go_ahead`` for one server that stays up until it is interrupted, or until the ceiling is reached."""
    if candidate.fargate is None:
        return True
    candidate.fargate.budget.approve_open_end(with_minimum_memory(size), report)
    if candidate.fargate.dry_run:
        print_dry_run([PlannedServer(candidate=candidate, size=size, needed_s=0)])
    return not candidate.fargate.dry_run


def print_dry_run(planned: Sequence[PlannedServer]) -> None:
    """Bring each up at a place that only prints the calls."""
    for one in planned:
        with one.candidate.serve(one.size, cores=()) as running:
            if one.loaded and running.load_task is not None:
                running.load_task.ask(("a window's order",), one.needed_s)


def _fargate(planned: Sequence[PlannedServer]) -> FargateSettings | None:
    return next((one.candidate.fargate for one in planned), None)
