"""Variants of the stacks here: a framework at another version or built from a checkout, a server at another version.

Each variant is created once, in its own folder under ``.cache``, with a copy of the app and a lock of its own.
"""

import hashlib
import os
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from common.catalog.frameworks import LOCAL, LOCK, Framework
from common.catalog.servers import OPTIONS_SINCE, SERVERS, Server
from common.catalog.stacks import Stack, stacks
from common.errors import FailedError, UsageError
from common.packages.copies import copy_folder
from common.packages.indexes import run_uv
from common.packages.locks import lock, read_lock, why_stale, without_package
from common.project import ROOT
from common.words import one_of

VARIANTS = ROOT / ".cache" / "variants"
CHECKOUTS = ROOT / ".cache" / "checkouts"
DIGEST_LENGTH = 12
_BUILT = frozenset({"build", "dist", "venv"})
"""Folders at the top of a checkout that usually hold what was built or installed; further down they may be packages."""
_INSTALLED = frozenset({"__pycache__", "node_modules"})
"""Folders that tools fill, wherever they are."""


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
            chosen += [Stack(framework=_locked_for(one.framework, variant, root), server=variant) for one in able]
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


def framework_from_checkout(
    framework: Framework, source: Path, *, root: Path = VARIANTS, built: Path = CHECKOUTS
) -> Framework:
    """Return ``framework`` with its package built from the checkout in ``source``, rebuilt if a file has changed."""
    wheel = _wheel(source, built)
    name, *_ = parse_wheel_filename(wheel.name)
    if framework.package != name:
        raise UsageError(f"{source} contains the package {name}, which is not that of {framework.name}.")
    dependencies = _replace_own(framework, lambda requirement: f"{_without_version(requirement)} @ {wheel.as_uri()}")
    return _variant(framework, f"checkout-{wheel.parent.name}", dependencies, root)


def framework_from_folder(folder: Path) -> Framework:
    """Return the framework in a folder laid out like those under ``frameworks/``, with ``LOCAL`` added to its name.

    It is locked if it has no lock. Raise ``FailedError`` if its requirements cannot be met.
    """
    loaded = Framework.load(folder.resolve())
    framework = replace(loaded, name=f"{loaded.name.lower()}{LOCAL}", own_folder=loaded.folder)
    if not framework.lock.exists():
        lock(framework)
    return framework


def project_name(source: Path) -> str | None:
    """Return the canonical name of the project in a checkout, ``None`` if its ``pyproject.toml`` gives none."""
    try:
        document = tomllib.loads((source / "pyproject.toml").read_text())
    except FileNotFoundError:
        return None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source / 'pyproject.toml'}: {error}") from error
    name = document.get("project", {}).get("name")
    return canonicalize_name(name) if isinstance(name, str) else None


def is_framework_folder(folder: Path) -> bool:
    """Return whether a folder is laid out like those under ``frameworks/``."""
    file = folder / "pyproject.toml"
    is_file = os.path.isfile(file)  # noqa: PTH113 -- false for impossible names too
    return is_file and b"[tool.stack]" in file.read_bytes()


def source_digest(source: Path, left_out: Collection[str] = ()) -> str:
    """Return a short digest of the names and contents of a folder's source files, but for those ``left_out``."""
    digest = hashlib.sha256()
    for file in sorted(file for file in _sources(source) if file.name not in left_out):
        digest.update(f"{file.relative_to(source)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:DIGEST_LENGTH]


def _sources(folder: Path, ignored: frozenset[str] = _BUILT, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files of a folder but for what tools leave there, without the ``ignored`` entries at its top.

    Links are followed, but not back to the folder or to those ``above`` it, which would lead in circles.
    """
    inside = above | {folder.resolve()}
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name in _INSTALLED | ignored or path.suffix == ".egg-info":
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and path.resolve() not in inside and not (path / "pyvenv.cfg").exists():
            yield from _sources(path, frozenset(), inside)


def _wheel(source: Path, root: Path) -> Path:
    folder = root / source_digest(source)
    if not (wheels := sorted(folder.glob("*.whl"))):
        run_uv("build", "--quiet", "--wheel", f"--out-dir={folder}", str(source), what=f"A wheel of {source}")
        wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FailedError(
            f"building {source} produced {len(wheels)} wheels; a checkout must contain exactly one package."
        )
    return wheels[0]


def _replace_own(framework: Framework, replacement: Callable[[Requirement], str]) -> tuple[str, ...]:
    """Return the framework's dependencies with the requirement for its own package replaced."""
    if framework.distribution is None:
        raise UsageError(f"{framework.name} is a floor without a framework, so no version of it can be chosen.")
    requirements = {line: Requirement(line) for line in framework.dependencies}
    return tuple(
        replacement(requirement) if canonicalize_name(requirement.name) == framework.package else line
        for line, requirement in requirements.items()
    )


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
    copy_folder(framework.folder, variant.folder, LOCK)
    if why_stale(variant) is not None:
        if not variant.lock.exists():
            variant.lock.write_text(without_package(read_lock(framework), package))
        lock(variant)
    return variant
