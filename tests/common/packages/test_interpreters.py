"""Pythons of this machine: which is found for a name, and what each says of itself."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from common.errors import UsageError
from common.packages.interpreters import find_interpreter, installed_interpreters, installed_pythons


@pytest.fixture
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_interpreter.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "conda" / "bin" / "conda"))


def _install(file: Path, name: str, **variables: str | None) -> Path:
    """Write a program that describes itself as a Python of this name."""
    described = {"name": name, "path": str(file), "variables": variables, "jit": name.startswith(("pypy", "3.15"))}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {shlex.quote(json.dumps(described))}\n")
    file.chmod(0o755)
    return file


@pytest.mark.usefixtures("_nothing_installed")
@pytest.mark.parametrize(
    "place",
    [
        "bin/python3.12",
        "bin/python3",
        "pyenv/versions/3.12.1/bin/python",
        "uv/cpython-3.12.1-linux/bin/python",
        "conda/envs/a/bin/python",
    ],
)
def test_interpreter_is_found(tmp_path: Path, place: str) -> None:
    file = _install(tmp_path / place, "3.12.1")
    assert find_interpreter("3.12") == file
    assert find_interpreter("3.12.1") == file
    with pytest.raises(UsageError, match=r"Python 3\.12\.10 is not installed"):
        find_interpreter("3.12.10")


@pytest.mark.usefixtures("_nothing_installed")
@pytest.mark.parametrize(
    ("place", "printed", "asked", "refused"),
    [
        ("bin/python3.14t", "3.14.0t", "3.14t", "3.14"),
        ("bin/python3.14", "3.14.0", "3.14", "3.14t"),
        ("pyenv/versions/3.14.0t/bin/python", "3.14.0t", "3.14.0t", "3.14.0"),
        ("uv/cpython-3.14.0+freethreaded-linux/bin/python", "3.14.0t", "3.14t", "3.14"),
        ("bin/python3.15", "3.15.0", "3.15+jit", "3.14+jit"),
        ("bin/pypy3.11", "pypy3.11.13", "pypy3.11", "3.11"),
        ("pyenv/versions/pypy3.11-7.3.20/bin/python", "pypy3.11.13", "pypy3.11", "3.11"),
        ("uv/pypy-3.11.13-linux/bin/python", "pypy3.11.13", "pypy3.11.13", "pypy3.11.1"),
    ],
)
def test_free_threaded_builds_and_pypy_are_others_than_the_usual_one(
    tmp_path: Path, place: str, printed: str, asked: str, refused: str
) -> None:
    file = _install(tmp_path / place, printed)
    assert find_interpreter(asked) == file
    with pytest.raises(UsageError, match=f"Python {re.escape(refused)} is not installed here"):
        find_interpreter(refused)


@pytest.mark.usefixtures("_nothing_installed")
def test_shim_that_runs_nothing_is_passed_over(tmp_path: Path) -> None:
    _install(tmp_path / "bin" / "python3.12", "3.12.1").write_text("#!/bin/sh\nexit 127\n")
    _install(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python", "3.12.1")
    assert find_interpreter("3.12").name == "python"


@pytest.mark.usefixtures("_nothing_installed")
def test_missing_one_names_the_places_that_were_searched() -> None:
    with pytest.raises(UsageError, match=r"neither on PATH .*/pyenv/versions\), uv \(.*/uv\) and conda\. Install it"):
        find_interpreter("3.2")


@pytest.mark.usefixtures("_nothing_installed")
def test_this_interpreter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    find_interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")


@pytest.mark.usefixtures("_nothing_installed")
def test_every_installed_python_is_listed_once_with_its_build(tmp_path: Path) -> None:
    debian = _install(tmp_path / "bin" / "python3.15", "3.15.0", CONFIG_ARGS="", PGO_PROF_USE_FLAG=None)
    (tmp_path / "bin" / "python3").symlink_to(debian)
    optimised = {"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'", "PGO_PROF_USE_FLAG": "-fprofile-use"}
    _install(tmp_path / "pyenv" / "versions" / "3.14.8t" / "bin" / "python", "3.14.8t", **optimised)
    _install(tmp_path / "pyenv" / "versions" / "2.7.18" / "bin" / "python", "2.7.18")
    _install(tmp_path / "bin" / "pypy3", "pypy3.11.17")
    assert [(found.name, found.build) for found in installed_interpreters()] == [
        ("3.14.8t", "no GIL, PGO, LTO"),
        ("3.15.0", "JIT (off unless +jit is named), PGO and LTO unknown"),
        ("pypy3.11.17", "JIT"),
    ]


@pytest.mark.usefixtures("_nothing_installed")
def test_all_pythons_are_those_installed_and_the_jit_where_it_was_built_in(tmp_path: Path) -> None:
    for number, name in enumerate(("pypy3.11.17", "3.15.0", "3.12.4", "3.12.9", "3.10.1")):
        _install(tmp_path / "pyenv" / "versions" / str(number) / "bin" / "python", name)
    assert installed_pythons() == ["3.12", "3.15", "3.15+jit", "pypy3.11"]
    file = _install(tmp_path / "pyenv" / "versions" / "1" / "bin" / "python", "3.15.0")
    file.write_text(file.read_text().replace('"jit": true', '"jit": false'))
    assert installed_pythons() == ["3.12", "3.15", "pypy3.11"]
