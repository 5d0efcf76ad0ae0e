"""Newer releases of what is pinned: the packages in each framework's lock, and the servers."""

import re
from dataclasses import dataclass, replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.catalog.frameworks import OLDEST_PYTHON, Framework
from common.catalog.servers import SERVERS
from common.host.folders import temporary_folder
from common.packages.locks import compile_lock, lock

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A package whose version differs between two locks; ``None`` where a lock does not contain it."""

    package: str
    before: str | None
    after: str | None


def changes(before: str, after: str) -> tuple[Change, ...]:
    """Return the packages that differ between the texts of two locks, by name."""
    old, new = pins(before), pins(after)
    return tuple(
        Change(package=name, before=old.get(name), after=new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def pins(lock_text: str) -> dict[str, str]:
    """Return the version of each package in a lock."""
    return {canonicalize_name(name): version for name, version in _PIN.findall(lock_text)}


def outdated_in_lock(framework: Framework) -> tuple[Change, ...]:
    """Return what an upgrade of a framework would change; its lock stays as it is."""
    with temporary_folder("outdated") as folder:
        newest = lock(replace(framework, folder=folder)).read_text()
    return changes(framework.lock.read_text(), newest)


def upgrade(framework: Framework) -> tuple[Change, ...]:
    """Lock a framework with each package at the newest version that fits, and return what has changed."""
    before = framework.lock.read_text() if framework.lock.exists() else ""
    return changes(before, lock(framework, upgrade=True).read_text())


def outdated_servers() -> tuple[Change, ...]:
    """Return the packages pinned for servers that have a newer version."""
    pinned = {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for server in SERVERS.values()
        for requirement in map(Requirement, server.requirements + server.loop_requirements)
    }
    with temporary_folder("outdated") as folder:
        newest = pins(
            compile_lock(pinned, folder / "lock", python=OLDEST_PYTHON, what="The newest servers").read_text()
        )
    return tuple(
        Change(package=name, before=version, after=newest[name])
        for name, version in sorted(pinned.items())
        if newest[name] != version
    )
