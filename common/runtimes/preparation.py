"""What candidates need before they can be brought up: environments in the process runtime, images in Docker.

On Fargate images are pulled from a registry: what is checked is that they are there.
"""

from collections.abc import Sequence
from functools import partial

from rich.console import Console

from common.aws.readiness import require_images, sweep
from common.catalog.images import GENERATOR, Image
from common.console import live_progress
from common.engine.builds import build_images
from common.packages.environments import environment
from common.runtimes.candidates import Candidate


def prepare(candidates: Sequence[Candidate], console: Console) -> None:
    """Make what is missing or no longer up to date; ``UsageError`` or ``FailedError`` where it cannot be made.

    Images are always built: an unchanged one costs a moment, and a stale one would be measured for what it is not.
    """
    if (fargate := next((one.fargate for one in candidates), None)) is not None:
        sweep(fargate, partial(console.print, soft_wrap=True, markup=False, highlight=False))
        tags = [one.tag for one in candidates if one.tag is not None]
        require_images(fargate, [*tags, f"{GENERATOR}:latest"] if fargate.load_from_task else tags)
        return
    on: dict[tuple[Image, str], list[Candidate]] = {}
    with live_progress("getting ready", len(candidates), console) as display:
        for candidate in candidates:
            if candidate.image is None:
                display.start(f"environment of {candidate.name}")
                environment(candidate.stack, candidate.interpreter)
                display.done(f"{candidate.name} is ready")
            else:
                on.setdefault((candidate.image, candidate.python), []).append(candidate)
        for (image, python), ones in on.items():
            display.start(f"images on {image.name}")
            build_images([one.stack for one in ones], [image], python, report=display.done)


def available(candidates: Sequence[Candidate], console: Console) -> list[Candidate]:
    """Those that can be had; of the others the console is told why not."""
    for candidate in candidates:
        if candidate.unavailable is not None:
            console.print(f"{candidate.name} is not available: {candidate.unavailable}")
    return [candidate for candidate in candidates if candidate.unavailable is None]
