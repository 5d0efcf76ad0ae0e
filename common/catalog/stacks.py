"""Stacks, which are frameworks on servers, and the base images and Pythons that they run on, as users name them."""

import os
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from common.catalog.frameworks import Framework, frameworks
from common.catalog.pythons import DEFAULT_PYTHON, KNOWN_PYTHONS, OWN_PYTHON, Python
from common.catalog.servers import DEFAULTS, SERVERS, Server
from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.project import PROJECT, ROOT
from common.words import canonical, one_of, select, without_version

DEFAULT = "default"
"""The value of ``FRAMEWORK=`` that stands for the default frameworks, and of ``SERVER=`` for each one's default."""
BASES = ROOT / "docker" / "bases.toml"
NAME_SYNTAX = "FRAMEWORK[@VERSION or @./CHECKOUT][+SERVER[@VERSION]][:IMAGE, :py3.13 or :IMAGE-py3.13]"
"""How a stack is named. Tables write ``@`` in place of the colon, and both are accepted."""
_NAME = re.compile(r"([^+@:]+(?:@[^:]+?)?)(?:\+([^+:/]+(?:\+jit)?))?(?::(.+))?", re.DOTALL)
_PLACE = re.compile(r"(?:(.*?)(?:-|$))??((?:py)?py[0-9].*)?", re.DOTALL)
_VARIABLES = ("FRAMEWORK", "SERVER", "IMAGE", "RUNTIME", "PYTHON")
GENERATOR = f"{PROJECT}/generator"
"""The repository of the load generator's image, for load from other machines; its tag is ``latest``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A framework on a server."""

    framework: Framework
    server: Server
    drivers: bool = False
    """Whether the drivers of its framework's app for the contract ``service`` are installed as well."""

    @property
    def name(self) -> str:
        """The stack's name in tables and records: ``falcon+gunicorn-gthread``."""
        return str(StackName(framework=self.framework.name, server=self.server.name))

    @property
    def processes(self) -> bool:
        """Whether it can run several worker processes."""
        own = self.framework.command
        return "{workers}" in own if own else self.server.processes

    def unavailable(self, *places: str) -> str | None:
        """Return why the stack is not available on one of ``places`` (images, runtimes), or ``None`` if it is."""
        reasons = {**self.server.unavailable, **self.framework.unavailable}
        return next((reasons[place] for place in (self.server.kind, *places) if place in reasons), None)


@cache
def can_run_several(framework: str, server: str) -> bool:
    """Return whether the stack with these names can run several worker processes; ``True`` if a name is unknown."""
    name, of_server = without_version(framework), without_version(server)
    known = frameworks(only=name)
    if name not in known or of_server not in SERVERS:
        return True
    return Stack(framework=known[name], server=SERVERS[of_server]).processes


def stacks(framework: str, server: str, known: Mapping[str, Framework]) -> tuple[Stack, ...]:
    """Return every selected framework on every selected server that can serve it.

    ``framework`` and ``server`` are comma-separated names, ``all`` or ``default``. Raises ``UsageError`` if none of the
    servers can serve a framework that was selected by its name, or any framework.
    """
    servers = {name: _servers(known[name], server) for name in select_frameworks(framework, known)}
    missing = [name for name, able in servers.items() if not able]
    named = [name for name in missing if canonical(name) in map(canonical, framework.split(","))]
    if named or len(missing) == len(servers):
        name = (named or missing)[0]
        raise UsageError(
            f"SERVER={server} cannot serve {name} ({known[name].interface}). "
            f"Accepted: {', '.join(choice.name for choice in compatible(known[name]))}, all, default."
        )
    return tuple(Stack(framework=known[name], server=choice) for name, able in servers.items() for choice in able)


def select_frameworks(text: str, known: Mapping[str, Framework]) -> tuple[str, ...]:
    """Return the frameworks that ``FRAMEWORK=`` names, ``default`` for those that are selected without it."""
    groups = {DEFAULT: [name for name, framework in known.items() if framework.default]}
    return select(text, known, variable="FRAMEWORK", groups=groups)


def compatible(framework: Framework) -> tuple[Server, ...]:
    """Return every server that can serve the framework's interface."""
    return tuple(server for server in SERVERS.values() if framework.interface in server.interfaces)


