"""Signals at every instruction of blocks that remove resources: ``python -m tests.support.signal_sweep one|more``.

In a process of its own, since a trace function that raises takes the place of a coverage tool's for good.
"""

import gc
import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from common.aws import interrupts
from common.aws.interrupts import finish_all, removed_afterwards

TRACED = {interrupts.__file__, contextmanager.__code__.co_filename, __file__}
"""The code between a block and its removal, that of ``with`` itself included."""


class Cloud:
    """Two nested resources, a definition and a task. An ``impatient`` user signals during removals, too."""

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
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks for it on the frame that begins to trace
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


def one_signal() -> None:
    """Send one signal at each instruction of two nested blocks in turn."""
    gc.freeze()  # keeps collections short
    for instruction in itertools.count():
        cloud = Cloud()
        reached = play(cloud, lambda: None, instruction)
        gc.collect()
        finish_all()
        assert cloud.resources == [], f"instruction {instruction}"
        assert cloud.interrupted_removals == 0
        _expect_interrupt()  # as before there were blocks
        if not reached:
            break
    assert instruction > 200


def more_signals() -> None:
    """Send the first one in the block, as when a user goes on pressing Ctrl-C; nothing is left to Python's exit."""
    for instruction in itertools.count():
        cloud = Cloud(impatient=True)
        reached = play(cloud, lambda: signal.raise_signal(signal.SIGINT), instruction)
        assert cloud.resources == [], f"instruction {instruction}"
        assert cloud.interrupted_removals == 0
        if not reached:
            break
    assert instruction > 200


def _expect_interrupt() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return
    raise AssertionError("the handler of signals was not restored")


if __name__ == "__main__":
    {"one": one_signal, "more": more_signals}[sys.argv[1]]()
    print("completed")  # noqa: T201 -- for the test that reads it
