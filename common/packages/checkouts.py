"""Checkouts of a package's source: which project they hold, the digest of their files, and wheels built from them."""

import hashlib
import sys
import tomllib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from packaging.utils import canonicalize_name

from common.errors import FailedError, UsageError
from common.host.folders import make_folder, move_folder, temporary_folder
from common.packages.indexes import run_uv
from common.packages.interpreters import version_of
from common.project import ROOT

CHECKOUTS = ROOT / ".cache" / "checkouts"
DIGEST_LENGTH = 12
_BUILT = frozenset({"build", "dist", "venv"})
"""Folders at the top of a checkout that usually hold what was built or installed; further down they may be packages."""
_INSTALLED = frozenset({"__pycache__", "node_modules"})
"""Folders that tools fill, wherever they are."""


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


def wheel_of(source: Path, python: Path | None = None, *, root: Path = CHECKOUTS) -> Path:
    """Return the wheel of a checkout for a Python, by default this one, built as the checkout's own wheels are.

    It is built from a source distribution, since some backends leave files in the folder that they build.
    """
    python = python or Path(sys.executable)
    return built_once(source, f"py{version_of(python)}", partial(_build, source, python), root=root)


def built_once(source: Path, target: str, build: Callable[[Path], None], *, root: Path = CHECKOUTS) -> Path:
    """Return the wheel of a checkout that ``build`` puts into a folder; it is built again if a file has changed.

    ``target`` names what it is built for. ``FailedError`` if the checkout gives no wheel, or several.
    """
    folder = root / f"{source_digest(source)}-{target}"
    if not folder.exists():
        with temporary_folder("wheel", root=make_folder(root)) as place:
            made = make_folder(place / folder.name)
            build(made)
            _only_wheel(source, made)
            move_folder(made, folder)
    return _only_wheel(source, folder)


def _build(source: Path, python: Path, folder: Path) -> None:
    line = ("build", "--quiet", f"--python={python}", f"--out-dir={folder}", str(source))
    run_uv(*line, what=f"A wheel of {source}")


def _only_wheel(source: Path, folder: Path) -> Path:
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FailedError(
            f"building {source} produced {len(wheels)} wheels; a checkout must contain exactly one package."
        )
    return wheels[0]


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
