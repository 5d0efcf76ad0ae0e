"""The value of a variable reaches the command as it was typed, and no shell."""

import os
import random
import shutil
import string
import subprocess
import time
from pathlib import Path

import pytest

from common.cli.app import GIVEN, _without_verbose, new_app, parse_given, parse_jobs
from common.project import ROOT

FEW, MANY = 30, 1000
INJECTIONS = (
    "$(touch {0})", "`touch {0}`", ";touch {0}", "||touch {0}", "&&touch {0}", "|tee {0}", ">{0}", "\ntouch {0}\n",
    "'; touch {0} #", '"; touch {0} #', "$(shell touch {0})", "${{shell touch {0}}}", "$(eval x:;touch {0})",
    "$(error {0})", "$(file >{0})", "-j9", " -- -j9", "1||touch {0}", "$(call x)", "$(A)", "$A", "$$(touch {0})",
    "$$HOME", "\\", "\\\\", "#", "%", "*", "~", "=", ":=", "@",
)  # fmt: skip
NAMES = (
    "FRAMEWORK", "JOBS", "BASE", "OUT", "A", "RATE", "VENV", "SHELL", "PYTHON_M", "ALL", "X", "v", "_", "1", "a-b",
    "MAKE_GIVEN", "GIVEN", "OF_ORIGIN", "ON", "MAKEOVERRIDES", "MAKELEVEL", "VPATH", "GPATH", ".EXTRA_PREREQS",
    ".VARIABLES",
)  # fmt: skip
REPORTER = "#!/bin/sh\nexec /usr/bin/env -0\n"
"""Stands in for Python: prints the environment that a command would begin with."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout whose commands only print their environment."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(REPORTER)
    python.chmod(0o755)
    (tmp_path / ".venv" / "ready").touch()
    return tmp_path


def _make(place: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["make", *words], cwd=place, env=clean | variables, capture_output=True, check=False, timeout=60
    )


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_the_environment_is_set_up_again_once_what_it_is_made_of_has_changed(place: Path, changed: str) -> None:
    """The installed command names a module that only pyproject.toml knows."""
    assert b"setting up" not in _make(place, "-n", "list").stdout
    later_s = time.time() + 10
    os.utime(place / changed, (later_s, later_s))
    assert b"setting up" in _make(place, "-n", "list").stdout


def _environment(printed: bytes) -> dict[str, str]:
    """Return what was printed of the environment; with MAKELEVEL= make says around it which folder it is in."""
    pairs = (line.decode().split("=", 1) for line in printed.split(b"\0") if b"=" in line)
    return {name.rpartition("\n")[2]: value for name, value in pairs}


def _given(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    return parse_given(_environment(done.stdout)[GIVEN])


def _value(dice: random.Random, mark: Path) -> str:
    parts = [dice.choice(INJECTIONS).format(mark), "".join(dice.choices(string.printable[:95], k=dice.randrange(8)))]
    dice.shuffle(parts)
    return "".join(parts).lstrip()  # make takes blanks at the beginning for its own


def _try(place: Path, count: int, seed: int) -> None:
    mark = place / "mark"
    before = sorted(place.rglob("*"))
    for number in range(count):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 -- no cryptography
        name, value = dice.choice(NAMES), _value(dice, mark)
        done = _make(place, *dice.choice([(), ("-j2",)]), "list", f"{name}={value}")
        assert sorted(place.rglob("*")) == before, f"example {number}: {name}={value!r}"
        assert done.returncode == 0, f"example {number}: {name}={value!r}: {done.stderr!r}"
        assert _given(done) == {name: value}, f"example {number}"


def test_thirty_values_with_shell_metacharacters_reach_no_shell(place: Path) -> None:
    _try(place, FEW, seed=1)


@pytest.mark.slow
@pytest.mark.parallel
def test_a_thousand_values_with_shell_metacharacters_reach_no_shell(place: Path) -> None:
    _try(place, MANY, seed=2)


@pytest.mark.parametrize("name", ["VENV", "PYTHON_M", "PIP", "COMPILE", "COMMANDS", "READY"])
def test_what_recipes_are_made_of_cannot_be_given(place: Path, name: str) -> None:
    done = _make(place, "list", f"{name}=x; touch mark; echo")
    assert not (place / "mark").exists()
    assert name in _given(done)


@pytest.mark.parametrize(
    "words",
    [
        ("v=$(shell touch mark)",),
        ("$$(shell>mark)=1",),
        ("$$(eval$$(shell>mark))=$(shell touch mark)",),
        ("A:=$$(shell touch mark)",),
        ("A+=$(shell touch mark)",),
        ("A=$(shell touch mark)", "v=$(A)", "_=$(v)"),
        ("MAKEFLAGS=$(shell touch mark)",),
        ("MAKEFLAGS=A=$(shell touch mark)",),
        ("-*-command-variables-*-=$(shell touch mark)",),
        ("PATH=$(shell touch mark)",),
    ],
)
def test_nothing_on_the_command_line_is_evaluated(place: Path, words: tuple[str, ...]) -> None:
    _make(place, "list", *words)
    for target in ("test", "clean"):
        _recipe(place, target, *words)
    assert not (place / "mark").exists()


def test_a_switch_is_not_evaluated(place: Path) -> None:
    for target, name, _ in SWITCHES:
        assert _recipe(place, target, f"{name}=$(shell touch mark)").returncode == 2
    assert not (place / "mark").exists()


def test_nothing_in_the_environment_is_evaluated(place: Path) -> None:
    for words in ((), ("-e",)):
        done = _make(place, *words, "list", MAKE_GIVEN="$(shell touch mark)", v="$(shell touch mark)")
        assert _given(done) == {}
        assert _environment(done.stdout)["v"] == "$(shell touch mark)"
    assert not (place / "mark").exists()


def test_several_variables_and_jobs_reach_the_command(place: Path) -> None:
    done = _make(place, "-j3", "build", "A=a  b\\", "B:=c", "C=", "A=d")
    assert _given(done) == {"A": "d", "B": "c", "C": ""}
    assert parse_jobs(_environment(done.stdout)["MAKEFLAGS"]) == 3


SWITCHES = [("test", "ALL", b"slow and parallel"), ("clean", "CACHE", b".cache/environments")]


@pytest.mark.parametrize(("target", "name", "mark"), SWITCHES)
@pytest.mark.parametrize(
    ("values", "on"),
    [("1 yes Yes YES y Y true True TRUE t T", True), ("0 no No NO n N false False FALSE f F", False)],
)
def test_a_switch_means_what_it_does_in_commands(
    place: Path, target: str, name: str, mark: bytes, values: str, *, on: bool
) -> None:
    app = new_app("toy")
    app.command(_read, name="read")
    for value in values.split():
        done = _recipe(place, target, f"{name}={value}")
        assert done.returncode == 0
        assert (mark in done.stdout) is on
        assert _without_verbose([f"--verbose={value}"]) == ([], on)
        assert app(["read", f"--switch={value}"]) is on


@pytest.mark.parametrize(("target", "name", "mark"), SWITCHES)
def test_a_switch_is_off_unless_it_is_given_to_make(place: Path, target: str, name: str, mark: bytes) -> None:
    for environment in ({}, {name: "1"}):
        done = _recipe(place, target, **environment)
        assert done.returncode == 0
        assert mark not in done.stdout


@pytest.mark.parametrize(("target", "name", "mark"), SWITCHES)
@pytest.mark.parametrize("value", ["", "maybe"])
def test_a_switch_that_is_neither_on_nor_off_is_refused(
    place: Path, target: str, name: str, mark: bytes, value: str
) -> None:
    done = _recipe(place, target, f"{name}={value}")
    assert done.returncode == 2
    assert f"invalid {name}={value}: must be 1 or 0".encode() in done.stderr
    assert mark not in done.stdout


@pytest.mark.parametrize("target", ["test", "lint", "format", "lock-harness", "clean"])
def test_a_variable_that_would_be_ignored_is_refused(place: Path, target: str) -> None:
    done = _recipe(place, target, "REQUIRE_DOCKER=1")
    assert done.returncode == 2
    assert f"REQUIRE_DOCKER= is no variable of make {target}".encode() in done.stderr
    assert _recipe(place, target, REQUIRE_DOCKER="1").returncode == 0


def _read(*, switch: bool) -> bool:
    """Return the value of a command's switch."""
    return switch


def _recipe(place: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Have make print the commands of a target without running them."""
    (place / "requirements-dev.lock").touch()
    (place / ".venv" / "ready-dev").touch()
    return _make(place, "--dry-run", *words, **variables)
