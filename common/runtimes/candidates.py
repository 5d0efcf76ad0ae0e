"""Candidates for a command: stacks in a runtime and, except as processes, in an image."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from common.aws.settings import FargateSettings
from common.aws.spending import parse_fargate_size, with_minimum_memory
from common.catalog.frameworks import App, frameworks
from common.catalog.pythons import DEFAULT_PYTHON, OWN_VERSION, PYPY, Python, python_series
from common.catalog.servers import SERVERS
from common.catalog.sizes import Runtime, Size, parse_memory, parse_vcpu
from common.catalog.stacks import Image, Stack, StackName, image_tag, images
from common.contract import extras
from common.engine.builds import VERSIONS, python_version_in
from common.engine.client import engine, engine_answers
from common.errors import UsageError
from common.host.cores import split_cores
from common.host.network import HOST
from common.packages.environments import compiled_packages, environment
from common.packages.interpreters import find_interpreter, version_of
from common.packages.variants import named_stacks
from common.records.figure import Subject
from common.records.run import Cell, Guest
from common.runtimes import container, database, fargate, guests, process
from common.runtimes.running_server import RunningServer, once_ready, with_compiler
from common.words import canonical, one_of, without_version

DEFAULT_IMAGE = "slim"


def parse_runtime(text: str) -> Runtime:
    """Return the runtime that ``RUNTIME=`` names; ``auto`` is Docker if an engine answers, otherwise processes."""
    if canonical(text) == "auto":
        return Runtime.DOCKER if engine_answers() else Runtime.PROCESS
    runtime = Runtime(one_of(text, Runtime, variable="RUNTIME", more=("auto",)))
    if runtime is Runtime.DOCKER:
        engine()  # raises if no engine answers
    return runtime


def require_local(runtime: Runtime) -> Runtime:
    """Return the runtime; ``UsageError`` unless its servers run on this machine."""
    if runtime is Runtime.FARGATE:
        raise UsageError("RUNTIME=fargate cannot be used here: must be one of process, docker")
    return runtime


def describe_runtime(runtime: Runtime, asked: str) -> str:
    """Return a line that says which runtime is used and why."""
    if canonical(asked) != "auto":
        return f"{runtime} runtime, as asked for"
    if runtime is Runtime.DOCKER:
        return f"{runtime} runtime, because a Docker engine answers"
    return f"{runtime} runtime, because no Docker engine answers: no images, no quotas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stack and the image it runs in; ``image`` is ``None`` in the process runtime."""

    stack: Stack
    image: Image | None = None
    python: str = DEFAULT_PYTHON
    interpreter: Path | None = None
    """The interpreter in the process runtime; ``None`` for the one that runs this program."""
    label: str = ""
    """Its name, if stack and image do not distinguish it from another candidate."""
    fargate: FargateSettings | None = None
    """The settings of its tasks; ``None`` unless the runtime is Fargate."""
    guest: Guest | None = None
    """The server of the user's own that it stands for; ``None`` for a stack of this project."""
    app: App = App.APP
    """The app of its framework that it is brought up with."""
    additions: tuple[str, ...] = ()
    """What ``extras.py`` adds to its app; empty for other apps."""
    says_calls: bool = False
    """Whether its empty middlewares print that they were called, for the suite that checks them."""

    @property
    def name(self) -> str:
        """Its name in tables and messages."""
        if self.label:
            return self.label
        if self.guest is not None:
            return self.guest.name
        return f"{self.stack_name} with {' and '.join(self.additions)}" if self.additions else str(self.stack_name)

    @property
    def stack_name(self) -> StackName:
        """The name of its stack, without the runtime."""
        return StackName(
            framework=self.stack.framework.name,
            server=self.stack.server.name,
            image=None if self.image is None else self.image.name,
            python=None if self.image is None and self.interpreter is None else self.python,
        )

    @property
    def subject(self) -> Subject:
        """The stack that figures measured with it are about."""
        return Subject(
            framework=self.stack.framework.name,
            server=self.stack.server.name,
            image=self.stack_name.image,
            runtime=Runtime.PROCESS if self.image is None else Runtime.DOCKER,
            python=python_series(self.python_version),
        )

    @property
    def tag(self) -> str | None:
        """The tag of the image it runs in; ``None`` in the process runtime."""
        return None if self.image is None else image_tag(self.stack, self.image, self.python)

    @property
    def unavailable(self) -> str | None:
        """The reason why it is not available; ``None`` if it is."""
        no_image = None if self.image is None else self.image.unavailable(self.python)
        return self.stack.unavailable(*self._places) or no_image or self._unfit_python or self._missing_app

    def serving(self, app: App, additions: tuple[str, ...] = ()) -> "Candidate":
        """Return the same candidate with this app of its framework, and the packages that it needs."""
        stack = replace(self.stack, drivers=app is App.ORDERS and self.guest is None)
        return replace(self, stack=stack, app=app, additions=additions)

    @property
    def python_version(self) -> str:
        """The version of the Python that runs it, as far as it was asked for: 3.12 may stand for 3.12.4."""
        return self.python if self.image or self.interpreter else OWN_VERSION

    @property
    def _places(self) -> tuple[str, ...]:
        """The runtimes, image and implementation it must be available for; Fargate runs the images of Docker."""
        implementation = Python.parse(self.python).places
        if self.image is None:
            return (Runtime.PROCESS, *implementation)
        docker = (Runtime.DOCKER, self.image.name, *implementation)
        return docker if self.fargate is None else (Runtime.FARGATE, *docker)

    @property
    def _unfit_python(self) -> str | None:
        """The reason why its framework cannot run on this Python; ``None`` if it can."""
        if self.fargate is not None and Python.parse(self.python).variables:
            return "a task starts with the image's own environment, so PYTHON= cannot name +jit"
        python, needed = self.python_version, self.stack.framework.requires_python
        fits = SpecifierSet(needed).contains(Python.parse(python).numbers)
        return None if fits else f"it needs Python {needed}, and this is {python}"

    @property
    def _missing_app(self) -> str | None:
        """The reason why its app cannot be brought up; ``None`` if it can."""
        if self.app is App.APP or self.guest is not None:
            return None
        framework = self.stack.framework
        if not framework.has(self.app):
            return f"its {self.app.file} is not written yet"
        if self.stack.drivers and not framework.drivers:
            return f"its pyproject.toml names no drivers for {self.app.file}"
        if self.stack.drivers and PYPY in self._places:
            return "database drivers have no wheel for PyPy"
        return None if self.fargate is None else f"{self.app.file} runs as a process or in Docker only"

    def serve(
        self, size: Size, *, cores: Sequence[int], inside: bool = True, port: int | None = None
    ) -> AbstractContextManager[RunningServer]:
        """Bring it up on ``cores`` and leave nothing behind afterwards.

        With ``inside``, clients run next to a container's server; otherwise they reach it from this machine, at
        ``port`` if that is given.
        """
        if self.fargate is None:
            return once_ready(self.start(size, cores=cores, inside=inside, port=port))
        assert self.tag is not None
        return fargate.serve(self.name, self.fargate.image(self.tag), with_minimum_memory(size), self.fargate)

    def start(
        self, size: Size, *, cores: Sequence[int], inside: bool = True, port: int | None = None
    ) -> AbstractContextManager[RunningServer]:
        """Bring it up on ``cores`` as ``serve`` does, but yield it before it answers, so that others can start too.

        Not for Fargate.
        """
        starting = self._starting(size, cores=cores, inside=inside, port=port)
        return with_compiler(starting) if self.may_compile else starting

    def _starting(
        self, size: Size, *, cores: Sequence[int], inside: bool, port: int | None
    ) -> AbstractContextManager[RunningServer]:
        if self.guest is not None:
            return guests.started(self.guest, size, cores=cores, inside=inside, publish=port)
        if self.stack.drivers:
            return self._start_with_database(size, cores=cores, inside=inside, port=port)
        return self._start(size, cores=cores, inside=inside, port=port, variables=self.variables)

    @contextmanager
    def _start_with_database(
        self, size: Size, *, cores: Sequence[int], inside: bool, port: int | None
    ) -> Iterator[RunningServer]:
        host = HOST if self.tag is None else container.host_address()
        with (
            database.started(size.workers, cores=split_cores(size.vcpu).generator, host=host) as own,
            self._start(
                size, cores=cores, inside=inside, port=port, variables=self.variables | own.variables
            ) as running,
        ):
            yield replace(running, database_meter=own.meter)

    def _start(
        self, size: Size, *, cores: Sequence[int], inside: bool, port: int | None, variables: Mapping[str, str]
    ) -> AbstractContextManager[RunningServer]:
        if self.tag is None:
            return process.started(
                self.stack,
                size,
                cores=cores,
                port=port,
                python=self.interpreter,
                app=self.app,
                variables=variables,
            )
        return container.started(
            self.stack.name,
            self.tag,
            size,
            cores=cores,
            inside=inside,
            publish=port,
            traits=replace(self.traits, variables=variables),
        )

    @property
    def may_compile(self) -> bool:
        """Whether its server may compile code while it runs: PyPy, a JIT that is on, or a guest, which is unknown."""
        python = Python.parse(self.python)
        return self.guest is not None or python.pypy or python.jit

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that switch on what its Python and its app were asked for."""
        asked = {extras.ADDITIONS: ",".join(self.additions)} if self.additions else {}
        said = {extras.SAYS_CALLS: "1"} if self.says_calls else {}
        return Python.parse(self.python).variables | asked | said

    @property
    def traits(self) -> container.ImageTraits:
        """The way in which the server in its image is started."""
        return replace(container.traits_of(self.app), variables=self.variables)


def process_candidate(stack: Stack, python: str | None, *, label: str = "") -> Candidate:
    """Return a stack in the process runtime, on an installed Python of this version, by default the one in use here.

    Raise ``UsageError`` if no Python of this version is installed.
    """
    if python is None:
        return Candidate(stack=stack, label=label)
    return Candidate(stack=stack, python=python, interpreter=find_interpreter(python), label=label)


def guest_candidate(guest: Guest) -> Candidate:
    """Return a server of the user's own as a candidate."""
    return Candidate(stack=guests.guest_stack(guest), guest=guest)


