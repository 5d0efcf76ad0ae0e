"""What can be brought up: a stack in a runtime, and in which image where that is Docker."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from common.aws.settings import FargateSettings
from common.aws.sizes import parse_fargate_size as read_fargate_size
from common.aws.sizes import with_minimum_memory
from common.catalog.frameworks import frameworks
from common.catalog.images import DEFAULT_PYTHON, Image, image_tag, images, parse_python
from common.catalog.selection import canonical, one_of, select
from common.catalog.servers import SERVERS
from common.catalog.sizes import Size
from common.catalog.stacks import DEFAULT, Stack, stacks
from common.engine.client import engine, engine_answers
from common.errors import UsageError
from common.records.run import Cell
from common.runtimes import container, fargate, process
from common.runtimes.base import RunningServer

DEFAULT_IMAGE = "slim"


class Runtime(StrEnum):
    """How a stack is brought up."""

    PROCESS = "process"
    DOCKER = "docker"
    FARGATE = "fargate"

    @classmethod
    def parse(cls, text: str) -> "Runtime":
        """The runtime that ``RUNTIME=`` names; ``auto`` is Docker where an engine answers, else processes."""
        if canonical(text) == "auto":
            return cls.DOCKER if engine_answers() else cls.PROCESS
        if (found := cls(one_of(text, cls, variable="RUNTIME", more=("auto",)))) is cls.DOCKER:
            engine()
        return found

    @property
    def local(self) -> "Runtime":
        """This runtime where servers run on this machine; ``UsageError`` for a verb that needs that."""
        if self is Runtime.FARGATE:
            raise UsageError("RUNTIME=fargate cannot be used here. Accepted: process, docker.")
        return self


def describe_runtime(runtime: Runtime, asked: str) -> str:
    """Which runtime is used and why, in one line."""
    if canonical(asked) != "auto":
        return f"{runtime} runtime, as asked for"
    answers = "answers" if runtime is Runtime.DOCKER else "answers: no images, no quotas"
    return f"{runtime} runtime, for {'a' if runtime is Runtime.DOCKER else 'no'} Docker engine {answers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stack, and the image it runs in; ``image`` is ``None`` in the process runtime."""

    stack: Stack
    image: Image | None = None
    python: str = DEFAULT_PYTHON
    interpreter: Path | None = None
    """The Python of the process runtime; ``None`` for the one that runs us."""
    label: str = ""
    """Its name where it is not to be called by its stack and image, for two may share these."""
    fargate: FargateSettings | None = None
    """Where its tasks run; ``None`` unless the runtime is Fargate."""

    @property
    def name(self) -> str:
        """What tables and messages call it."""
        if self.label:
            return self.label
        return self.stack.name if self.image is None else f"{self.stack.name}@{self.image.name}"

    @property
    def tag(self) -> str | None:
        """The name of the image it runs in."""
        return None if self.image is None else image_tag(self.stack, self.image, self.python)

    @property
    def unavailable(self) -> str | None:
        """Why it cannot be had, or ``None`` where it can."""
        return self.stack.unavailable(
            *((Runtime.PROCESS,) if self.image is None else (Runtime.DOCKER, self.image.name))
        )

    def serve(
        self, size: Size, *, cores: Sequence[int], inside: bool = True, port: int | None = None
    ) -> AbstractContextManager[RunningServer]:
        """Bring it up on ``cores``; nothing of it is left afterwards.

        ``inside`` puts clients beside a container's server; otherwise they reach it from this machine. ``port`` is
        where it listens on this machine.
        """
        if self.tag is None:
            return process.serve(self.stack, size, cores=cores, port=port, python=self.interpreter)
        if self.fargate is not None:
            return fargate.serve(self.name, self.fargate.image(self.tag), with_minimum_memory(size), self.fargate)
        return container.serve(self.stack, self.tag, size, cores=cores, inside=inside, publish=port)


def select_candidates(
    *,
    framework: str,
    server: str = DEFAULT,
    image: str | None,
    runtime: Runtime,
    python: str = DEFAULT_PYTHON,
    size: Size | None = None,
    fargate: FargateSettings | None = None,
) -> tuple[Candidate, ...]:
    """Every stack asked for, in every image asked for unless the runtime is processes; on Fargate at ``place``.

    ``UsageError`` names a value that is wrong, or that the runtime cannot give.
    """
    chosen = stacks(framework, server, frameworks())
    if fargate is not None and runtime is Runtime.FARGATE:
        fargate.check()
    elif fargate is not None:
        fargate.refuse_unused(runtime)
        fargate = None
    else:
        runtime = runtime.local
    if runtime is Runtime.PROCESS:
        if image is not None:
            raise UsageError(f"IMAGE={image} needs RUNTIME=docker; RUNTIME=process runs without images.")
        if size is not None:
            process.refuse_quota(size)
        return tuple(Candidate(stack=stack) for stack in chosen)
    known = images()
    flavours = select(image or DEFAULT_IMAGE, known, variable="IMAGE")
    python = parse_python(python)
    return tuple(
        Candidate(stack=stack, image=known[name], python=python, fargate=fargate)
        for stack in chosen
        for name in flavours
    )


def parse_size(runtime: Runtime, vcpu: str, memory: str | None) -> Size:
    """The size that ``VCPU=`` and ``MEMORY=`` name, among those that the runtime can give."""
    return read_fargate_size(vcpu, memory) if runtime is Runtime.FARGATE else Size.parse(vcpu, memory)


def candidate_from_cell(cell: Cell) -> Candidate:
    """The candidate that a recorded cell was measured of; ``UsageError`` where its framework or server is no more."""
    known = frameworks()
    if cell.framework not in known or cell.server not in SERVERS:
        raise UsageError(f"{cell.name} cannot be brought up again: its framework or its server is no longer here.")
    stack = Stack(framework=known[cell.framework], server=SERVERS[cell.server])
    if cell.image is None:
        return Candidate(stack=stack)
    return Candidate(stack=stack, image=images()[cell.image], python=cell.python_asked or DEFAULT_PYTHON)


def single_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """The one candidate of a verb that takes just one."""
    if len(candidates) != 1:
        names = ", ".join(candidate.name for candidate in candidates)
        raise UsageError(f"FRAMEWORK=, SERVER= and IMAGE= name {len(candidates)} stacks. Accepted: one of {names}.")
    return candidates[0]
