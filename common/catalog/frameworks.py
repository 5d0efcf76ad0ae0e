"""The folders under ``frameworks/``, read as the frameworks they hold. There is no other list of them."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from common.errors import UsageError
from common.project import ROOT

FRAMEWORKS = ROOT / "frameworks"
LOCK = "requirements.lock"


class Interface(StrEnum):
    """How a server calls a framework; ``native`` frameworks bring their own server."""

    WSGI = "wsgi"
    ASGI = "asgi"
    NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One folder: what it depends on, how servers call it, where it cannot run and why."""

    name: str
    title: str
    folder: Path
    interface: Interface
    target: str
    distribution: str | None
    """The package whose version is the framework's; ``None`` for the floors, which use no framework."""
    dependencies: tuple[str, ...]
    command: str
    """The native server's command line, with ``{host}`` and ``{port}``; empty for other interfaces."""
    unavailable: Mapping[str, str]
    """Images, servers or runtimes it cannot be had on, each with the reason."""

    @property
    def lock(self) -> Path:
        """The file of pinned, hashed requirements that ``make lock`` writes."""
        return self.folder / LOCK

    @property
    def version(self) -> str | None:
        """The framework's version in its lock; ``None`` for a floor, or before ``make lock``."""
        if self.distribution is None or not self.lock.exists():
            return None
        return locked_version(self.lock.read_text(), self.distribution)

    @classmethod
    def load(cls, folder: Path) -> "Framework":
        """The framework in ``folder``; ``UsageError`` names the file and the field that is wrong."""
        file = folder / "pyproject.toml"
        try:
            document = tomllib.loads(file.read_text())
            return _framework(folder, document)
        except (OSError, tomllib.TOMLDecodeError, _FieldError) as error:
            raise UsageError(
                f"{file.relative_to(folder.parent.parent)}: {error}. CONTRIBUTING.md shows one."
            ) from error


def frameworks(root: Path = FRAMEWORKS) -> dict[str, Framework]:
    """Every framework by name, in alphabetical order; folders without a ``pyproject.toml`` are not entrants."""
    folders = sorted(file.parent for file in root.glob("*/pyproject.toml"))
    return {folder.name: Framework.load(folder) for folder in folders}


def locked_version(lock: str, distribution: str) -> str | None:
    """The version that a lock pins ``distribution`` to."""
    found = re.search(rf"^{re.escape(canonicalize_name(distribution))}==([^\s;\\]+)", lock, re.MULTILINE)
    return found[1] if found else None


class _FieldError(Exception):
    """A field of ``pyproject.toml`` is missing or wrong."""


def _framework(folder: Path, document: Mapping[str, Any]) -> Framework:
    stack = _field(document.get("tool", {}), "tool.stack", "stack", dict)
    project = _field(document, "project", "project", dict)
    interface = _field(stack, "tool.stack.interface", "interface", str)
    if interface not in list(Interface):
        raise _FieldError(f"tool.stack.interface is {interface!r}; accepted: {', '.join(Interface)}")
    command = _field(stack, "tool.stack.command", "command", str, default="")
    if (interface == Interface.NATIVE) != bool(command):
        raise _FieldError("tool.stack.command goes with interface = 'native', and only with it")
    return Framework(
        name=folder.name,
        title=_field(stack, "tool.stack.title", "title", str),
        folder=folder,
        interface=Interface(interface),
        target=_field(stack, "tool.stack.target", "target", str, default="app:app"),
        distribution=_field(stack, "tool.stack.distribution", "distribution", str, default="") or None,
        dependencies=_dependencies(project),
        command=command,
        unavailable=_field(stack, "tool.stack.unavailable", "unavailable", dict, default={}),
    )


def _dependencies(project: Mapping[str, Any]) -> tuple[str, ...]:
    dependencies = _field(project, "project.dependencies", "dependencies", list, default=[])
    for text in dependencies:
        try:
            Requirement(text)
        except (InvalidRequirement, TypeError) as error:
            raise _FieldError(f"project.dependencies holds {text!r}, which is not a requirement") from error
    return tuple(dependencies)


def _field(table: Mapping[str, Any], label: str, key: str, kind: type, default: Any = None) -> Any:  # noqa: ANN401 -- TOML
    value = table.get(key, default)
    if value is None:
        raise _FieldError(f"{label} is missing")
    if not isinstance(value, kind):
        raise _FieldError(f"{label} is {value!r}; a {kind.__name__} is accepted")
    return value
