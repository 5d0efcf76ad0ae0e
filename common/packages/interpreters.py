"""Finds this machine's Python interpreters by version: 3.13, 3.13.2, 3.14t for a free-threaded build, pypy3.11."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common.catalog.images import python_series
from common.errors import UsageError

PYENV, UV = Path("~/.pyenv"), Path("~/.local/share/uv/python")
"""The folders of pyenv and uv, unless ``PYENV_ROOT`` and ``UV_PYTHON_INSTALL_DIR`` say otherwise."""
VERSION_TIMEOUT_S = 30
_PRINT_VERSION = """
import platform, sysconfig
kind = "pypy" if platform.python_implementation() == "PyPy" else ""
print(kind + platform.python_version() + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""))
"""
_PARTS = re.compile(r"(pypy)?(\d+(?:\.\d+)*)(t?)")


@cache
def find_interpreter(version: str) -> Path:
    """Return a Python of this version; ``UsageError`` says where none was found."""
    for path in _installed(version):
        if _has_version(path, version):
            return path
    raise UsageError(
        f"Python {version} is not installed here: it is neither on PATH nor among those of pyenv ({_pyenv()}) and uv "
        f"({_uv()}). Install it, or use RUNTIME=docker with an image."
    )


def version_of(interpreter: Path) -> str:
    """Return an interpreter's version in full, such as 3.12.1, 3.14.0t or pypy3.11.13.

    ``OSError`` or ``SubprocessError`` if it does not run.
    """
    line = [str(interpreter), "-c", _PRINT_VERSION]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=VERSION_TIMEOUT_S)
    return done.stdout.strip()


def _installed(version: str) -> Iterator[Path]:
    kind, numbers, _ = _split(version)
    for name in (f"{'' if kind else 'python'}{python_series(version)}", "python3", "python"):
        if path := shutil.which(name):
            yield Path(path)
    yield from sorted(_pyenv().glob(f"{kind}{numbers}*/bin/python"), reverse=True)
    yield from sorted(_uv().glob(f"{kind or 'cpython'}-{numbers}*/bin/python"), reverse=True)


def _split(version: str) -> tuple[str, str, str]:
    """Return the implementation, the numbers and the mark of a free-threaded build; empty where there is none."""
    parts = _PARTS.fullmatch(version)
    return (parts[1] or "", parts[2], parts[3]) if parts else ("", version, "")


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or PYENV).expanduser() / "versions"


def _uv() -> Path:
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or UV).expanduser()


def _has_version(path: Path, version: str) -> bool:
    kind, numbers, threads = _split(version)
    try:
        found_kind, found, found_threads = _split(version_of(path))
    except (OSError, subprocess.SubprocessError):
        return False
    return (found_kind, found_threads) == (kind, threads) and f"{found}.".startswith(f"{numbers}.")
