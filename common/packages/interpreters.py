"""Finds this machine's Python interpreters by their version."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common.errors import UsageError

PYENV, UV = Path("~/.pyenv"), Path("~/.local/share/uv/python")
"""Where pyenv and uv install interpreters unless ``PYENV_ROOT`` and ``UV_PYTHON_INSTALL_DIR`` say otherwise."""
VERSION_TIMEOUT_S = 30


@cache
def find_interpreter(version: str) -> Path:
    """Return a Python of this version, such as 3.12 or 3.12.1; ``UsageError`` says where none was found."""
    for path in _installed(version):
        if _has_version(path, version):
            return path
    raise UsageError(
        f"Python {version} is not installed here: it is neither on PATH nor among those of pyenv ({_pyenv()}) and uv "
        f"({_uv()}). Install it, or use RUNTIME=docker with an image."
    )


def version_of(interpreter: Path) -> str:
    """Return an interpreter's version, such as 3.12.1; ``OSError`` or ``SubprocessError`` if it does not run."""
    line = [str(interpreter), "-c", "import platform; print(platform.python_version())"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=VERSION_TIMEOUT_S)
    return done.stdout.strip()


def _installed(version: str) -> Iterator[Path]:
    for name in (f"python{'.'.join(version.split('.')[:2])}", "python3", "python"):
        if path := shutil.which(name):
            yield Path(path)
    yield from sorted(_pyenv().glob(f"{version}*/bin/python"), reverse=True)
    yield from sorted(_uv().glob(f"cpython-{version}*/bin/python"), reverse=True)


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or PYENV).expanduser() / "versions"


def _uv() -> Path:
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or UV).expanduser()


def _has_version(path: Path, version: str) -> bool:
    try:
        return f"{version_of(path)}.".startswith(f"{version}.")
    except (OSError, subprocess.SubprocessError):
        return False
