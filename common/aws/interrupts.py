"""Blocks whose resources are removed afterwards, no matter when signals arrive."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from common.aws.calls import CannotContinueError
from common.errors import BenchmarkError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Remove = Callable[[], None]
_unfinished: dict[Remove, int] = {}
"""The removals still to be done, in the order in which their blocks began, and the PID of the process they are for."""


@contextmanager
def removed_afterwards(remove: Remove) -> Iterator[None]:
    """Run the block and then ``remove``, which no signal interrupts and which raises if something is left behind.

    A signal raises ``KeyboardInterrupt`` in the block, but only the first one does: a second could hit one of the few
    instructions between the end of the block and the removal. If the first one hits the code that leaves a ``with``,
    this function is not resumed; then the enclosing block does the removal, or Python's exit.
    """
    ended_by: BaseException | None = None
    with _signals.held():
        _unfinished[remove] = os.getpid()
        try:
            try:
                _signals.allow()
                yield
            except BaseException as error:
                ended_by = error
                raise
            finally:
                _signals.hold()  # the first signal may be raised in place of this, and then no other one is
        finally:
            _finish(remove, ended_by)


def _finish(remove: Remove, ended_by: BaseException | None = None) -> None:
    """Call ``remove``, after those of inner blocks that were skipped; raise their errors together at the end."""
    if remove not in _unfinished:
        return
    errors = [ended_by] if isinstance(ended_by, BenchmarkError) else []
    started = list(_unfinished)
    for pending in reversed(started[started.index(remove) :]):
        owner = _unfinished.pop(pending)
        try:
            if owner == os.getpid():  # a forked child has a copy of this table, and owns nothing in it
                pending()
        except BenchmarkError as error:
            errors.append(error)
    if errors and errors[-1] is not ended_by:
        raise CannotContinueError("; ".join(str(error) for error in errors)) from errors[-1]


@atexit.register
def finish_all() -> None:
    """Do every removal that is left when Python exits."""
    if _unfinished:
        _signals.hold()
        try:
            _finish(next(iter(_unfinished)))
        except BenchmarkError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- nothing catches what is raised at exit


@dataclass(slots=True, eq=False)
class _Signals:
    """The signals that end this process, while there are blocks: raised once at most, and not while they are held."""

    depth: int = 0
    allowed: bool = False
    raised: bool = False
    received: list[int] = field(default_factory=list)
    previous: dict[int, Any] = field(default_factory=dict)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold signals for the block, then deliver the first of those that came, if none was raised.

        It takes the place of an error, after which a run could go on with its next server, but not of
        ``CannotContinueError``, which ends the run too and names what is left behind.
        """
        if threading.current_thread() is not threading.main_thread():  # which alone receives signals
            yield
            return
        allowed_before = self.allowed
        self._enter()
        deliver = True
        try:
            yield
        except CannotContinueError:
            deliver = False
            raise
        finally:
            self._leave(allowed=allowed_before, deliver=deliver)

    def allow(self) -> None:
        """Let the first signal raise from now on, and raise one that has come already."""
        if threading.current_thread() is threading.main_thread() and self.depth:
            self.allowed = True
            if self.received and not self.raised:
                self.raised = True
                raise KeyboardInterrupt

    def hold(self) -> None:
        """Hold signals from now on."""
        if threading.current_thread() is threading.main_thread():
            self.allowed = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise a signal or hold it; between blocks, pass it to the handler before ours."""
        if not self.depth:
            self._pass_on(number, frame)
        elif self.allowed and not self.raised:
            self.raised = True
            raise KeyboardInterrupt
        else:
            self.received.append(number)

    def _enter(self) -> None:
        self.allowed = False
        if not self.depth:
            # Until the depth counts, a signal is raised as ever: there is nothing to remove yet.
            self._install()
            self.raised = False
            self.received.clear()
        self.depth += 1

    def _install(self) -> None:
        for number in SIGNALS:
            current = signal.getsignal(number)
            if current in {signal.SIG_IGN, None}:  # nohup ignores SIGHUP, and means it; ``None`` is not Python's
                self.previous.pop(number, None)
            elif current != self.handle:
                self.previous[number] = current
                signal.signal(number, self.handle)

    def _leave(self, *, allowed: bool, deliver: bool) -> None:
        self.depth -= 1
        if not deliver:
            self.received.clear()
        if self.depth:
            if allowed:
                self.allow()
            return
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        if self.received and not self.raised:
            signal.raise_signal(self.received[0])

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        handler = self.previous.get(number, signal.SIG_DFL)
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


_signals = _Signals()
