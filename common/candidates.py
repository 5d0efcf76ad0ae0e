"""What can be brought up: a stack in a runtime, and in which image where that is Docker."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from common.images import Image, tag
from common.matrix import Size, Stack
from common.runtimes import Running, container, process


class Runtime(StrEnum):
    """How a stack is brought up."""

    PROCESS = "process"
    DOCKER = "docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stack, and the image it runs in; ``image`` is ``None`` in the process runtime."""

    stack: Stack
    image: Image | None
    python: str

    @property
    def name(self) -> str:
        """What tables and messages call it."""
        return self.stack.name if self.image is None else f"{self.stack.name}@{self.image.name}"

    @property
    def tag(self) -> str | None:
        """The name of the image it runs in."""
        return None if self.image is None else tag(self.stack, self.image, self.python)

    def unavailable(self) -> str | None:
        """Why it cannot be had, or ``None`` where it can."""
        reasons: Mapping[str, str] = self.stack.framework.unavailable
        places = (self.stack.server.name, self.image.name if self.image else Runtime.PROCESS)
        return next((reasons[place] for place in places if place in reasons), None)

    def serve(self, size: Size, *, cores: Sequence[int], port: int | None = None) -> AbstractContextManager[Running]:
        """Bring it up on ``cores``; nothing of it is left afterwards."""
        if self.tag is None:
            return process.serve(self.stack, size, cores=cores, port=port)
        return container.serve(self.stack, self.tag, size, cores=cores, publish=port)
