"""A virtual environment for each stack: its framework and server at the locked versions, on a Python installed here."""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from common.catalog.stacks import Stack
from common.errors import FailedError, UsageError
from common.host.folders import make_folder
from common.packages.indexes import run_uv
from common.packages.interpreters import printed_by
from common.packages.locks import stack_requirements
from common.project import ROOT

ENVIRONMENTS = ROOT / ".cache" / "environments"
COMPLETE = "complete"
"""The name of the file that is written last, with the environment's size, and touched by every use."""
COMPILED = "compiled"
"""The name of the file with the packages that had no wheel for this Python and were compiled, one a line."""
_BUILT = re.compile(r"^\s*Built (\S+==\S+)$", re.MULTILINE)
"""What uv reports of a package that it makes from its source."""
DIGEST_LENGTH = 12
BLOCK_BYTES = 512
"""The unit of ``st_blocks`` (stat(2))."""
LIMIT_BYTES = 20 * 1024**3
"""The limit on the size of all environments; those of every stack on one Python take about 6 GB."""
SPARED_S = 24 * 3600.0
"""Environments that were used within this time are never removed: a run may be using them."""


def environment(stack: Stack, python: Path | None = None, *, root: Path = ENVIRONMENTS) -> Path:
    """Return the folder of the stack's environment, and create it if needed; ``python`` defaults to this interpreter.

    The folder's name contains a digest of the locked requirements and of the Python, so a change of either gives
    another folder. An environment that a killed run left incomplete is created anew, and of two concurrent runs the
    second waits for the first. When one is created, those that have not been used for longest make room. Raises
    ``UsageError`` if the lock is stale and ``FailedError`` if uv fails.
    """
    return installed(stack.name, stack_requirements(stack), python, root=root)


def installed(name: str, requirements: str, python: Path | None = None, *, root: Path = ENVIRONMENTS) -> Path:
    """Return the folder of the environment of this name with the packages of a lock; as ``environment``."""
    python = python or Path(sys.executable)
    digest = hashlib.sha256(f"{_version(python)}\n{requirements}".encode()).hexdigest()[:DIGEST_LENGTH]
    folder = root / f"{name}-{digest}"
    complete = folder / COMPLETE
    with _locked(folder) as lock_descriptor:
        if created := not complete.exists():
            uv = partial(run_uv, what=f"The environment of {name}", keep_open=(lock_descriptor,))
            _create(folder, python, requirements, uv)
            complete.write_text(str(_size_bytes(folder)))
        complete.touch()
    if created:
        with suppress(FileNotFoundError):  # another run is making room as well
            _make_room(root)
    return folder


def _make_room(root: Path) -> None:
    """Remove what killed runs left incomplete, and those not used for longest until all are within ``LIMIT_BYTES``."""
    total = 0
    for folder in sorted(filter(Path.is_dir, root.iterdir()), key=_used_at_s, reverse=True):
        complete = folder / COMPLETE
        fits = complete.exists() and (total := total + int(complete.read_text() or 0)) <= LIMIT_BYTES
        if not fits:
            _remove_unused(folder)


def _remove_unused(folder: Path) -> None:
    """Remove an environment, unless it is being created or was used within ``SPARED_S``."""
    with suppress(BlockingIOError), _locked(folder, wait=False):
        if _used_at_s(folder) < time.time() - SPARED_S:
            (folder / COMPLETE).unlink(missing_ok=True)  # first, in case that this run is killed, too
            shutil.rmtree(folder, ignore_errors=True)


def _used_at_s(folder: Path) -> float:
    """Return when an environment was last used, or when its creation began if it is incomplete."""
    complete = folder / COMPLETE
    return (complete if complete.exists() else folder).stat().st_mtime


def _size_bytes(folder: Path) -> int:
    """Return the bytes that the files of a folder take on disk; one under several names counts in part."""
    files = (file.lstat() for file in folder.rglob("*") if not file.is_dir())
    return sum(file.st_blocks * BLOCK_BYTES // file.st_nlink for file in files)


def compiled_packages(folder: Path) -> list[str]:
    """Return the packages of an environment that had no wheel for its Python, as ``name==version``."""
    file = folder / COMPILED
    return file.read_text().split() if file.exists() else []


def _create(folder: Path, python: Path, requirements: str, uv: Callable[..., str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv("venv", "--quiet", "--no-project", f"--python={python}", str(folder))
    install = ("pip", "install", "--require-hashes", "--no-deps", "--compile-bytecode")
    target = f"--python={folder / 'bin' / 'python'}"
    if requirements:  # a floor on a native server needs no packages
        report = uv(*install, target, "--requirements=-", stdin=requirements)
        (folder / COMPILED).write_text("\n".join(_BUILT.findall(report)))


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[int]:
    """Yield the descriptor of a lock file beside ``folder``; ``BlockingIOError`` if it is taken and not waited for.

    The kernel releases the lock when the last process that holds the descriptor exits. uv inherits it, so an installer
    that outlives its killed caller still keeps others out.
    """
    make_folder(folder.parent)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file.fileno()


def _version(python: Path) -> str:
    """Return implementation, version and platform of ``python``, which decide the wheels that it can install."""
    code = "import sys, sysconfig; print(sys.implementation.cache_tag, sys.version, sysconfig.get_platform())"
    try:
        return printed_by(python, code)
    except OSError as error:
        raise UsageError(f"cannot run the Python interpreter {python}: {error.strerror}.") from error
    except subprocess.SubprocessError as error:
        raise FailedError(f"{python} failed to print its version: {error}") from error
