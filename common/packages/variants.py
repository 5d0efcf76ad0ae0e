"""Frameworks other than those under ``frameworks/``: one at another version, one built from a checkout of its source.

Each gets a folder of its own under ``.cache``, with its app and a lock of its own, and is made once.
"""

import hashlib
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from common.catalog.frameworks import LOCK, Framework
from common.errors import FailedError, UsageError
from common.packages.locks import lock, why_stale, without
from common.packages.uv import run_uv
from common.project import ROOT

VARIANTS = ROOT / ".cache" / "variants"
CHECKOUTS = ROOT / ".cache" / "checkouts"
DIGEST_LENGTH = 12
_LEFT_OUT = frozenset({"__pycache__", "build", "dist", "node_modules", "venv"})
"""Folders that are no source, beside those whose names begin with a dot."""


def framework_at_version(framework: Framework, version: str, *, root: Path = VARIANTS) -> Framework:
    """``framework`` at another version of its package; ``FailedError`` with uv's words where there is none such."""
    try:
        pin = f"=={Version(version)}"
    except InvalidVersion as error:
        seen = f"{framework.name}@{version} is no version"
        raise UsageError(
            f"{seen}. Accepted: such as {framework.version}; an image follows a colon: {framework.name}:slim."
        ) from error
    dependencies = _with_distribution(framework, lambda asked: f"{_name(asked)}{pin}")
    return _variant(framework, version.lower().replace("+", "-"), dependencies, root)


def framework_from_checkout(
    framework: Framework, source: Path, *, root: Path = VARIANTS, built: Path = CHECKOUTS
) -> Framework:
    """``framework`` with its package built from the checkout in ``source``; built anew where a file has changed."""
    wheel = _wheel(source, built)
    name, *_ = parse_wheel_filename(wheel.name)
    if framework.distribution is None or canonicalize_name(framework.distribution) != name:
        raise UsageError(f"{source} is {name}, which is not the package of {framework.name}.")
    dependencies = _with_distribution(framework, lambda asked: f"{_name(asked)} @ {wheel.as_uri()}")
    return _variant(framework, f"checkout-{wheel.parent.name}", dependencies, root)


def framework_from_folder(folder: Path) -> Framework:
    """The framework in a folder that is made like those under ``frameworks/``, under a name that is no other's."""
    framework = Framework.load(folder.resolve())
    return replace(framework, name=f"{framework.name.lower()}-local")


def project_name(source: Path) -> str | None:
    """The canonical name of the project that a checkout holds; ``None`` where its ``pyproject.toml`` names none."""
    try:
        document = tomllib.loads((source / "pyproject.toml").read_text())
    except FileNotFoundError:
        return None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source / 'pyproject.toml'}: {error}") from error
    name = document.get("project", {}).get("name")
    return canonicalize_name(name) if isinstance(name, str) else None


def is_framework_folder(folder: Path) -> bool:
    """Whether a folder is made like those under ``frameworks/``."""
    file = folder / "pyproject.toml"
    return file.is_file() and "[tool.stack]" in file.read_text()


def source_digest(source: Path) -> str:
    """What the files of a checkout hold, in short."""
    seen = hashlib.sha256()
    for file in sorted(_sources(source)):
        seen.update(f"{file.relative_to(source)}\0{file.stat().st_size}\0".encode())
        seen.update(file.read_bytes())
    return seen.hexdigest()[:DIGEST_LENGTH]


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name in _LEFT_OUT or path.suffix == ".egg-info":
            continue
        if path.is_dir():
            yield from _sources(path)
        elif path.is_file():
            yield path


def _wheel(source: Path, root: Path) -> Path:
    folder = root / source_digest(source)
    if not (wheels := sorted(folder.glob("*.whl"))):
        run_uv("build", "--quiet", "--wheel", f"--out-dir={folder}", str(source), what=f"A wheel of {source}")
        wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FailedError(f"{source} gave {len(wheels)} wheels. Accepted: one package.")
    return wheels[0]


def _with_distribution(framework: Framework, pinned: Callable[[str], str]) -> tuple[str, ...]:
    """The framework's dependencies, with that on its own package replaced."""
    if framework.distribution is None:
        raise UsageError(f"{framework.name} has no version: it uses no framework.")
    own = canonicalize_name(framework.distribution)
    return tuple(
        pinned(asked) if canonicalize_name(Requirement(asked).name) == own else asked
        for asked in framework.dependencies
    )


def _name(asked: str) -> str:
    """A requirement without its version: name and extras."""
    requirement = Requirement(asked)
    return requirement.name + (f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else "")


def _variant(framework: Framework, suffix: str, dependencies: tuple[str, ...], root: Path) -> Framework:
    folder = root / f"{framework.name}-{suffix}"
    ignored = shutil.ignore_patterns("__pycache__", LOCK)
    shutil.copytree(framework.folder, folder, ignore=ignored, dirs_exist_ok=True)
    variant = replace(framework, name=folder.name, folder=folder, dependencies=dependencies)
    if why_stale(variant) is not None:
        if not variant.lock.exists():
            _seed(framework, variant)
        lock(variant)
    return variant


def _seed(framework: Framework, variant: Framework) -> None:
    """Begin the variant's lock with the framework's: what does not have to change stays as it is.

    Not so its own package, whose hashes uv would keep where the version is the same, though the file is another.
    """
    assert framework.distribution is not None
    variant.lock.write_text(without(framework.lock.read_text(), framework.distribution))
