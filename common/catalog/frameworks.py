"""The registry of frameworks: the folders under ``frameworks/``. There is no other list of them."""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from common.catalog.pythons import PYPY
from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.project import ROOT
from common.words import nearest_hint

FRAMEWORKS = ROOT / "frameworks"
LOCK = "requirements.lock"
RELEASED = "released.toml"
ORDERS_LOCK = "orders.lock"
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


class App(StrEnum):
    """The apps that a framework's folder can hold, each a module of this name."""

    APP = "app"
    SERVICE = "service"
    """For ``POST /quotes`` of the contract ``service``."""
    ORDERS = "orders"
    """For the whole of that contract, with the orders that are in a database."""
    EXTRAS = "extras"
    """The usual one with what ``make extras`` adds to it."""

    @property
    def module(self) -> str | None:
        """The module to load instead of that of the framework's ``target``; ``None`` for the usual one."""
        return None if self is App.APP else self.value

    @property
    def unrelated_files(self) -> tuple[str, ...]:
        """The names of the files in the folder that have no influence on it."""
        own = list(App)[: list(App).index(self) + 1]  # each may import those before it
        if self is App.EXTRAS:
            own = [App.APP, self]
        return (*(app.file for app in App if app not in own), *([] if self is App.ORDERS else [ORDERS_LOCK]))

    @property
    def file(self) -> str:
        """The name of the file that holds it."""
        return f"{self.value}.py"


class Deviation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tests of the conformance suite that a framework cannot pass whatever its app does."""

    tests: tuple[str, ...]
    reason: str
    servers: tuple[str, ...] = ()
    """The servers on which they fail; empty for all of them."""

    def __post_init__(self) -> None:
        _require_known(self.servers, _places()[0])


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
    """The native server's command line, with ``{host}``, ``{port}``, ``{workers}`` and, where it can serve another
    module than the default one, ``{module}``; empty for other interfaces."""
    pure_python: tuple[str, ...] = ()
    """The packages locked to wheels without compiled code."""
    default: bool = False
    """Whether it is selected where a command is given no framework."""
    unavailable: Mapping[str, str]
    """Images, servers and runtimes on which it is not available, each with the reason."""
    deviations: tuple[Deviation, ...] = ()
    drivers: tuple[str, ...] = ()
    """The packages with which its orders reach their database; empty if it has none."""
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
    def orders_lock(self) -> Path:
        """The path of the same requirements together with its drivers."""
        return self.folder / ORDERS_LOCK

    def has(self, app: App) -> bool:
        """Return whether its folder holds this app."""
        return (self.folder / app.file).is_file()

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
        (oldest,) = [bound.version for bound in SpecifierSet(self.requires_python) if bound.operator == ">="]
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
            document = msgspec.toml.decode(file.read_bytes(), type=_Document)
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise UsageError(
                f"{file.relative_to(folder.parent.parent)}: {error}. CONTRIBUTING.md shows a complete file."
            ) from error
        project, stack = msgspec.structs.asdict(document.project), msgspec.structs.asdict(document.tool.stack)
        return cls(name=folder.name, folder=folder, **project, **stack)


def frameworks(root: Path = FRAMEWORKS, *, only: str | None = None) -> dict[str, Framework]:
    """Return every framework by name, in alphabetical order, or ``only`` one; skip folders without a project file."""
    folders = sorted(file.parent for file in root.glob("*/pyproject.toml"))
    return {folder.name: Framework.load(folder) for folder in folders if only in {None, folder.name}}


def locked_version(lock: str, distribution: str) -> str | None:
    """Return the version to which a lock pins ``distribution``; ``None`` if it is not locked."""
    pin = re.search(rf"^{re.escape(canonicalize_name(distribution))}==([^\s;\\]+)", lock, re.MULTILINE)
    return pin[1] if pin else None


class _Project(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The fields of the table ``project`` that are used; msgspec adds to a ``ValueError`` which table it is about."""

    dependencies: tuple[str, ...] = ()
    requires_python: str = ANY_PYTHON

    def __post_init__(self) -> None:
        _require_requirements(self.dependencies)
        if [bound.operator for bound in SpecifierSet(self.requires_python)].count(">=") != 1:
            raise ValueError(f"invalid requires-python {self.requires_python}: must name the oldest, such as '>=3.11'")


class _Stack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``tool.stack``, whose fields are those of ``Framework``."""

    title: str
    interface: Interface
    target: str = "app:app"
    distribution: str | None = None
    command: str = ""
    pure_python: tuple[str, ...] = ()
    default: bool = False
    unavailable: dict[str, str] = {}
    deviations: tuple[Deviation, ...] = ()
    drivers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_requirements(self.drivers)
        if (self.interface is Interface.NATIVE) != bool(self.command):
            raise ValueError("command is required with interface = 'native' and refused with any other")
        try:
            # An object that is neither a number nor text makes formats such as {port:d} fail: they would work for
            # processes, whose values are numbers, but not in the scripts of images, which have shell variables.
            self.command.format_map(dict.fromkeys(("host", "port", "workers", "module"), object()))
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"invalid command {self.command}: its fields must be {{host}}, {{port}}, {{workers}} and {{module}}"
            ) from error
        servers, others = _places()
        _require_known(self.unavailable, (*others, *servers))


class _Tool(Struct, frozen=True):
    stack: _Stack


class _Document(Struct, frozen=True):
    project: _Project
    tool: _Tool


@cache
def _places() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of all servers, and those of all images and runtimes and of PyPy."""
    from common.catalog.servers import SERVERS  # noqa: PLC0415 -- both modules import this one
    from common.catalog.stacks import images  # noqa: PLC0415

    return tuple(SERVERS), (*images(), *Runtime, PYPY)


def _require_requirements(texts: Iterable[str]) -> None:
    """Raise ``ValueError`` for an invalid requirement."""
    for text in texts:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise ValueError(f"invalid {text}: must be a requirement such as 'falcon>=4.4'") from error


def _require_known(names: Iterable[str], known: Collection[str]) -> None:
    """Raise ``ValueError`` for an unknown name, which nothing would ever read."""
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {name}.{nearest_hint(name, known)} Accepted: {', '.join(known)}")