def parse_size(runtime: Runtime, vcpu: str, memory: str | None) -> Size:
    """Return the size that ``VCPU=`` and ``MEMORY=`` name; ``UsageError`` if the runtime cannot give it."""
    if runtime is Runtime.FARGATE:
        return parse_fargate_size(vcpu, memory)
    size = Size(vcpu=parse_vcpu(vcpu), memory_bytes=parse_memory_limit(runtime, memory))
    if runtime is Runtime.PROCESS:
        process.refuse_quota(size)
    return size


def parse_memory_limit(runtime: Runtime, memory: str | None) -> int | None:
    """Return the bytes that ``MEMORY=`` names, if a local runtime supports it; ``None`` if it is not set."""
    limit_bytes = parse_memory(memory)
    if limit_bytes is not None and runtime is Runtime.PROCESS:
        raise UsageError(f"MEMORY={memory} needs RUNTIME=docker; RUNTIME=process has no memory limit.")
    return limit_bytes


def candidate_from_cell(cell: Cell) -> Candidate:
    """Return the candidate that a recorded cell measured; ``UsageError`` if its framework, server or image is gone.

    A guest's image is pulled if it is not here. Errors as ``image_guest``.
    """
    return _of_cell(cell).serving(cell.app, tuple(cell.additions))


