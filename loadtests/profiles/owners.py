"""The profile of a stack: its call stacks, and whose code each function is."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

from common.catalog.stacks import Stack
from common.project import ROOT
from loadtests.experiments.sizes.visit import InstalledPackages

STANDARD_LIBRARY = Path(os.__file__).parent


class Frame(NamedTuple):
    """A function on a call stack."""

    function: str
    file: str
    line: int


class CallStack(NamedTuple):
    """A call stack, outermost frame first, and the number of samples that found it."""

    frames: tuple[Frame, ...]
    samples: int


class Owner(StrEnum):
    """Whose code it is."""

    SERVER = "server"
    FRAMEWORK = "framework"
    DRIVER = "driver"
    APP = "app"
    INTERPRETER = "interpreter"


MEANING: Mapping[Owner, str] = {
    Owner.SERVER: "the server and the packages that it needs",
    Owner.FRAMEWORK: "the framework and all other packages",
    Owner.DRIVER: "the database's driver",
    Owner.APP: "the app and the contract that it implements",
    Owner.INTERPRETER: "the standard library",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The owners of the files in a stack's environment."""

    packages: Path
    """The folder of the installed packages."""
    server: frozenset[str]
    """The names at the top of that folder that belong to the server."""
    app: tuple[Path, ...]
    driver: frozenset[str] = frozenset()
    """Those that belong to the driver by which the app reaches its database; empty without one."""

    @classmethod
    def of_stack(cls, stack: Stack, environment: Path) -> "Owners":
        """Return the owners in the environment of a stack."""
        (packages,) = environment.glob("lib/python*/site-packages")
        installed = InstalledPackages(environment)
        needed = installed.closure(stack.server.needs(stack.framework.interface))
        drivers = installed.closure(stack.framework.drivers if stack.drivers else ())
        others = {*needed, *installed.closure(stack.framework.dependencies)}
        return cls(
            packages=packages,
            server=_modules_of(installed, needed),
            app=(stack.framework.folder, ROOT / "common" / "contract"),
            driver=_modules_of(installed, [name for name in drivers if name not in others]),
        )

    def owner(self, frame: Frame) -> Owner:
        """Return whose code a function is."""
        file = Path(frame.file)
        if file.is_relative_to(self.packages):
            top = file.relative_to(self.packages).parts[0]
            module = top.removesuffix(".py")
            return next((owner for owner, of in self._installed if module in of), Owner.FRAMEWORK)
        if any(file.is_relative_to(folder) for folder in self.app):
            return Owner.APP
        return Owner.INTERPRETER

    @property
    def _installed(self) -> tuple[tuple[Owner, frozenset[str]], ...]:
        return (Owner.SERVER, self.server), (Owner.DRIVER, self.driver)

    @property
    def there(self) -> list[Owner]:
        """Those that the stack has: only an app with a database has a driver."""
        return [owner for owner in Owner if owner is not Owner.DRIVER or self.driver]

    def place(self, frame: Frame) -> str:
        """Return a function's file and line, without what is particular to this machine."""
        file = Path(frame.file)
        for folder in (self.packages, *(module.parent for module in self.app), self.packages.parent, STANDARD_LIBRARY):
            if file.is_relative_to(folder):
                return f"{file.relative_to(folder)}:{frame.line}"
        return f"{file.name}:{frame.line}"

    def shares(self, stacks: Iterable[CallStack]) -> dict[Owner, float]:
        """Return the share of samples whose innermost function is each owner's, 0 to 1; zeros without samples."""
        counts = dict.fromkeys(self.there, 0)
        for frame, samples in self_samples(stacks).items():
            counts[self.owner(frame)] += samples
        total = sum(counts.values())
        return {owner: count / total if total else 0.0 for owner, count in counts.items()}


def self_samples(stacks: Iterable[CallStack]) -> Mapping[Frame, int]:
    """Return how often each function was the innermost one, the most frequent first."""
    counts = Counter[Frame]()
    for stack in stacks:
        counts[stack.frames[-1]] += stack.samples
    return dict(counts.most_common())


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The profile of one stack."""

    name: str
    stacks: list[CallStack]
    owners: Owners

    @property
    def samples(self) -> int:
        """The number of samples."""
        return sum(stack.samples for stack in self.stacks)


def _modules_of(installed: InstalledPackages, names: Iterable[str]) -> frozenset[str]:
    return frozenset(module for name in names for module in _modules(installed.distribution(name)))


def _modules(distribution: Distribution) -> set[str]:
    """Return a package's names at the top of the folder of packages."""
    return {
        re.sub(r"(\.cpython.*)?\.(py|so)$", "", file.parts[0])
        for file in distribution.files or ()
        if not file.parts[0].endswith((".dist-info", ".."))
    }
