"""Wheels as files: which package one holds, whether it is compiled, and where it can be installed."""

import platform
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags, generic_tags, platform_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from common.catalog.pythons import Python
from common.errors import UsageError

WHEEL = ".whl"
_COMPILED = (".so", ".pyd")
PYPY_ABIS = ("pypy{}_pp80", "pypy{}_pp73")
"""The binary interfaces of PyPy 8.0 and 7.3, after the digits of the language's version, which both may share."""
_MUSL_MINORS = range(2, -1, -1)
"""The releases of musl 1 that wheels are built for, up to that of the Alpine releases still in use (PEP 656)."""


def package_of(wheel: Path) -> str:
    """Return the canonical name of a wheel's package; ``UsageError`` if its file is not named like a wheel."""
    return _parsed(wheel)[0]


def wheel_at(url: str) -> Path:
    """Return the wheel that a ``file:`` address of a lock names."""
    return Path(unquote(urlsplit(url).path))


def version_of_wheel(wheel: Path) -> str:
    """Return the version of a wheel's package. Errors as ``package_of``."""
    return str(_parsed(wheel)[1])


def is_compiled(wheel: Path) -> bool:
    """Return whether a wheel holds compiled code; its name says only that it may.

    Extensions can be optional: without a compiler they are left out. ``UsageError`` if the file is no archive.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return any(name.endswith(_COMPILED) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{wheel} cannot be read as a wheel: {error}. Build it again.") from error


def why_unfit(wheel: Path, python: str, *, musl: bool = False) -> str | None:
    """Return why a wheel cannot be installed on a Python of this machine's kind, or on Alpine; ``None`` if it can."""
    _, _, tags = _parsed(wheel)
    if not tags.isdisjoint(_accepted(Python.parse(python), musl=musl)):
        return None
    system = "Linux with musl" if musl else platform.system()
    built_for = ", ".join(sorted(map(str, tags)))
    here = f"Python {python} on {system}, {_machine()}"
    return f"{wheel.name} is built for {built_for}, and cannot be installed on {here}"


def _parsed(wheel: Path) -> tuple[str, Version, frozenset[Tag]]:
    """Return a wheel's package, its version and what it was built for."""
    try:
        name, version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise UsageError(
            f"{wheel} is not named like a wheel: must be NAME-VERSION-PYTHON-ABI-PLATFORM.whl, as its build named it."
        ) from error
    return name, version, tags


def _accepted(python: Python, *, musl: bool) -> Iterator[Tag]:
    """Yield the tags of the wheels that a Python takes (PEP 425)."""
    major, minor = map(int, python.series.numbers.split("."))
    platforms = _musl_platforms() if musl else list(platform_tags())
    if python.pypy:
        interpreter = f"pp{major}{minor}"
        yield from generic_tags(interpreter, [abi.format(f"{major}{minor}") for abi in PYPY_ABIS], platforms)
    else:
        interpreter = f"cp{major}{minor}"
        yield from cpython_tags((major, minor), [f"{interpreter}{'t' * python.free_threaded}"], platforms)
    yield from compatible_tags((major, minor), interpreter, platforms)


def _musl_platforms() -> list[str]:
    return [*(f"musllinux_1_{minor}_{_machine()}" for minor in _MUSL_MINORS), f"linux_{_machine()}"]


def _machine() -> str:
    return platform.machine()
