"""One command line for make and for people: its options, its words, how it ends."""

import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import pytest
from cyclopts import App, Parameter, validators
from requests import ConnectionError as LostConnectionError

from common.cli.app import GIVEN, in_callers_words, new_app, option_names, parse_jobs, run, terminate_like_ctrl_c
from common.errors import FailedError, GeneratorBoundError, UsageError
from common.project import PROJECT
from tests.support.given import by_make

BY_MAKE = by_make({})
BY_HAND: dict[str, str] = {}
NAMES = frozenset({"framework", "max-dollars", "a", "p99"})


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[..., None]]]:
    """Take back what commands set for the process they run in; give the audit hooks that they would have added."""
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks: list[Callable[..., None]] = []
    monkeypatch.setattr(sys, "addaudithook", hooks.append)  # for none is ever taken away
    levels = {name: logging.getLogger(name).level for name in ("common", "loadtests", "urllib3.connectionpool")}
    yield hooks
    for number, handler in signals.items():
        signal.signal(number, handler)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def _toy() -> tuple[App, list[tuple[str, int]]]:
    """Return a command line of a few commands, and what they were called with."""
    toy, calls = new_app("Toys."), list[tuple[str, int]]()

    @toy.command
    def play(*, toy_name: str, port: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 80) -> None:
        calls.append((toy_name, port))
        logging.getLogger("common.toys").debug("played with %s", toy_name)

    @toy.command(name="break")
    def break_(*, how: str = "used") -> None:
        errors = {
            "used": UsageError("TOY_NAME=kite is broken. Run: make play TOY_NAME=ball"),
            "failed": FailedError("it broke"),
            "bound": GeneratorBoundError("it was the limit"),
            "engine": LostConnectionError("it went away"),
            "interrupted": KeyboardInterrupt(),
        }
        raise errors[how]

    return toy, calls


def _run(line: str | Sequence[str], environment: dict[str, str] = BY_HAND) -> tuple[int, list[tuple[str, int]]]:
    toy, calls = _toy()
    logging.getLogger().handlers.clear()  # as in a process of its own
    return run(toy, line.split() if isinstance(line, str) else line, environment), calls


def test_an_option_reaches_its_command() -> None:
    assert _run("play --toy-name=ball --port=90") == (0, [("ball", 90)])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (BY_HAND, "error: --toy-name is not set; api-benchmark play needs it."),
        ({GIVEN: ""}, "error: TOY_NAME= is not set; make play needs it."),
    ],
)
def test_a_required_option_that_is_missing_is_named(
    environment: dict[str, str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("play", environment) == (2, [])
    assert capsys.readouterr().err.strip() == expected


def test_variables_of_make_are_options() -> None:
    given = by_make({"TOY_NAME": "ball", "PORT": "90"})
    assert _run("play", given) == (0, [("ball", 90)])


def test_variables_that_make_was_not_given_are_not_options() -> None:
    """The environment may hold anything."""
    assert _run("play --toy-name=ball", {GIVEN: "", "PORT": "90"}) == (0, [("ball", 80)])
    assert _run("play --toy-name=ball", {"PORT": "90"}) == (0, [("ball", 80)])


def test_every_command_first_removes_what_killed_ones_have_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{PROJECT}-1.1-window-x").mkdir()  # no process 1 has begun at tick 1
    _run("play --toy-name=ball")
    assert list(tmp_path.iterdir()) == []


def test_a_variable_with_an_odd_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("play", by_make({"TOY_NAME": "ball", "FOO-BAR": "1"})) == (2, [])
    assert "error: FOO-BAR= is no variable of make's commands" in capsys.readouterr().err


def test_a_variable_in_the_environment_is_ignored_but_not_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    given = by_make({"TOY_NAME": "ball"}) | {"PORT": "90 1", "COLOUR": "red"}
    assert _run("play", given) == (0, [("ball", 80)])
    said = "PORT= in the environment is ignored. To set it: make play PORT=...\n"
    assert capsys.readouterr().err == said
    assert _run("play --toy-name=ball", {"PORT": "90"}) == (0, [("ball", 80)])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["1.0", "0x50", "8_0", "+80", " 80", "\uff18\uff10", "1e2", "", "9" * 30])
def test_a_number_is_written_in_ascii_digits(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["play", "--toy-name=ball", f"--port={text}"]) == (2, [])
    assert "must be a whole number in digits" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", ["a'b", '"c"', "$HOME", "a b", "--port=90", "", "x=y", "-j9", "*", "a\\ b\\", "$$(x)\n\ty"]
)
def test_a_value_reaches_its_command_as_it_was_given(value: str) -> None:
    given = by_make({"TOY_NAME": value})
    assert _run("play", given) == (0, [(value, 80)])


