"""Variants of the stacks here: a framework at another version or from a wheel, a server at another version.

Each variant is created once, in its own folder under ``.cache``, with a copy of the app and a lock of its own.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from common.catalog.frameworks import LOCAL, LOCK, ORDERS_LOCK, Framework, locked_version
from common.catalog.servers import OPTIONS_SINCE, SERVERS, Server
from common.catalog.stacks import Stack, stacks
from common.errors import UsageError
from common.host.folders import temporary_folder
from common.packages.checkouts import DIGEST_LENGTH
from common.packages.copies import copy_folder
from common.packages.locks import compile_lock, lock, read_lock, why_stale, without_package
from common.packages.wheels import is_compiled, package_of, wheel_at
from common.project import ROOT
from common.words import one_of

VARIANTS = ROOT / ".cache" / "variants"


def framework_at_version(framework: Framework, version: str, *, root: Path = VARIANTS) -> Framework:
    """Return ``framework`` at another version of its package.

    Raises ``UsageError`` if ``version`` is malformed, and ``FailedError`` with uv's output if it does not exist.
    """
    try:
        pin = f"=={Version(version)}"
    except InvalidVersion as error:
        raise UsageError(
            f"invalid {framework.name}@{version}: must be a version such as {framework.version}; "
            f"an image follows a colon, as in {framework.name}:slim."
        ) from error
    dependencies = _replace_own(framework, lambda requirement: f"{_without_version(requirement)}{pin}")
    return _variant(framework, version.lower().replace("+", "-"), dependencies, root)


def framework_within(framework: Framework, allowed: SpecifierSet, *, root: Path = VARIANTS) -> Framework:
    """Return ``framework`` at the newest version of its package among those ``allowed``.

    A package index is asked each time. Raise ``FailedError`` with uv's output if there is none.
    """
    roots = _replace_own(framework, lambda requirement: f"{_without_version(requirement)}{allowed}")
    what = f"A lock of {framework.name}{allowed}"
    with temporary_folder("newest") as folder:
        newest = compile_lock(roots, folder / LOCK, python=framework.oldest_python, what=what).read_text()
    version = locked_version(newest, framework.package or "")
    assert version is not None
    return framework_at_version(framework, version, root=root)


def with_named_variants(text: str, known: Mapping[str, Framework], *, root: Path = VARIANTS) -> dict[str, Framework]:
    """Return ``known``, and what a comma-separated ``FRAMEWORK=`` names as ``NAME@VERSION`` or as a folder's path.

    A folder is locked unless it has a fitting lock. Raises ``UsageError`` if a name is unknown, a version malformed or
    a folder not laid out like those under ``frameworks/``, ``FailedError`` if a version does not exist.
    """
    variants = dict(known)
    for part in map(str.strip, text.split(",")):
        name, at, version = part.partition("@")
        if "/" in part:
            variants[part] = _own_framework(Path(os.path.expanduser(part)))  # noqa: PTH111 -- keeps an unknown user
        elif at:
            framework = known[one_of(name, known, variable="FRAMEWORK")]
            variant = framework_at_version(framework, version, root=root)
            name = f"{framework.name}@{version}"
            variants[name] = replace(variant, name=name)
    return variants


def named_stacks(
    framework: str, server: str, known: Mapping[str, Framework], *, root: Path = VARIANTS
) -> tuple[Stack, ...]:
    """Return the stacks that ``FRAMEWORK=`` and ``SERVER=`` select, with variants of both.

    Those of a server at another version come last. Errors as ``with_named_variants`` and ``stacks``.
    """
    known = with_named_variants(framework, known, root=root)
    parts = [part.strip() for part in server.split(",")]
    plain = [part for part in parts if "@" not in part]
    chosen = [*stacks(framework, ",".join(plain), known)] if plain else []
    for part in parts:
        name, at, version = part.partition("@")
        if at:
            variant = server_at_version(SERVERS[one_of(name, SERVERS, variable="SERVER")], version)
            able = stacks(framework, name, known)
            chosen += [Stack(framework=_locked_for(stack.framework, variant, root), server=variant) for stack in able]
    return tuple(chosen)


def server_at_version(server: Server, version: str) -> Server:
    """Return ``server`` at another version of its package, without the options that this version does not have.

    Raise ``UsageError`` if ``version`` is malformed, or if the server is part of the framework.
    """
    if not server.requirements:
        raise UsageError(f"SERVER={server.name}@{version} is part of its framework: ask for FRAMEWORK=NAME@VERSION.")
    own, *others = server.requirements
    pinned = Requirement(own)
    try:
        asked = Version(version)
    except InvalidVersion as error:
        usual = str(pinned.specifier).removeprefix("==")
        raise UsageError(f"invalid SERVER={server.name}@{version}: must be a version such as {usual}.") from error
    newer = {option for option, since in OPTIONS_SINCE.items() if asked < Version(since)}
    line = " ".join(word for word in server.line.split() if word not in newer)
    requirements = (f"{_without_version(pinned)}=={asked}", *others)
    return replace(server, name=f"{server.name}@{asked}", requirements=requirements, line=line)


def _own_framework(folder: Path) -> Framework:
    if not is_framework_folder(folder):
        raise UsageError(
            f"FRAMEWORK={folder} is not a framework: must be a folder with app.py and pyproject.toml like those under "
            "frameworks/."
        )
    return framework_from_folder(folder)


def framework_from_wheel(framework: Framework, wheel: Path, *, root: Path = VARIANTS) -> Framework:
    """Return ``framework`` with its package from a wheel; ``UsageError`` if that is not what the framework needs."""
    if framework.package != (name := package_of(wheel)):
        raise UsageError(f"{wheel} contains the package {name}, which is not that of {framework.name}.")
    if name in framework.pure_python and is_compiled(wheel):
        raise UsageError(
            f"{wheel} holds compiled code, and {framework.name} is measured without. Build it as pure Python."
        )
    dependencies = _replace_own(framework, lambda requirement: f"{_without_version(requirement)} @ {wheel.as_uri()}")
    framework = replace(framework, pure_python=tuple(set(framework.pure_python) - {name}))  # no index has this wheel
    return _variant(framework, f"wheel-{_digest(wheel.read_bytes())}", dependencies, root)


def wheel_in(framework: Framework) -> Path | None:
    """Return the wheel of this machine from which a framework's package is installed; ``None`` if from an index."""
    own = (needed.url or "" for needed in map(Requirement, framework.dependencies) if _is_own(framework, needed))
    return next((wheel_at(url) for url in own if url.startswith("file:")), None)


