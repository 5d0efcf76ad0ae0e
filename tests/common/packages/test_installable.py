"""What is said not to run on an interpreter cannot be installed on it: no more and no less, by the package index."""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from common.catalog.frameworks import Framework, frameworks
from common.catalog.pythons import KNOWN_PYTHONS, Python
from common.catalog.stacks import Stack, compatible
from common.engine.builds import pinned_versions
from common.packages.locks import index_entries, stack_requirements
from common.packages.wheels import wheel_at, why_unfit
from common.project import ROOT

PYPY_PYTHON = "pypy3.11"
FORMER_PYPY = "pp73"
"""The binary interface of PyPy 7.3, whose wheels PyPy 8 does not take."""
_REASON = re.compile(r"(\S+) has no wheel for PyPy 8")
KNOWN = {name: one for name, one in frameworks().items() if "docker" not in one.unavailable}
PYTHONS = [name for name in KNOWN_PYTHONS if "+" not in name]
PAGE, HEADING = ROOT / "docs" / "which-python.md", "## What cannot be installed"

_Place = tuple[str, str]
"""A server and a Python."""


def _stacks(framework: Framework) -> list[Stack]:
    return [Stack(framework=framework, server=server) for server in compatible(framework)]


def _pinned(lock: str, python: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in pinned_versions(lock, python).items()}


@pytest.mark.parametrize("framework", KNOWN.values(), ids=KNOWN)
def test_what_has_no_wheel_for_pypy_is_locked_for_it(framework: Framework) -> None:
    """A reason goes out of date when a framework or a server no longer needs the package that it names."""
    for stack in _stacks(framework):
        if (reason := stack.unavailable("pypy")) is not None:
            found = _REASON.fullmatch(reason)
            assert found is not None, f"{stack.name}: {reason}"
            assert canonicalize_name(found[1]) in _pinned(stack_requirements(stack), PYPY_PYTHON)


def _without_wheel(framework: Framework, needed: Mapping[_Place, Mapping[str, str]]) -> dict[_Place, frozenset[str]]:
    """Return the packages that have no wheel for the Python of each place, of those that are needed there."""
    wheels = _wheels(framework, {pin for versions in needed.values() for pin in versions.items()})
    return {
        (server, python): frozenset(
            pin[0] for pin in versions.items() if not any(_fits(url, python) for url in wheels[pin])
        )
        for (server, python), versions in needed.items()
    }


def _wheels(framework: Framework, pins: AbstractSet[tuple[str, str]]) -> Mapping[tuple[str, str], Sequence[str]]:
    """Return the addresses of each pin's wheels; a package that is locked at several versions is asked for in turn."""
    waiting, found = set(pins), dict[tuple[str, str], list[str]]()
    while waiting:
        asked = dict(sorted(waiting))
        waiting -= asked.items()
        entries = index_entries(
            [f"{package}=={version}" for package, version in asked.items()],
            python=framework.oldest_python,
            what=framework.name,
        )
        for entry in entries:
            pin = canonicalize_name(entry["name"]), str(entry["version"])
            found[pin] = [wheel["url"] for wheel in entry.get("wheels", ())]
    return found


def _fits(url: str, python: str) -> bool:
    wheel = wheel_at(url)
    return FORMER_PYPY not in wheel.name and why_unfit(wheel, python) is None


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("framework", KNOWN.values(), ids=KNOWN)
def test_stacks_that_cannot_be_installed_are_those_that_say_so(framework: Framework) -> None:
    """A reason, or a name on the page about Pythons, goes out of date when somebody publishes a wheel."""
    known = {stack.server.name: stack for stack in _stacks(framework)}
    locks, pythons = {name: stack_requirements(stack) for name, stack in known.items()}, _meant_for(framework)
    needed = {(name, python): _pinned(locks[name], python) for name in known for python in pythons}
    for (server, python), missing in _without_wheel(framework, needed).items():
        stack = known[server]
        named = not _named_on_page(python).isdisjoint((framework.name, stack.server.name))
        assert bool(missing) is named, f"{stack.name} on {python}; without a wheel: {missing or None}"
        if python == PYPY_PYTHON:
            reason = stack.unavailable("pypy")
            assert bool(missing) is (reason is not None), f"{stack.name} says {reason}; without: {missing or None}"
            assert reason is None or canonicalize_name(reason.partition(" ")[0]) in missing, stack.name


def _meant_for(framework: Framework) -> list[str]:
    fits = SpecifierSet(framework.requires_python)
    return [python for python in PYTHONS if fits.contains(Python.parse(python).numbers)]


@cache
def _named_on_page(python: str) -> frozenset[str]:
    """Return the frameworks and servers that cannot be installed on a Python, as the page about Pythons names them."""
    _, _, table = PAGE.read_text().partition(HEADING)
    row = re.search(rf"^\| {re.escape(python)} \| (.*) \| (.*) \|$", table, re.MULTILINE)
    return frozenset(name for cell in row.groups() for name in cell.split(", ")) if row else frozenset()
