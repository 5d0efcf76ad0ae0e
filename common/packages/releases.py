"""The releases that a package index has: which there are, when those in a lock were made, and which are newer."""

import re
import subprocess
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from common.catalog.frameworks import OLDEST_PYTHON, RELEASED, Framework
from common.catalog.servers import SERVERS
from common.errors import FailedError
from common.host.folders import make_folder, temporary_folder, write_file, write_files
from common.packages.locks import compile_lock, index_entries, lock
from common.words import last_lines

TIMEOUT_S = 60
HEAD = "# When each version in requirements.lock was released, as the package index says. Written by make lock.\n"

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def releases(package: str) -> tuple[Version, ...]:
    """Return the final releases of a package that this Python can install, as pip lists them: the newest first.

    Raises ``FailedError`` with the end of pip's output if no index has the package.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", package]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"pip did not list the versions of {package} within {TIMEOUT_S} s.") from error
    listed = re.search(r"^Available versions: (.+)$", result.stdout, re.MULTILINE)
    if listed is None:
        reason = last_lines(result.stderr, 1) or "it printed nothing"
        raise FailedError(f"pip listed no versions of {package}: {reason}")
    versions = []
    for text in listed[1].split(", "):
        with suppress(InvalidVersion):  # an index may still hold releases from before versions had a standard
            versions.append(Version(text))
    return tuple(version for version in versions if not version.is_prerelease)


def newest_of_each_minor(versions: Iterable[Version], last: int) -> tuple[Version, ...]:
    """Return the newest release of each of the ``last`` minor versions, the oldest first."""
    newest: dict[tuple[int, int, int], Version] = {}
    for version in sorted(versions):
        newest[version.epoch, version.major, version.minor] = version
    return tuple(newest.values())[-last:]


def record_release_dates(framework: Framework) -> None:
    """Write beside a framework's lock when each version in it was released.

    Versions without a date in the index are left out. Raise ``FailedError`` with the end of uv's output if it
    reaches no index.
    """
    pinned = [f"{name}=={version}" for name, version in pins(framework.lock.read_text()).items()]
    dates = release_dates(pinned, python=framework.oldest_python, what=f"The release dates of {framework.name}")
    lines = (f'"{pin}" = {day}\n' for pin, day in dates.items())
    write_file(framework.folder / RELEASED, "".join([HEAD, *lines]))


def release_dates(pinned: Iterable[str], *, python: str, what: str) -> dict[str, date]:
    """Return the day on which the first file of each version was uploaded, by pins such as ``flask==3.1.3``."""
    uploaded = {
        f"{package['name']}=={package['version']}": [
            file["upload-time"]
            for file in (*package.get("wheels", ()), *filter(None, [package.get("sdist")]))
            if "upload-time" in file
        ]
        for package in index_entries(pinned, python=python, what=what)
    }
    return {pin: min(times).date() for pin, times in uploaded.items() if times}


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


def outdated_in_lock(framework: Framework, lock_text: str) -> tuple[Change, ...]:
    """Return what an upgrade of a framework would change in its lock, which stays as it is."""
    with temporary_folder("outdated") as folder:
        newest = lock(replace(framework, folder=folder)).read_text()
    return changes(lock_text, newest)


def upgrade(chosen: Collection[Framework]) -> dict[str, tuple[Change, ...]]:
    """Lock frameworks with each package at the newest version that fits, and return by name what has changed.

    Locks and release dates are written only when all are known, so that after an error every framework is as it was and
    the next upgrade finds the same changes.
    """
    changed = {}
    with temporary_folder("upgrade") as folder:
        drafts = [replace(framework, folder=make_folder(folder / framework.name)) for framework in chosen]
        for framework, draft in zip(chosen, drafts, strict=True):
            before = framework.lock.read_text() if framework.lock.exists() else ""
            changed[framework.name] = changes(before, lock(draft, upgrade=True).read_text())
            if changed[framework.name]:
                record_release_dates(draft)
        for framework, draft in zip(chosen, drafts, strict=True):
            write_files({framework.folder / file.name: file.read_bytes() for file in draft.folder.iterdir()})
    return changed


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
