"""Prepare what candidates need before they can be brought up: environments for processes, images for Docker.

Fargate pulls images from a registry, so there the preparation only checks that they exist.
"""

from collections.abc import Collection, Sequence
from functools import partial

from rich.console import Console

from common.aws.readiness import require_images, sweep
from common.catalog.images import GENERATOR, Image
from common.console import live_progress
from common.engine.builds import build_images
from common.packages.environments import environment
from common.runtimes.candidates import Candidate


def prepare(candidates: Collection[Candidate], console: Console) -> None:
    """Make what is missing or out of date; ``UsageError`` or ``FailedError`` if that fails.

    Images are always built: that takes a moment if nothing has changed, and measuring a stale image would be wrong.
    """
    if (fargate := next((candidate.fargate for candidate in candidates), None)) is not None:
        sweep(fargate, partial(console.print, soft_wrap=True, markup=False, highlight=False))
        tags = [candidate.tag for candidate in candidates if candidate.tag is not None]
        require_images(fargate, [*tags, f"{GENERATOR}:latest"] if fargate.load_from_task else tags)
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


def available(candidates: Sequence[Candidate], console: Console) -> list[Candidate]:
    """Return the candidates that are available; print why the others are not."""
    for candidate in candidates:
        if candidate.unavailable is not None:
            console.print(f"{candidate.name} is not available: {candidate.unavailable}", soft_wrap=True, markup=False)
    return [candidate for candidate in candidates if candidate.unavailable is None]
