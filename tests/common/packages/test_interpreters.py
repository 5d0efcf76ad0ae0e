"""Tests that interpreters are found by their versions, wherever they are installed."""

import re
import sys
from pathlib import Path

import pytest

from common.errors import UsageError
from common.packages.interpreters import find_interpreter


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_interpreter.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))


@pytest.mark.parametrize(
    "place", ["bin/python3.7", "bin/python3", "pyenv/versions/3.7.16/bin/python", "uv/cpython-3.7.16-linux/bin/python"]
)
def test_interpreter_is_found(tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\necho 3.7.16\n")
    file.chmod(0o755)
    assert find_interpreter("3.7") == file
    assert find_interpreter("3.7.16") == file
    with pytest.raises(UsageError, match=r"Python 3\.7\.1 is not installed"):
        find_interpreter("3.7.1")


@pytest.mark.parametrize(
    ("place", "printed", "asked", "refused"),
    [
        ("bin/python3.14t", "3.14.0t", "3.14t", "3.14"),
        ("bin/python3.14", "3.14.0", "3.14", "3.14t"),
        ("pyenv/versions/3.14.0t/bin/python", "3.14.0t", "3.14.0t", "3.14.0"),
        ("uv/cpython-3.14.0+freethreaded-linux/bin/python", "3.14.0t", "3.14t", "3.14"),
        ("bin/pypy3.11", "pypy3.11.13", "pypy3.11", "3.11"),
        ("pyenv/versions/pypy3.11-7.3.20/bin/python", "pypy3.11.13", "pypy3.11", "3.11"),
        ("uv/pypy-3.11.13-linux/bin/python", "pypy3.11.13", "pypy3.11.13", "pypy3.11.1"),
    ],
)
def test_free_threaded_builds_and_pypy_are_others_than_the_usual_one(
    tmp_path: Path, place: str, printed: str, asked: str, refused: str
) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(f"#!/bin/sh\necho {printed}\n")
    file.chmod(0o755)
    assert find_interpreter(asked) == file
    with pytest.raises(UsageError, match=f"Python {re.escape(refused)} is not installed here"):
        find_interpreter(refused)


def test_shim_that_runs_nothing_is_passed_over(tmp_path: Path) -> None:
    for place, code in (("bin/python3.7", "exit 127"), ("pyenv/versions/3.7.16/bin/python", "echo 3.7.16")):
        file = tmp_path / place
        file.parent.mkdir(parents=True)
        file.write_text(f"#!/bin/sh\n{code}\n")
        file.chmod(0o755)
    assert find_interpreter("3.7").name == "python"


def test_missing_one_names_the_places_that_were_searched() -> None:
    with pytest.raises(UsageError, match=r"neither on PATH .*/pyenv/versions\) and uv \(.*/uv\)\. Install it"):
        find_interpreter("3.2")


def test_this_interpreter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    find_interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")
