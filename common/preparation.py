"""What candidates need before they can be brought up: environments in the process runtime, images in Docker."""

from collections.abc import Sequence
from functools import partial

from docker.errors import ImageNotFound
from rich.console import Console

from common.build import build
from common.candidates import Candidate
from common.engine import engine
from common.environments import environment
from common.images import Image


def prepare(candidates: Sequence[Candidate], console: Console) -> None:
    """Make what is missing; ``UsageError`` or ``FailedError`` where it cannot be made."""
    missing: dict[Image, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.image is None:
            with console.status(f"environment of {candidate.name}"):
                environment(candidate.stack)
        elif not _present(candidate):
            missing.setdefault(candidate.image, []).append(candidate)
    for image, ones in missing.items():
        console.print(f"building {len(ones)} missing {image.name} images", highlight=False)
        build(
            [one.stack for one in ones],
            [image],
            ones[0].python,
            report=partial(console.print, soft_wrap=True, markup=False),
        )


def _present(candidate: Candidate) -> bool:
    assert candidate.tag is not None
    try:
        engine().images.get(candidate.tag)
    except ImageNotFound:
        return False
    return True
