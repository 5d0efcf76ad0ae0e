"""Stacks, which are frameworks on servers, and the base images and Pythons that they run on, as users name them."""

import os
import platform
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from common.catalog.frameworks import Framework, frameworks
from common.catalog.servers import DEFAULTS, SERVERS, Server
from common.errors import UsageError
from common.project import PROJECT, ROOT
from common.words import canonical, select

DEFAULT = "default"
"""The value of ``FRAMEWORK=`` that stands for the default frameworks, and of ``SERVER=`` for each one's default."""
BASES = ROOT / "docker" / "bases.toml"
DEFAULT_PYTHON = "3.13"
_VERSION = r"3\.\d{1,2}(\.\d{1,2})?"
_INTERPRETER = rf"{_VERSION}t?|pypy{_VERSION}"
GENERATOR = f"{PROJECT}/generator"
"""The repository of the load generator's image, for load from other machines; its tag is ``latest``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A framework on a server."""

    framework: Framework
    server: Server

    @property
    def name(self) -> str:
        """The stack's name in tables and records: ``falcon+gunicorn-gthread``."""
        return f"{self.framework.name}+{self.server.name}"

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
    name, of_server = framework.partition("@")[0], server.partition("@")[0]
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
    return tuple(Stack(framework=known[name], server=one) for name, able in servers.items() for one in able)


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

    def base(self, python: str, env: Mapping[str, str] = os.environ) -> str:
        """Return the reference to build on: ``BASE`` if set, else the table's, prefixed with ``BASE_REGISTRY``."""
        if override := env.get("BASE"):
            return override
        registry = env.get("BASE_REGISTRY", "").rstrip("/")
        reference = self.reference.format(python=parse_python(python))
        return f"{registry}/{reference}" if registry else reference


def images(table: Path = BASES) -> dict[str, Image]:
    """Return every flavour by name, in the table's order."""
    rows = tomllib.loads(table.read_text())
    return {name: Image(name=name, reference=row["reference"]) for name, row in rows.items()}


def image_tag(stack: Stack, image: Image, python: str = DEFAULT_PYTHON) -> str:
    """Return the tag of a stack built on a base image: ``PROJECT/falcon:gunicorn-gthread-slim-py3.13``."""
    repository = stack.framework.name.replace("@", "-")  # falcon@4.2.0: an @ would begin a digest
    server = stack.server.name.replace("@", "-")
    return f"{PROJECT}/{repository}:{server}-{image.name}-py{parse_python(python)}"


def parse_python(text: str) -> str:
    """Return the Python version that ``PYTHON=`` names for an image, or raise ``UsageError``."""
    if re.fullmatch(_VERSION, text) is None:
        hint = "; PyPy and free-threaded builds need RUNTIME=process" if re.fullmatch(_INTERPRETER, text) else ""
        raise UsageError(
            f"invalid PYTHON={text or '(empty)'}: must be a version such as {DEFAULT_PYTHON} or 3.13.2{hint}."
        )
    return text


def parse_interpreter(text: str) -> str:
    """Return the interpreter that ``PYTHON=`` names for the process runtime, or raise ``UsageError``."""
    if re.fullmatch(_INTERPRETER, text) is None:
        raise UsageError(
            f"invalid PYTHON={text or '(empty)'}: must be a version such as {DEFAULT_PYTHON} or 3.13.2, "
            "3.14t for a free-threaded build, or pypy3.11."
        )
    return text


def python_series(version: str) -> str:
    """Return a Python's version without its last number: 3.13 for 3.13.2, 3.14t for 3.14.0t."""
    return re.sub(r"^(\D*\d+\.\d+)[^t]*", r"\1", version)


OWN_PYTHON = python_series(platform.python_version())
"""The Python of this program, on which stacks run in the process runtime unless ``PYTHON=`` names another."""


def usual_python(image: str | None) -> str:
    """Return the Python on which stacks run unless ``PYTHON=`` names another; ``image`` is ``None`` for a process."""
    return OWN_PYTHON if image is None else DEFAULT_PYTHON


def place_suffix(image: str | None, python: str) -> str:
    """Return what a stack's name ends in: ``@slim``, ``@slim-py3.12``, ``@pypy3.11``; the usual Python is left out."""
    named = python if python.startswith("pypy") else f"py{python}"
    where = "-".join(filter(None, (image, named if python not in {usual_python(image), ""} else "")))
    return f"@{where}" if where else ""


def parse_pythons(text: str, parse: Callable[[str], str] = parse_python) -> tuple[str, ...]:
    """Return the Pythons that ``PYTHON=`` names, each once; ``parse`` reads each and raises if it is invalid."""
    return tuple(dict.fromkeys(parse(part.strip()) for part in text.split(",")))
