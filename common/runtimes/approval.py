"""Approve the cost before billable tasks start; runtimes on this machine need no approval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.aws.settings import FargateSettings
from common.aws.sizes import with_minimum_memory
from common.catalog.sizes import Size
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import GENERATOR_SIZE, START_DEADLINE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedServer:
    """A server that a command will bring up, and how long it is needed at most once it answers."""

    candidate: Candidate
    size: Size
    needed_s: float
    loaded: bool = False
    """Whether it is loaded; with ``LOAD_FROM=task``, a second task is then paid for too, and its start waited for."""

    def tasks(self, fargate: FargateSettings) -> list[tuple[Size, float]]:
        """Return the size and the longest lifetime in seconds of each task that it takes."""
        lifetime_s = START_DEADLINE_S + self.needed_s
        if not (self.loaded and fargate.load_from_task):
            return [(with_minimum_memory(self.size), lifetime_s)]
        return [(with_minimum_memory(self.size), START_DEADLINE_S + lifetime_s), (GENERATOR_SIZE, lifetime_s)]


def approve_cost(planned: Sequence[PlannedServer], report: Callable[[str], None]) -> bool:
    """Return whether to bring the servers up; ``UsageError`` if they may cost more than the ceiling.

    With ``DRY_RUN=1``, every call that they would take is printed, and nothing is brought up.
    """
    fargate = _fargate_settings(planned)
    if fargate is None:
        return True
    fargate.budget.approve([task for server in planned for task in server.tasks(fargate)], report)
    if fargate.dry_run:
        print_dry_run(planned)
    return not fargate.dry_run


def approve_open_ended_cost(candidate: Candidate, size: Size, report: Callable[[str], None]) -> bool:
    """Return whether to bring up a server that runs until it is interrupted or the ceiling is reached.

    Errors and ``DRY_RUN=1`` as ``approve_cost``.
    """
    if candidate.fargate is None:
        return True
    candidate.fargate.budget.approve_open_end(with_minimum_memory(size), report)
    if candidate.fargate.dry_run:
        print_dry_run([PlannedServer(candidate=candidate, size=size, needed_s=0)])
    return not candidate.fargate.dry_run


def print_dry_run(planned: Sequence[PlannedServer]) -> None:
    """Bring each server up with a client that only prints the calls."""
    for server in planned:
        with server.candidate.serve(server.size, cores=()) as running:
            if server.loaded and running.load_task is not None:
                running.load_task.ask(("a window's order",), server.needed_s)


def _fargate_settings(planned: Sequence[PlannedServer]) -> FargateSettings | None:
    """Return the settings that all candidates share; ``None`` if they run on this machine."""
    return next((server.candidate.fargate for server in planned), None)