def _servers(framework: Framework, text: str) -> tuple[Server, ...]:
    if canonical(text) == DEFAULT:
        return (SERVERS[DEFAULTS[framework.interface]],)
    selected = select(text, SERVERS, variable="SERVER")
    return tuple(server for server in compatible(framework) if server.name in selected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A flavour of base image: ``fat``, ``slim`` or ``alpine``."""

    name: str
    reference: str
    """The base image's reference, in which ``{python}`` stands for a version such as ``3.13``."""
    pypy: str | None = None
    """The reference for PyPy; ``None`` if there is no such image."""
    free_threaded: str | None = None
    """The reference for builds without the GIL, which stand-ins have; ``None`` if there is no such image."""

    def base(self, python: str, env: Mapping[str, str] = os.environ) -> str:
        """Return the reference to build on: ``BASE`` if set, else the table's, prefixed with ``BASE_REGISTRY``.

        ``UsageError`` if the table has none for this Python.
        """
        if override := env.get("BASE"):
            return override
        asked = Python.parse(python)
        reference = self._reference(asked)
        if reference is None:
            raise UsageError(f"IMAGE={self.name} cannot be used with PYTHON={python}: {self.unavailable(python, env)}")
        registry = env.get("BASE_REGISTRY", "").rstrip("/")
        named = reference.format(python=asked.numbers)
        return f"{registry}/{named}" if registry else named

    def unavailable(self, python: str, env: Mapping[str, str] = os.environ) -> str | None:
        """Return why there is no such image of this Python; ``None`` if there is one."""
        asked = Python.parse(python)
        if env.get("BASE") or self._reference(asked) is not None:
            return None
        kind = "PyPy" if asked.pypy else "free-threaded builds"
        return f"there is no {self.name} image of {kind}. BASE= names an image of your own"

    def _reference(self, python: Python) -> str | None:
        if python.free_threaded:
            return self.free_threaded
        return self.pypy if python.pypy else self.reference


def images(table: Path = BASES) -> dict[str, Image]:
    """Return every flavour by name, in the table's order."""
    rows = tomllib.loads(table.read_text())
    return {name: Image(name=name, **row) for name, row in rows.items()}


def pythons_in(flavours: Iterable[Image]) -> list[str]:
    """Return those of the known Pythons of which there is an official image of one of these flavours."""
    known = list(flavours)
    official = (name for name in KNOWN_PYTHONS if not Python.parse(name).free_threaded)
    return [name for name in official if any(image.unavailable(name, {}) is None for image in known)]


def image_tag(stack: Stack, image: Image, python: str = DEFAULT_PYTHON) -> str:
    """Return the tag of a stack built on a base image: ``PROJECT/falcon:gunicorn-gthread-slim-py3.13``."""
    repository = stack.framework.name.replace("@", "-")  # falcon@4.2.0: an @ would begin a digest
    server = stack.server.name.replace("@", "-")
    interpreter = Python.parse(python).interpreter  # its JIT is switched on when the container starts
    drivers = "-drivers" if stack.drivers else ""
    return f"{PROJECT}/{repository}:{server}-{image.name}-{_named(str(interpreter))}{drivers}"


def usual_python(image: str | None) -> str:
    """Return the Python on which stacks run unless ``PYTHON=`` names another; ``image`` is ``None`` for a process."""
    return OWN_PYTHON if image is None else DEFAULT_PYTHON


@dataclass(frozen=True, slots=True, kw_only=True)
class StackName:
    """The name of a stack: what is written in tables, what users write, and the variables that select it."""

    framework: str
    """Followed by ``@`` and a version or a checkout if it is not the locked one; or the folder that holds it."""
    server: str | None = None
    """Followed by ``@`` and a version if it is not the pinned one; ``None`` for the default."""
    image: str | None = None
    python: str | None = None
    runtime: Runtime | None = None

    @classmethod
    def parse(cls, text: str, *, variable: str, accepted: str = NAME_SYNTAX) -> "StackName":
        """Return the stack that ``text``, the value of a variable, names; ``UsageError`` if it names none.

        Whether its framework and its server exist is not checked.
        """
        if (match := _NAME.fullmatch(text)) is None:
            raise UsageError(f"invalid {variable}={text or '(empty)'}: must be {accepted}.")
        framework, server, place = match.groups()
        name, _, after = (server or "").rpartition("@")
        if place is None and name and after and not after[0].isdigit():  # so it is no version of the server
            server, place = name, after
        image, python = _parse_place(place or "", variable)
        return cls(framework=framework, server=server, image=image, python=python)

    def __str__(self) -> str:
        """Return ``falcon+gunicorn-gthread@slim``, with the Python and the runtime if they are unusual."""
        server = f"+{self.server}" if self.server else ""
        python = self._unusual_python
        place = "-".join(filter(None, (self.image, python and _named(python))))
        on_fargate = " on Fargate" if self.runtime is Runtime.FARGATE else ""
        return f"{self.framework}{server}{f'@{place}' if place else ''}{on_fargate}"

    @property
    def variables(self) -> dict[str, str]:
        """The variables that select it, without those that would have their defaults."""
        runtime = None if self.runtime is Runtime.DOCKER else self.runtime
        values = (self.framework, self.server, self.image, runtime, self._unusual_python)
        return {variable: value for variable, value in zip(_VARIABLES, values, strict=True) if value}

    @property
    def _unusual_python(self) -> str | None:
        return None if self.python == usual_python(self.image) else self.python


def variables_selecting(names: Iterable[StackName]) -> dict[str, str]:
    """Return the variables that select all of these stacks, each with its values joined by commas."""
    given = [name.variables for name in names]
    values = {name: dict.fromkeys(of[name] for of in given if name in of) for name in _VARIABLES}
    return {variable: ",".join(named) for variable, named in values.items() if named}


def make_command(command: str, variables: Mapping[str, str | None]) -> str:
    """Return the command line of make with these variables, without those that have no value."""
    return " ".join(["make", command, *(f"{name}={shlex.quote(value)}" for name, value in variables.items() if value)])


def _named(python: str) -> str:
    """Return a Python as part of a longer name: py3.12, pypy3.11."""
    return python if python.startswith("pypy") else f"py{python}"


def _parse_place(text: str, variable: str) -> tuple[str | None, str | None]:
    """Return the image and the Python that ``slim``, ``py3.12`` or ``slim-py3.12`` names; ``UsageError`` if unknown."""
    match = _PLACE.fullmatch(text)
    assert match is not None
    image, python = match.groups()
    try:
        version = str(Python.parse(python if python.startswith("pypy") else python[2:])) if python else None
    except UsageError as error:
        raise UsageError(
            f"invalid {variable}=...{python}: must be a version such as py3.12, py3.13.2, py3.14t, py3.15+jit or "
            "pypy3.11."
        ) from error
    return one_of(image, images(), variable=variable, more=("py3.13",)) if image else None, version