def _of_cell(cell: Cell) -> Candidate:
    if (guest := cell.guest) is not None and guest.image is not None:
        return guest_candidate(guests.image_guest(guest.image, guests.parse_capabilities(guest.capabilities)))
    if guest is not None:
        return guest_candidate(guest)
    framework, server = without_version(cell.framework), without_version(cell.server)  # a record names no folder
    known, known_images = frameworks(only=framework), images()
    if framework not in known or server not in SERVERS or cell.image not in {None, *known_images}:
        raise UsageError(f"{cell.name} cannot be brought up again: its framework, server or image is no longer here")
    (stack,) = named_stacks(cell.framework, cell.server, known)
    if cell.image is None:
        return process_candidate(stack, cell.python_asked)
    return Candidate(stack=stack, image=known_images[cell.image], python=cell.python_asked or DEFAULT_PYTHON)


def installed_packages(candidate: Candidate) -> Mapping[str, str]:
    """Return the version of every package installed for ``candidate``, by canonical name; none on Fargate."""
    if candidate.fargate is not None:
        return {}  # the image is in the registry and need not be in this machine's engine
    if candidate.tag is not None:
        versions: dict[str, str] = json.loads(engine().images.get(candidate.tag).labels.get(VERSIONS, "{}"))
        return versions
    folders = environment(candidate.stack, candidate.interpreter).glob("lib/python*/site-packages")
    installed = distributions(path=[str(folder) for folder in folders])
    return dict(sorted((canonicalize_name(package.metadata["Name"]), package.version) for package in installed))


def compiled_for(candidate: Candidate) -> list[str]:
    """Return the packages that had no wheel for the Python of ``candidate`` and were compiled; images have wheels."""
    if candidate.tag is not None or candidate.fargate is not None:
        return []
    return compiled_packages(environment(candidate.stack, candidate.interpreter))


def installed_python(candidate: Candidate) -> str:
    """Return the version of the Python that runs ``candidate``, with ``+jit`` if its JIT is switched on."""
    jit = "+jit" * Python.parse(candidate.python).jit
    if candidate.tag is None:
        return version_of(environment(candidate.stack, candidate.interpreter) / "bin" / "python") + jit
    if candidate.fargate is not None:
        return candidate.python
    version = python_version_in(candidate.tag)
    return candidate.python if version is None else version + jit