@pytest.mark.parametrize(
    ("line", "by_make", "by_hand"),
    [
        ("play --toy-name=ball --port=0", "PORT=", "--port"),
        ("play", "TOY_NAME=", "--toy-name"),
        ("play --toy-name=ball --port=http", "PORT=", "--port"),
        ("break", "TOY_NAME=kite is broken. Run: make play TOY_NAME=ball",
         "--toy-name=kite is broken. Run: api-benchmark play --toy-name=ball"),
        ("play --toy-name=ball --verbose=maybe", "VERBOSE=maybe", "--verbose=maybe"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_in_the_words_of_the_caller(
    line: str, by_make: str, by_hand: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for environment, expected in ((BY_MAKE, by_make), (BY_HAND, by_hand)):
        assert _run(line, environment) == (2, [])
        printed = capsys.readouterr()
        assert re.fullmatch(r"error: [^\n]+\n", printed.err)
        assert expected in printed.err
        assert printed.out == ""


def test_an_unknown_variable_of_make_is_called_as_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("play --toy-name=ball", by_make({"TOY_COLOUR": "red"})) == (2, [])
    assert "TOY_COLOUR=" in capsys.readouterr().err


def test_an_unknown_command_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("pley") == (2, [])
    assert "play" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("how", "status"), [("used", 2), ("failed", 1), ("engine", 1), ("bound", 3), ("interrupted", 130)]
)
def test_each_kind_of_end_has_an_exit_status(how: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(f"break --how={how}")[0] == status
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_of_our_own_program_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        _run("break --how=unheard-of")


@pytest.mark.parametrize(
    ("text", "by_make", "expected"),
    [
        ("--framework=x is unknown", True, "FRAMEWORK=x is unknown"),
        ('"--max-dollars" requires an argument', True, '"MAX_DOLLARS=" requires an argument'),
        ("docker pull --quiet x", True, "docker pull --quiet x"),
        ("api-benchmark show --a=x", True, "make show A=x"),
        ("MAX_DOLLARS= is not set", False, "--max-dollars= is not set"),
        ("A=x P99=5", False, "--a=x --p99=5"),
        ("PATH=/bin is no option", False, "PATH=/bin is no option"),
        ("Run: make show; sudo make bases", False, "Run: api-benchmark show; sudo api-benchmark bases"),
        ("the makefile; Make it", False, "the makefile; Make it"),
    ],
)
def test_options_are_called_as_their_caller_does(text: str, *, by_make: bool, expected: str) -> None:
    assert in_callers_words(text, NAMES.__contains__, by_make=by_make) == expected


def test_the_options_of_all_commands_are_known() -> None:
    assert option_names(_toy()[0]) >= {"toy-name", "port", "how"}


@pytest.mark.parametrize("value", ["", "=1", "=yes", "=TRUE"])
def test_verbose_logs_what_is_done(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(f"play --toy-name=ball --verbose{value}") == (0, [("ball", 80)])
    printed = capsys.readouterr()
    assert "played with ball" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("line", ["play --toy-name=ball", "play --toy-name=ball --verbose=0"])
def test_without_verbose_nothing_is_logged(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(line)[0] == 0
    assert capsys.readouterr().err == ""


def test_verbose_is_a_variable_of_make_too(capsys: pytest.CaptureFixture[str]) -> None:
    given = by_make({"TOY_NAME": "ball", "VERBOSE": "1"})
    assert _run("play", given) == (0, [("ball", 80)])
    assert "played with ball" in capsys.readouterr().err


def test_verbose_logs_the_programs_that_are_run(
    hooks: list[Callable[..., None]], capsys: pytest.CaptureFixture[str]
) -> None:
    _run("play --toy-name=ball --verbose")
    (hook,) = hooks
    hook("subprocess.Popen", ("ls", ["ls", "-l", "a b"], None, None))
    hook("open", ("file", "r", 0))
    assert "run ls -l 'a b'" in capsys.readouterr().err


def test_verbose_shows_where_an_error_comes_from_before_the_line_that_is_always_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("break --verbose")[0] == 2
    message = capsys.readouterr().err
    assert "break_" in message
    assert message.splitlines()[-1].startswith("error: --toy-name=kite is broken")


def test_signals_end_a_command_as_ctrl_c_does() -> None:
    terminate_like_ctrl_c()
    for number in (signal.SIGTERM, signal.SIGHUP):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    terminate_like_ctrl_c()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.raise_signal(signal.SIGHUP)


CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("makeflags", "expected"),
    [
        ("", 1),
        ("r --no-print-directory", 1),
        ("r -j4 --jobserver-auth=3,4 --no-print-directory", 4),
        ("kr -j12 --jobserver-auth=3,4", 12),
        ("-j", CORES),
        ("r -j --no-print-directory", CORES),
        (" -j3", 3),
        ("r -I/a\\ -j9 -j2", 2),
        ("r --eval=x:=it's -j2", 2),
        ("r --no-print-directory -- X=-j9", 1),
        ("r -j2 -- X=-j9", 2),
        ("r -j2 -- X=a\\ --\\ -j9\\ 'q", 2),
        ("r -- X=a\t-j9", 1),
        ("r -l3.5 -Otarget", 1),
    ],
)
def test_jobs_are_as_many_as_make_was_asked_for(makeflags: str, expected: int) -> None:
    assert parse_jobs(makeflags) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], 1), (["-j3"], 3), (["-j", "3", "X=-j9"], 3), (["-k", "X=a -- -j9 'q\""], 1), (["--jobs=2"], 2)],
)
def test_jobs_are_understood_as_make_hands_them_on(tmp_path: Path, words: list[str], expected: int) -> None:
    (tmp_path / "Makefile").write_text("MAKEFLAGS += --no-builtin-rules\nall: ; @printenv MAKEFLAGS\n")
    environ = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    line = ["make", "--no-print-directory", *words]
    printed = subprocess.run(line, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout
    assert parse_jobs(printed.rstrip("\n")) == expected
