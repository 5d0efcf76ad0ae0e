"""The registry of frameworks: the folders under ``frameworks/``. There is no other list of them."""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.project import ROOT
from common.words import nearest_hint

FRAMEWORKS = ROOT / "frameworks"
LOCK = "requirements.lock"
RELEASED = "released.toml"
OLDEST_PYTHON = "3.11"
ANY_PYTHON = f">={OLDEST_PYTHON}"
"""The Pythons that a framework supports unless its folder says otherwise: all that the project supports."""
LOCAL = "-local"
"""The suffix of the names of frameworks in the user's own folders."""


class Interface(StrEnum):
    """The interface between server and framework: RSGI is Granian's own; ``native`` is a framework's own server."""

    WSGI = "wsgi"
    ASGI = "asgi"
    RSGI = "rsgi"
    NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Tests of the conformance suite that a framework cannot pass whatever its app does."""

    tests: tuple[str, ...]
    reason: str
    servers: tuple[str, ...] = ()
    """The servers on which they fail; empty for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A framework as its folder declares it: its dependencies, its interface, and where it cannot run and why."""

    name: str
    title: str
    folder: Path
    interface: Interface
    target: str
    """The object that a server loads, as ``module:attribute``."""
    distribution: str | None
    """The package whose version is shown as the framework's; ``None`` for the floors, which use no framework."""
    dependencies: tuple[str, ...]
    requires_python: str = ANY_PYTHON
    """The Pythons that its locked version supports, as in ``project.requires-python``."""
    command: str
    """The native server's command line, with ``{host}``, ``{port}`` and ``{workers}``; empty for other interfaces."""
    pure_python: tuple[str, ...] = ()
    """The packages of which only wheels without compiled code are locked."""
    default: bool = False
    """Whether it is selected where a command is given no framework."""
    unavailable: Mapping[str, str]
    """Images, servers and runtimes on which it is not available, each with the reason."""
    deviations: tuple[Deviation, ...] = ()
    server_pins: tuple[str, ...] | None = None
    """The packages of the only server that its lock is for; ``None`` if it is for every server that can serve it."""
    own_folder: Path | None = None
    """The user's own folder that holds it; ``None`` for those under ``frameworks/`` and variants of them."""

    @property
    def selector(self) -> str:
        """The value of ``FRAMEWORK=`` that selects it: its name, or the path of a folder of the user's own."""
        return self.name if self.own_folder is None else str(self.own_folder)

    @property
    def lock(self) -> Path:
        """The path of the pinned and hashed requirements that ``make lock`` writes."""
        return self.folder / LOCK

    @property
    def package(self) -> str | None:
        """The canonical name of its package; ``None`` for a floor."""
        return None if self.distribution is None else canonicalize_name(self.distribution)

    @property
    def version(self) -> str | None:
        """The framework's version in its lock; ``None`` for a floor and before ``make lock``."""
        if self.distribution is None or not self.lock.exists():
            return None
        return locked_version(self.lock.read_text(), self.distribution)

    @property
    def release_dates(self) -> Mapping[str, date]:
        """The release dates of the versions in its lock, by pins such as ``flask==3.1.3``, as far as they are known.

        Raise ``UsageError`` if the file that ``make lock`` writes is invalid.
        """
        file = self.folder / RELEASED
        try:
            return tomllib.loads(file.read_text()) if file.exists() else {}
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{file}: {error}. Run: make lock FRAMEWORK={self.name}") from error

    def released(self, version: str | None) -> date | None:
        """Return when a version of its package was released; ``None`` if its lock holds another or it is unknown."""
        return self.release_dates.get(f"{self.package}=={version}")

    @property
    def oldest_python(self) -> str:
        """The oldest Python that its lock is for, such as ``3.11``."""
        (oldest,) = [one.version for one in SpecifierSet(self.requires_python) if one.operator == ">="]
        return oldest

    def deviations_on(self, server: str) -> dict[str, str]:
        """Return the tests that it is declared to fail on ``server``, each with the reason."""
        return {
            test: deviation.reason
            for deviation in self.deviations
            if not deviation.servers or server in deviation.servers
            for test in deviation.tests
        }

    @classmethod
    def load(cls, folder: Path) -> "Framework":
        """Return the framework in ``folder``; raise ``UsageError`` naming the file and the field that is invalid."""
        file = folder / "pyproject.toml"
        try:
            document = tomllib.loads(file.read_text())
            return _framework(folder, document)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, _FieldError) as error:
            raise UsageError(
                f"{file.relative_to(folder.parent.parent)}: {error}. CONTRIBUTING.md shows a complete file."
            ) from error


def frameworks(root: Path = FRAMEWORKS, *, only: str | None = None) -> dict[str, Framework]:
    """Return every framework by name, in alphabetical order, or ``only`` one; skip folders without a project file."""
    folders = sorted(file.parent for file in root.glob("*/pyproject.toml"))
    return {folder.name: Framework.load(folder) for folder in folders if only in {None, folder.name}}


def locked_version(lock: str, distribution: str) -> str | None:
    """Return the version to which a lock pins ``distribution``; ``None`` if it is not locked."""
    pin = re.search(rf"^{re.escape(canonicalize_name(distribution))}==([^\s;\\]+)", lock, re.MULTILINE)
    return pin[1] if pin else None


class _FieldError(Exception):
    """A field of ``pyproject.toml`` is missing, invalid or unknown."""


