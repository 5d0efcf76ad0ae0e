"""A block's resources are removed whatever instruction a signal hits."""

import os
import signal
import subprocess
import sys

import pytest

from common.aws.calls import CannotContinueError
from common.aws.interrupts import removed_afterwards
from common.errors import FailedError
from common.project import ROOT


@pytest.mark.parametrize("signals", ["one", "more"])
def test_signals_at_any_instruction_leave_nothing(signals: str) -> None:
    line = [sys.executable, "-m", "tests.support.signal_sweep", signals]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stdout == "completed\n", ended.stderr


def test_an_inner_block_that_is_never_left_is_removed_by_the_enclosing_one() -> None:
    """First, as a definition outlives its tasks."""
    removed: list[str] = []
    with removed_afterwards(lambda: removed.append("definition")):
        inner = removed_afterwards(lambda: removed.append("task"))
        inner.__enter__()
    assert removed == ["task", "definition"]
    del inner
    assert removed == ["task", "definition"]


def test_a_signal_during_a_removal_is_raised_afterwards() -> None:
    removed = []

    def remove() -> None:
        signal.raise_signal(signal.SIGINT)
        removed.append("task")

    with pytest.raises(KeyboardInterrupt), removed_afterwards(remove):
        pass
    assert removed == ["task"]


def test_a_signal_during_a_removal_takes_the_place_of_an_error_that_a_run_survives() -> None:
    def fail() -> None:
        raise FailedError

    with pytest.raises(KeyboardInterrupt), removed_afterwards(lambda: signal.raise_signal(signal.SIGINT)):
        fail()


def test_a_signal_during_a_removal_does_not_hide_what_is_left_behind() -> None:
    def remove() -> None:
        signal.raise_signal(signal.SIGINT)
        raise CannotContinueError("the task is left behind")

    with (
        pytest.raises(CannotContinueError, match="the task is left behind"),
        removed_afterwards(lambda: None),
        removed_afterwards(remove),
    ):
        pass


def test_the_error_that_ended_the_block_is_named_with_what_is_left_behind() -> None:
    def remove() -> None:
        raise CannotContinueError("the task is left behind")

    def fail() -> None:
        raise FailedError("the server died")

    with (
        pytest.raises(CannotContinueError, match="the server died; the task is left behind"),
        removed_afterwards(remove),
    ):
        fail()


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    """As ``SIGHUP`` under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with removed_afterwards(lambda: None):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


PROGRAM = """
import ctypes, os, signal, sys
from common.aws.interrupts import removed_afterwards

skipped = removed_afterwards(lambda: print("removed", flush=True))
skipped.__enter__()  # and never left, as when a signal hits the code that leaves it
ctypes.pythonapi.Py_IncRef(ctypes.py_object(skipped))  # nor collected as garbage, which would leave it
print("up", flush=True)
if sys.argv[1] == "fork" and os.fork() == 0:
    sys.exit()
signal.pause() if sys.argv[1] == "signal" else os.wait()
"""


def test_a_block_that_is_never_left_is_removed_when_python_exits() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "signal"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"up\n"
        program.send_signal(signal.SIGTERM)
        assert program.stdout.read() == b"removed\n"


def test_a_forked_child_removes_nothing_of_its_parents() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "fork"], cwd=ROOT, env=os.environ, capture_output=True, check=True
    )
    assert ended.stdout == b"up\nremoved\n"
