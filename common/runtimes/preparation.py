"""Prepare what candidates need before they can be brought up, and approve what they will cost.

Processes need environments, Docker images. Fargate pulls images from a registry, so there the preparation only checks
that they exist; only there, tasks are billed.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from common.aws.readiness import require_images, sweep
from common.aws.settings import FargateSettings
from common.aws.spending import with_minimum_memory
from common.catalog.images import GENERATOR, Image
from common.catalog.sizes import Size
from common.console import live_progress
from common.engine.builds import build_images
from common.packages.environments import environment
from common.runtimes.candidates import Candidate
from common.runtimes.fargate import GENERATOR_SIZE, START_DEADLINE_S


def prepare(candidates: Collection[Candidate], console: Console) -> None:
    """Make what is missing or out of date; ``UsageError`` or ``FailedError`` if that fails.

    Images are always built: that takes a moment if nothing has changed, and measuring a stale image would be wrong.
    """
    if (fargate := next((candidate.fargate for candidate in candidates), None)) is not None:
        sweep(fargate, partial(console.print, soft_wrap=True, markup=False, highlight=False))
        require_pushed(fargate, candidates)
        return
    by_base: dict[tuple[Image, str], list[Candidate]] = {}
    own = [candidate for candidate in candidates if candidate.guest is None]
    with live_progress("getting ready", len(own), console) as display:
        for candidate in own:
            if candidate.image is None:
                display.start(f"environment of {candidate.name}")
                environment(candidate.stack, candidate.interpreter)
                display.done(f"{candidate.name} is ready")
            else:
                by_base.setdefault((candidate.image, candidate.python), []).append(candidate)
        for (image, python), stacked in by_base.items():
            display.start(f"images on {image.name}")
            build_images([candidate.stack for candidate in stacked], [image], python, report=display.done)


def require_pushed(fargate: FargateSettings, candidates: Iterable[Candidate]) -> None:
    """Raise ``UsageError`` with the command to run for an image that tasks will pull and that is not in ECR."""
    commands = {
        candidate.tag: _push_command(candidate, fargate.registry)
        for candidate in candidates
        if candidate.tag is not None
    }
    if fargate.load_from_task:
        commands[f"{GENERATOR}:latest"] = f"make generator REGISTRY={fargate.registry}"
    require_images(fargate, commands)


def _push_command(candidate: Candidate, registry: str) -> str:
    """Return the command line that puts a candidate's image into a registry, and no other image."""
    framework, image = candidate.stack.framework, candidate.image
    assert image is not None
    variables = {
        "REGISTRY": registry,
        "FRAMEWORK": framework.selector,
        "SERVER": candidate.stack.server.name,
        "IMAGE": image.name,
        "PYTHON": candidate.python,
    }
    return shlex.join(["make", "push", *(f"{name}={value}" for name, value in variables.items())])


def available(candidates: Sequence[Candidate], console: Console) -> list[Candidate]:
    """Return the candidates that are available; print why the others are not."""
    for candidate in candidates:
        if candidate.unavailable is not None:
            console.print(f"{candidate.name} is not available: {candidate.unavailable}", soft_wrap=True, markup=False)
    return [candidate for candidate in candidates if candidate.unavailable is None]


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
