"""Parameters that several commands share, each group declared once."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from common.aws.settings import FargateSettings
from common.catalog.frameworks import App, frameworks
from common.catalog.pythons import DEFAULT_PYTHON, parse_pythons
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import DEFAULT, images, pythons_in
from common.errors import UsageError
from common.packages.interpreters import installed_pythons
from common.packages.variants import named_stacks
from common.runtimes.candidates import (
    DEFAULT_IMAGE,
    Candidate,
    parse_runtime,
    parse_size,
    process_candidate,
    require_local,
)
from common.words import select

FRAMEWORKS = (
    "Frameworks: names joined by commas, all, or default for those that make list marks; also NAME@VERSION for "
    "another version than the locked one, and ./FOLDER for an app of your own, laid out like those under frameworks/."
)
FRAMEWORK_FOLDERS = "Frameworks: names joined by commas, all, or default for those that make list marks."
FRAMEWORK = "Name of one framework, or NAME@VERSION."
SERVERS = (
    "Servers: names joined by commas, all, or default for each framework's own; also NAME@VERSION for another version "
    "than the pinned one."
)
IMAGES = "Base images: fat, slim, alpine, joined by commas, or all."
RUNTIME = (
    "How stacks are brought up: process, docker, fargate for the commands that offer it, or auto: docker if an engine "
    "answers, otherwise process."
)
PYTHON = (
    "Pythons such as 3.13, 3.13.2, 3.14t (free-threaded), 3.15+jit and pypy3.11, joined by commas; all for every one "
    "that there is an image of, or as a process, that is installed."
)
ONE_PYTHON = "Python of the image, such as 3.13, 3.14t or pypy3.11."
VCPU = "vCPUs of each server, such as 0.25 or 2. The process runtime accepts only whole numbers."
MEMORY = (
    "Memory limit of each server, such as 512m or 1g. Default: half of the machine's memory in containers, the least "
    "that goes with the vCPUs on Fargate."
)
NO_FARGATE = FargateSettings()
"""Nothing set that only Fargate takes."""

Pythons = Annotated[
    str | None,
    Parameter(help=f"{PYTHON} Default: {DEFAULT_PYTHON} in images; in the process runtime, the Python of .venv."),
]
APPS: Mapping[str, App] = {"no": App.APP, "yes": App.SERVICE, "orders": App.ORDERS}
"""The apps by the values of ``SERVICE=``."""
Service = Annotated[
    Literal["no", "yes", "orders"],
    Parameter(
        help="App to bring up instead of app.py: yes for service.py, which parses, validates and computes; orders for "
        "orders.py, which reads and writes a database as well."
    ),
]
Port = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=65535), help="TCP port, 1 to 65535.")]
ForeignUrl = Annotated[bool, Parameter(help="Allow the server at URL= to be on another machine: yes.")]
Registry = Annotated[str, Parameter(help="Container registry: HOST[:PORT][/PREFIX].")]
Format = Annotated[
    Literal["text", "json", "csv", "markdown"],
    Parameter(help="Form of the results: text, json (the whole record), csv or markdown."),
]
OnFargate = Annotated[FargateSettings, Parameter(name="*")]
"""The parameters that ``RUNTIME=fargate`` takes besides a command's own."""


def changed_of(command: Callable[..., None], given: Mapping[str, object]) -> set[str]:
    """Return the names of the parameters that differ from a command's defaults, those of groups included.

    ``given`` holds the command's arguments by name.
    """
    names, parameters = set[str](), inspect.signature(command).parameters
    for name, value in given.items():
        default = parameters[name].default
        if is_dataclass(value):
            names |= {
                field.name for field in fields(value) if getattr(value, field.name) != getattr(default, field.name)
            }
        elif value != default:
            names.add(name)
    return names


def refuse_given(names: Collection[str], reason: str) -> None:
    """Raise ``UsageError`` with the reason if there are any of these parameters, which were given."""
    if names:
        raise UsageError(f"{reason} Leave out {', '.join(f'{name.upper()}=' for name in sorted(names))}.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class StackParameters:
    """The choice of stacks, and of the runtime."""

    framework: Annotated[str, Parameter(help=FRAMEWORKS)] = DEFAULT
    server: Annotated[str, Parameter(help=SERVERS)] = DEFAULT
    image: Annotated[str | None, Parameter(help=f"{IMAGES} Default: slim in the docker runtime.")] = None
    runtime: Annotated[str, Parameter(help=RUNTIME)] = "auto"
    python: Pythons = None

    def parse_runtime(self) -> Runtime:
        """Return the runtime asked for."""
        return parse_runtime(self.runtime)

    def candidates(self, runtime: Runtime, *, fargate: FargateSettings | None = None) -> tuple[Candidate, ...]:
        """Return every stack asked for, on every Python and in every image asked for.

        The process runtime has no images; stacks run there on the Python of this program unless another is asked for.
        ``UsageError`` names a value that is invalid, or that the runtime does not support. ``fargate`` is ``None`` for
        commands that do not run on Fargate.
        """
        chosen = named_stacks(self.framework, self.server, frameworks())
        if fargate is not None and runtime is Runtime.FARGATE:
            fargate.check()
        elif fargate is not None:
            fargate.refuse_unused(runtime)
            fargate = None
        else:
            require_local(runtime)
        if runtime is Runtime.PROCESS:
            if self.image is not None:
                raise UsageError(f"IMAGE={self.image} needs RUNTIME=docker; RUNTIME=process uses no images")
            versions = (None,) if self.python is None else parse_pythons(self.python, installed_pythons)
            return tuple(process_candidate(stack, version) for stack in chosen for version in versions)
        known = images()
        flavours = select(self.image or DEFAULT_IMAGE, known, variable="IMAGE")
        asked = DEFAULT_PYTHON if self.python is None else self.python
        pythons = parse_pythons(asked, lambda: pythons_in(known[name] for name in flavours))
        return tuple(
            Candidate(stack=stack, image=known[name], python=version, fargate=fargate)
            for stack in chosen
            for name in flavours
            for version in pythons
        )


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class StackParameter(StackParameters):
    """The choice of a single stack, and of the runtime."""

    framework: Annotated[str, Parameter(help=FRAMEWORK)] = ""
    server: Annotated[str, Parameter(help="Name of one server, or default for the framework's own.")] = DEFAULT
    image: Annotated[str | None, Parameter(help="Base image: fat, slim or alpine. Default: slim.")] = None

    def candidate(self, runtime: Runtime, *, fargate: FargateSettings | None = None) -> Candidate:
        """Return the stack asked for; ``UsageError`` where there are several or none."""
        found = self.candidates(runtime, fargate=fargate)
        if len(found) != 1:
            names = ", ".join(candidate.name for candidate in found)
            raise UsageError(f"FRAMEWORK=, SERVER=, IMAGE= and PYTHON= match {len(found)} stacks. Name one of {names}.")
        return found[0]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SizeParameters:
    """The size of each server."""

    vcpu: Annotated[str, Parameter(help=VCPU)] = "1"
    memory: Annotated[str | None, Parameter(help=MEMORY)] = None

    def parse(self, runtime: Runtime) -> Size:
        """Return the size, among those that the runtime can give."""
        return parse_size(runtime, self.vcpu, self.memory)
