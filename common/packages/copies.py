"""Copies of a framework's folder, which hold nothing from outside it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import UsageError

_NEVER = (".*", "__pycache__", "*.pyc")
"""Hidden files, which often hold secrets, and what Python leaves behind."""


def copy_folder(source: Path, target: Path, *left_out: str) -> None:
    """Copy a folder into another one, but for hidden files, Python environments and what ``left_out`` names.

    A file keeps its mode, a relative link within the folder stays a link. Raise ``UsageError`` for a link that leads
    out of the folder, since what it points to would end up in images, and for what is no file, folder or link.
    """
    patterns = shutil.ignore_patterns(*_NEVER, *left_out)

    def ignored(folder: str, names: list[str]) -> set[str]:
        environments = {name for name in names if (Path(folder) / name / "pyvenv.cfg").exists()}
        return patterns(folder, names) | environments

    for path in _entries(source, ignored):
        if (problem := _problem(source, path)) is not None:
            raise UsageError(f"{path} {problem}. Replace it by a copy of what the app needs, or remove it.")
        if (copy := target / path.relative_to(source)).is_symlink():
            copy.unlink()
    shutil.copytree(source, target, symlinks=True, ignore=ignored, dirs_exist_ok=True)


def _entries(source: Path, ignored: Callable[[str, list[str]], set[str]]) -> Iterator[Path]:
    """Yield the files and links to copy."""
    for folder, folders, files in os.walk(source):
        skipped = ignored(folder, [*folders, *files])
        folders[:] = [name for name in folders if name not in skipped]
        for name in (*folders, *files):
            path = Path(folder) / name
            if name not in skipped and (path.is_symlink() or not path.is_dir()):
                yield path


def _problem(source: Path, path: Path) -> str | None:
    """Return why a file or link is not copied; ``None`` if it can be."""
    if not path.is_symlink():
        return None if path.is_file() else "is no file, folder or link"
    to = os.readlink(path)  # noqa: PTH115 -- as it is written
    written = os.path.normpath(path.parent.relative_to(source) / to)
    inside = not os.path.isabs(to) and not written.startswith("..")  # noqa: PTH117 -- a text
    if inside and path.resolve().is_relative_to(source.resolve()):
        return None
    return f"links to {to}, and an image holds only what is in {source}: must be a relative link within it"