def _framework(folder: Path, document: Mapping[str, Any]) -> Framework:
    stack = _field(_field(document, "tool", dict, default={}), "tool.stack", dict)
    _require_known(stack, _STACK_KEYS, "tool.stack")
    project = _field(document, "project", dict)
    interface = _field(stack, "tool.stack.interface", str)
    if interface not in list(Interface):
        raise _FieldError(f"invalid tool.stack.interface {interface}: must be one of {', '.join(Interface)}")
    command = _command(stack)
    if (interface == Interface.NATIVE) != bool(command):
        raise _FieldError("tool.stack.command is required with interface = 'native' and refused with any other")
    return Framework(
        name=folder.name,
        title=_field(stack, "tool.stack.title", str),
        folder=folder,
        interface=Interface(interface),
        target=_field(stack, "tool.stack.target", str, default="app:app"),
        distribution=_field(stack, "tool.stack.distribution", str, default="") or None,
        dependencies=_dependencies(project),
        requires_python=_requires_python(project),
        command=command,
        pure_python=_strings(stack, "tool.stack.pure_python", default=[]),
        default=_field(stack, "tool.stack.default", bool, default=False),
        unavailable=_unavailable(stack),
        deviations=tuple(_deviations(stack)),
    )


def _command(stack: Mapping[str, Any]) -> str:
    command: str = _field(stack, "tool.stack.command", str, default="")
    try:
        # An object that is neither a number nor text makes formats such as {port:d} fail: they would work for
        # processes, whose values are numbers, but not in the scripts of images, which have shell variables.
        command.format_map(dict.fromkeys(_COMMAND_FIELDS, object()))
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise _FieldError(
            f"invalid tool.stack.command {command}: its fields must be {{host}}, {{port}} and {{workers}}"
        ) from error
    return command


def _unavailable(stack: Mapping[str, Any]) -> dict[str, str]:
    path = "tool.stack.unavailable"
    table = _field(stack, path, dict, default={})
    servers, others = _places()
    _require_known(table, (*others, *servers), path)
    return {place: _field(table, f"{path}.{place}", str) for place in table}


def _deviations(stack: Mapping[str, Any]) -> Iterator[Deviation]:
    path = "tool.stack.deviations"
    for entry in _field(stack, path, list, default=[]):
        if not isinstance(entry, dict):
            raise _FieldError(f"invalid {path} {entry}: must be tables")
        _require_known(entry, _DEVIATION_KEYS, path)
        servers = _strings(entry, f"{path}.servers", default=[])
        _require_known(servers, _places()[0], f"{path}.servers")
        yield Deviation(
            tests=_strings(entry, f"{path}.tests"), reason=_field(entry, f"{path}.reason", str), servers=servers
        )


@cache
def _places() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of all servers, and those of all images and runtimes."""
    from common.catalog.servers import SERVERS  # noqa: PLC0415 -- both modules import this one
    from common.catalog.stacks import images  # noqa: PLC0415

    return tuple(SERVERS), (*images(), *Runtime)


def _dependencies(project: Mapping[str, Any]) -> tuple[str, ...]:
    dependencies = _field(project, "project.dependencies", list, default=[])
    for text in dependencies:
        try:
            Requirement(text)
        except (InvalidRequirement, TypeError) as error:
            raise _FieldError(
                f"invalid entry {text} in project.dependencies: must be a requirement such as 'falcon>=4.4'"
            ) from error
    return tuple(dependencies)


def _requires_python(project: Mapping[str, Any]) -> str:
    text = _field(project, "project.requires-python", str, default=ANY_PYTHON)
    try:
        bounds = [one for one in SpecifierSet(text) if one.operator == ">="]
    except InvalidSpecifier:
        bounds = []
    if len(bounds) != 1:
        raise _FieldError(f"invalid project.requires-python {text}: must name the oldest, such as '>=3.11'")
    return str(text)


def _require_known(names: Iterable[str], known: Collection[str], path: str) -> None:
    """Raise ``_FieldError`` for a name at ``path`` that is none of ``known``: nothing would ever read it."""
    for name in names:
        if name not in known:
            raise _FieldError(f"unknown {name} in {path}.{nearest_hint(name, known)} Accepted: {', '.join(known)}")


_STACK_KEYS = (
    "title", "interface", "distribution", "target", "command", "pure_python", "default", "unavailable", "deviations",
)  # fmt: skip
_DEVIATION_KEYS = ("tests", "reason", "servers")
_COMMAND_FIELDS = ("host", "port", "workers")
_TOML_NAMES: Mapping[type, str] = {str: "a string", list: "an array", dict: "a table", bool: "true or false"}


def _field(table: Mapping[str, Any], path: str, kind: type, default: Any = None) -> Any:  # noqa: ANN401 -- TOML
    """Return the field at ``path``, whose last part is its key in ``table``."""
    value = table.get(path.rpartition(".")[2], default)
    if value is None:
        raise _FieldError(f"{path} is missing")
    if not isinstance(value, kind):
        raise _FieldError(f"invalid {path} {value}: must be {_TOML_NAMES[kind]}")
    return value


def _strings(table: Mapping[str, Any], path: str, default: list[str] | None = None) -> tuple[str, ...]:
    """Return the array of strings at ``path``, as ``_field`` does."""
    values = _field(table, path, list, default)
    if not all(isinstance(value, str) for value in values):
        raise _FieldError(f"invalid {path} {values}: must be strings")
    return tuple(values)
