"""Pythons, as ``PYTHON=`` and records name them: 3.13, 3.13.2, 3.14t (free-threaded), 3.15+jit, pypy3.11."""

import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self

from common.errors import UsageError

DEFAULT_PYTHON = "3.13"
FIRST_WITH_JIT, FIRST_FREE_THREADED = (3, 14), (3, 13)
"""The first versions that take ``PYTHON_JIT``, and that can be built without the GIL."""
KNOWN_PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15", "3.15+jit", "3.13t", "3.14t", "3.15t", "pypy3.11")
"""The Pythons that ``PYTHON=all`` chooses from, in the order of tables."""
ALL = "all"
PYPY = "pypy"
"""The name under which servers and frameworks say why they are not available on PyPy."""
_NAME = re.compile(r"(pypy)?(3\.\d{1,2}(?:\.\d{1,2}(?:(?:a|b|rc)\d+)?)?)(t)?(\+jit)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """One Python: implementation, version, and how it is built and run."""

    numbers: str
    """Its version: 3.13 or 3.13.2. That of PyPy is the version of the language."""
    pypy: bool = False
    free_threaded: bool = False
    jit: bool = False
    """Whether CPython's JIT, off by default, is switched on."""

    @classmethod
    def parse(cls, text: str, *, also: str = "") -> Self:
        """Return the Python that a name stands for; ``UsageError`` if it is none.

        ``also`` is what the caller accepts besides, for the error message.
        """
        match = _NAME.fullmatch(text)
        if match is None:
            raise UsageError(
                f"invalid PYTHON={text or '(empty)'}: must be a version such as {DEFAULT_PYTHON} or 3.13.2, 3.14t for "
                f"a free-threaded build, 3.15+jit for one with its JIT switched on, or pypy3.11{also}."
            )
        pypy, numbers, free_threaded, jit = match.groups()
        python = cls(numbers=numbers, pypy=bool(pypy), free_threaded=bool(free_threaded), jit=bool(jit))
        if reason := python._impossible:
            raise UsageError(f"invalid PYTHON={text}: {reason}")
        return python

    @property
    def series(self) -> Self:
        """The same without the last number: 3.13 for 3.13.2, 3.14t for 3.14.0t."""
        major, minor, *_ = self.numbers.split(".")
        return replace(self, numbers=f"{major}.{minor}")

    @property
    def interpreter(self) -> Self:
        """The same without what is switched on when it starts: 3.15 for 3.15+jit."""
        return replace(self, jit=False)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which it is started."""
        return {"PYTHON_JIT": "1"} if self.jit else {}

    @property
    def places(self) -> tuple[str, ...]:
        """The names under which servers and frameworks say why they are not available on it."""
        return (PYPY,) if self.pypy else ()

    @property
    def markers(self) -> dict[str, str]:
        """What it gives for the environment markers of requirements, on Linux."""
        implementation = "PyPy" if self.pypy else "CPython"
        return {
            "python_version": self.series.numbers,
            "python_full_version": self.numbers,
            "platform_python_implementation": implementation,
            "implementation_name": implementation.lower(),
        }

    def is_a(self, asked: Self) -> bool:
        """Return whether it is the Python asked for; 3.13.2 is a 3.13."""
        alike = replace(self, numbers=asked.numbers) == asked
        return alike and f"{self.numbers}.".startswith(f"{asked.numbers}.")

    @property
    def _impossible(self) -> str:
        version = tuple(int(number) for number in self.numbers.split(".")[:2])
        if self.pypy and (self.free_threaded or self.jit):
            return f"PyPy has no free-threaded build, and its JIT is always on. Use PYTHON=pypy{self.numbers}."
        if self.jit and version < FIRST_WITH_JIT:
            return "the JIT can be switched on from 3.14 on. Leave out +jit."
        if self.free_threaded and version < FIRST_FREE_THREADED:
            return "free-threaded builds exist from 3.13 on. Leave out the t."
        return ""

    def __str__(self) -> str:
        """Return its name."""
        return f"{'pypy' * self.pypy}{self.numbers}{'t' * self.free_threaded}{'+jit' * self.jit}"


def parse_pythons(text: str, every: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    """Return the names of the Pythons that ``PYTHON=`` lists, each once; ``UsageError`` for an invalid one.

    ``every`` is called for those that ``all`` stands for.
    """
    parts = [part.strip() for part in text.split(",")]
    named = [every() if part.casefold() == ALL else (str(Python.parse(part, also=f", or {ALL}")),) for part in parts]
    return tuple(dict.fromkeys(name for names in named for name in names))


def python_place(name: str) -> tuple[bool, list[int], bool, bool]:
    """Return what Pythons are sorted by: CPython comes first, and of one version the usual build."""
    python = Python.parse(name)
    return python.pypy, [int(part) for part in re.findall(r"\d+", python.numbers)], python.free_threaded, python.jit


def python_series(version: str) -> str:
    """Return a recorded Python's name without its last number: 3.13 for 3.13.2, 3.14t for 3.14.0t."""
    return re.sub(r"^(\D*\d+\.\d+)[^t+]*", r"\1", version)


OWN_VERSION = platform.python_version().rstrip("+")  # that of a build between two releases ends in a plus
"""The version in full of the Python of this program."""
OWN_PYTHON = python_series(OWN_VERSION)
"""The Python of this program, on which stacks run in the process runtime unless ``PYTHON=`` names another."""
