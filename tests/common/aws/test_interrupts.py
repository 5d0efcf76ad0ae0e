"""A block's resources are removed whatever instruction a signal hits."""

import gc
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from common.aws import interrupts
from common.aws.calls import CannotContinueError
from common.aws.interrupts import finish_all, removed_afterwards
from common.errors import FailedError
from common.project import ROOT

TRACED = {interrupts.__file__, contextmanager.__code__.co_filename, __file__}
"""The code between a block and its removal, that of ``with`` itself included."""


class Cloud:
    """What two nested blocks make: a definition and a task. An ``impatient`` user signals during removals, too."""

    def __init__(self, *, impatient: bool = False) -> None:
        self.resources: list[str] = []
        self.interrupted_removals = 0
        self._impatient = impatient

    @contextmanager
    def resource(self, name: str) -> Iterator[None]:
        """Make a resource, as ``running_task`` and ``task_definition`` do."""
        with removed_afterwards(lambda: self._remove(name)):
            self.resources.append(name)
            yield

    def _remove(self, name: str) -> None:
        try:
            if self._impatient:
                signal.raise_signal(signal.SIGINT)
            if name in self.resources:
                self.resources.remove(name)
        except KeyboardInterrupt:
            self.interrupted_removals += 1
            raise


@contextmanager
def signalled_at(instruction: int, reached: list[int]) -> Iterator[None]:
    """Send ``SIGINT`` at one instruction of the traced code, and note in ``reached`` that there is one."""
    numbers = itertools.count()

    def trace(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 -- as ``sys.settrace`` has it
        code = frame.f_code
        if code.co_filename not in TRACED or code.co_name in {"signalled_at", "play", "__init__"}:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            number = next(numbers)
            if number == instruction:
                reached.append(number)
                signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def play(cloud: Cloud, body: Callable[[], None], instruction: int) -> bool:
    """Run ``body`` with both resources and a signal at an instruction; return whether that was reached."""
    reached: list[int] = []
    with suppress(KeyboardInterrupt), signalled_at(instruction, reached):
        nest(cloud, body)
    return bool(reached)


def nest(cloud: Cloud, body: Callable[[], None]) -> None:
    """Run ``body`` with both resources."""
    with cloud.resource("definition"), cloud.resource("task"):
        body()


@pytest.fixture
def _small_heap() -> Iterator[None]:
    """Keep the garbage collector from looking through all that other tests have imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_small_heap")
def test_one_signal_at_any_instruction_leaves_nothing() -> None:
    for instruction in itertools.count():
        cloud = Cloud()
        reached = play(cloud, lambda: None, instruction)
        gc.collect()
        finish_all()
        assert cloud.resources == [], f"instruction {instruction}"
        assert cloud.interrupted_removals == 0
        with pytest.raises(KeyboardInterrupt):  # as before there were blocks
            signal.raise_signal(signal.SIGINT)
        if not reached:
            break
    assert instruction > 200


def test_any_signal_after_the_first_at_any_instruction_leaves_nothing() -> None:
    """The first one comes in the block, as when a user goes on pressing Ctrl-C; nothing is left to Python's exit."""
    for instruction in itertools.count():
        cloud = Cloud(impatient=True)
        reached = play(cloud, lambda: signal.raise_signal(signal.SIGINT), instruction)
        assert cloud.resources == [], f"instruction {instruction}"
        assert cloud.interrupted_removals == 0
        if not reached:
            break
    assert instruction > 200


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