def framework_from_folder(folder: Path) -> Framework:
    """Return the framework in a folder laid out like those under ``frameworks/``, with ``LOCAL`` added to its name.

    It is locked if it has no lock. Raise ``FailedError`` if its requirements cannot be met.
    """
    loaded = Framework.load(folder.resolve())
    framework = replace(loaded, name=f"{loaded.name.lower()}{LOCAL}", own_folder=loaded.folder)
    if not framework.lock.exists():
        lock(framework)
    return framework


def is_framework_folder(folder: Path) -> bool:
    """Return whether a folder is laid out like those under ``frameworks/``."""
    file = folder / "pyproject.toml"
    is_file = os.path.isfile(file)  # noqa: PTH113 -- false for impossible names too
    return is_file and b"[tool.stack]" in file.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def _replace_own(framework: Framework, replacement: Callable[[Requirement], str]) -> tuple[str, ...]:
    """Return the framework's dependencies with the requirement for its own package replaced."""
    if framework.distribution is None:
        raise UsageError(f"{framework.name} is a floor without a framework, so no version of it can be chosen.")
    requirements = {line: Requirement(line) for line in framework.dependencies}
    return tuple(
        replacement(requirement) if _is_own(framework, requirement) else line
        for line, requirement in requirements.items()
    )


def _is_own(framework: Framework, requirement: Requirement) -> bool:
    return canonicalize_name(requirement.name) == framework.package


def _without_version(requirement: Requirement) -> str:
    """Return a requirement's name and extras."""
    return requirement.name + (f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else "")


def _variant(framework: Framework, suffix: str, dependencies: tuple[str, ...], root: Path) -> Framework:
    assert framework.distribution is not None
    folder = root / f"{framework.name}-{suffix}"
    variant = replace(framework, name=folder.name, folder=folder, dependencies=dependencies)
    return _made(framework, variant, framework.distribution)


def _locked_for(framework: Framework, server: Server, root: Path) -> Framework:
    """Return ``framework`` with a lock of its own for a server at another version than the usual lock has."""
    folder = root / f"{framework.name}-on-{server.name}".replace("@", "-")
    variant = replace(framework, folder=folder, server_pins=server.needs(framework.interface))
    return _made(framework, variant, Requirement(server.requirements[0]).name)


def _made(framework: Framework, variant: Framework, package: str) -> Framework:
    """Fill the variant's folder with the framework's app and, unless it has a fitting lock, with a new one.

    The lock starts from the framework's, so that all packages but ``package`` keep their versions; the block of that
    one is removed, because for an unchanged version uv would keep its hashes, but a wheel from a checkout has others.
    """
    copy_folder(framework.folder, variant.folder, LOCK, ORDERS_LOCK)
    if why_stale(variant) is not None:
        if framework.orders_lock.exists() and not variant.orders_lock.exists():
            shutil.copy(framework.orders_lock, variant.orders_lock)
        if not variant.lock.exists():
            variant.lock.write_text(without_package(read_lock(framework), package))
        lock(variant)
    return variant
