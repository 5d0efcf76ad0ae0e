"""Programs whose whole process tree is ended with this process, however this process ends.

Two small guards stand between us and each program, in a session of their own. The outer one runs as
``python -P supervisor.py REPORT CORES COMMAND...`` with a pipe from us as its standard input: when we exit, even by
``KILL``, the pipe closes and it ends the tree. It forks the inner one, which starts the program. Both are subreapers:
orphans of the tree become children of the inner guard, or of the outer one if the inner one is killed. Each watches
the other, so whichever survives finds every process and ends it.

If both are killed at once, the kernel kills the program itself, and leaving the block kills the rest of their session.
Only what has moved to another session survives that.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

GRACE_S = 2.0
"""The time that a program has to exit by itself, between ``TERM`` and ``KILL``."""
END_TIMEOUT_S = GRACE_S * 5
INHERITED = ("HOME", "LANG", "PATH", "TMPDIR", "TZ")
"""The variables that measured programs, and those that measure, inherit: others could change what is measured."""
LAST_LINES = 5

_PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36  # same


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A supervised program and the output it has printed so far."""

    supervisor: subprocess.Popen[bytes]
    """The outer guard."""
    pid: int
    """The PID of the inner guard, whose descendants are the program."""
    log: IO[bytes]

    @property
    def tree_meter(self) -> str:
        """The meter for ``read_cpu`` and ``read_memory``."""
        return f"tree:{self.pid}"

    @property
    def exit_status(self) -> int | None:
        """The exit status of the program; ``None`` while it runs."""
        return self.supervisor.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the program to exit and return its status; raise ``subprocess.TimeoutExpired`` at the timeout."""
        return self.supervisor.wait(timeout=timeout_s)

    def exit_reason(self) -> str | None:
        """Return the exit status with the last lines of output; ``None`` while the program runs."""
        status = self.exit_status
        return None if status is None else f"exit status {status}. {self.last_lines()}"

    def output(self) -> str:
        """Return everything the program has printed."""
        # The program writes at the file's own offset, which must not be moved.
        log = self.log.fileno()
        return os.pread(log, os.fstat(log).st_size, 0).decode(errors="replace")

    def last_lines(self, count: int = LAST_LINES) -> str:
        """Return the last lines of output that are not blank, joined into one."""
        from common.words import last_lines  # noqa: PLC0415 -- a guard runs this file and finds no package of ours

        return last_lines(self.output(), count) or "It printed nothing."


def clean_environment() -> dict[str, str]:
    """Return the variables of ours that may reach a program that measures or is measured."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


@contextmanager
def supervised(
    line: Sequence[str], *, cwd: Path, cores: Sequence[int] | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run the command ``line`` on ``cores`` (all by default), and end its whole process tree afterwards.

    ``env`` is its whole environment, by default ours.
    """
    pinned = ",".join(map(str, sorted(os.sched_getaffinity(0)) if cores is None else cores))
    with tempfile.TemporaryFile() as log:
        outer, report = _start_guards(pinned, line, cwd=cwd, env=env, log=log)
        assert outer.stdin is not None
        inner = outer.pid
        try:
            # A guard that fails at once closes the pipe without a report: its exit status and output say why.
            inner = int(report.read() or outer.pid)
            yield Program(supervisor=outer, pid=inner, log=log)
        finally:
            report.close()
            outer.stdin.close()
            outer.wait(timeout=END_TIMEOUT_S)
            if outer.returncode < 0:
                _end_session(outer.pid, inner)


def _start_guards(
    cores: str, line: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None, log: IO[bytes]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start the outer guard; return it, and the pipe on which the inner one reports its PID."""
    reader, writer = os.pipe()
    report = os.fdopen(reader, "rb")
    try:
        outer = subprocess.Popen(
            [sys.executable, "-P", __file__, str(writer), cores, *line],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[writer],
            start_new_session=True,
        )
    except OSError:
        report.close()
        raise
    finally:
        os.close(writer)
    return outer, report


def _end_session(session: int, inner: int) -> None:
    """End what is left after the outer guard was killed: the inner one does it, or was killed as well."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while (members := _members(session)) and time.monotonic() < deadline:
        if inner not in members:
            for pid in members:
                _kill(pid)
        time.sleep(0.05)


def _members(session: int) -> set[int]:
    """Return the living processes of a session. Its number is not reused while it has any."""
    pids = set()
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session:
                pids.add(process.pid)
    return pids


def main(report: int, cores: str, command: list[str]) -> int:
    """Run ``command`` on ``cores`` until it ends or standard input closes, and return its exit status.

    The inner guard writes its PID to the file descriptor ``report``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    outer = os.pidfd_open(os.getpid())
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if inner := os.fork():
        os.close(report)
        return _guard(inner, sys.stdin.fileno(), grace_s=GRACE_S * 2)  # of which the inner guard needs one
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # a child does not inherit it
    os.write(report, str(os.getpid()).encode())
    os.close(report)
    end_with_us = partial(_end_with_parent, os.getpid())
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_us)  # noqa: PLW1509 -- no threads
    return _guard(program.pid, outer, grace_s=GRACE_S)


def _guard(pid: int, lifeline: int, *, grace_s: float) -> int:
    """Wait until the child ``pid`` exits or ``lifeline`` is readable, end the tree, and return the exit status."""
    try:
        select.select([lifeline, os.pidfd_open(pid)], [], [])
        _, wait_status = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(wait_status)
        return status if status >= 0 else 128 - status  # as shells do for a signal
    finally:
        _end_tree(grace_s)


def _end_with_parent(parent: int) -> None:
    """Have the kernel kill this process once its parent exits."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has exited already
        os.kill(os.getpid(), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _exit(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def _end_tree(grace_s: float) -> None:
    """Send ``TERM`` to our children, then ``KILL`` to all descendants until there are none."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end this too early
    me = psutil.Process()
    for child in me.children():
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    psutil.wait_procs(me.children(recursive=True), timeout=grace_s)
    # A process may fork while the list is made; its child shows up in the next one.
    while survivors := me.children(recursive=True):
        for process in survivors:
            _kill(process.pid)
        psutil.wait_procs(survivors, timeout=grace_s)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
