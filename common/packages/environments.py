"""A virtual environment for each stack, holding its framework and its one server at the locked versions."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from common.catalog.stacks import Stack
from common.errors import FailedError, UsageError
from common.packages.locks import stack_requirements
from common.packages.uv import run_uv
from common.project import ROOT

ENVIRONMENTS = ROOT / ".cache" / "environments"
DIGEST_LENGTH = 12
VERSION_TIMEOUT_S = 30


def environment(stack: Stack, python: Path | None = None, *, root: Path = ENVIRONMENTS) -> Path:
    """The folder of the stack's environment, made first if it is not there; ``python`` is this one by default.

    It is named by what is in it, so a changed lock or another Python gives another folder. Its last file is a mark that
    it is whole: what a killed run left is made anew, and of two runs at once the second waits for the first. Raises
    ``UsageError`` where the lock is stale, ``FailedError`` where uv fails.
    """
    python = python or Path(sys.executable)
    requirements = stack_requirements(stack)
    digest = hashlib.sha256(f"{_version(python)}\n{requirements}".encode()).hexdigest()[:DIGEST_LENGTH]
    folder = root / f"{stack.name}-{digest}"
    mark = folder / "complete"
    if not mark.exists():
        with _locked(folder) as held:
            if not mark.exists():
                uv = partial(run_uv, what=f"The environment of {stack.name}", holding=(held,))
                _make(folder, python, requirements, uv)
                mark.touch()
    return folder


def _make(folder: Path, python: Path, requirements: str, uv: Callable[..., None]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv("venv", "--quiet", "--no-project", f"--python={python}", str(folder))
    install = ("pip", "install", "--quiet", "--require-hashes", "--no-deps", "--compile-bytecode")
    target = f"--python={folder / 'bin' / 'python'}"
    if requirements:  # a framework of the standard library alone has none
        uv(*install, target, "--requirements=-", given=requirements)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The descriptor of the locked file beside ``folder``; the kernel unlocks it when the last that has it ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _version(python: Path) -> str:
    """What ``python`` is: implementation, version and platform, which decide the wheels that it takes."""
    code = "import sys, sysconfig; print(sys.implementation.cache_tag, sys.version, sysconfig.get_platform())"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True, timeout=VERSION_TIMEOUT_S
        )
    except OSError as error:
        raise UsageError(f"{python} is not a Python that runs: {error.strerror}.") from error
    except subprocess.SubprocessError as error:
        raise FailedError(f"{python} did not say its version: {error}") from error
    return done.stdout.strip()
