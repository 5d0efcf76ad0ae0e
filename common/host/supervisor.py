"""Start programs whose whole process tree is gone afterwards, however this process ends.

A small supervisor stands between us and each program. It runs as ``python -P supervisor.py CORES COMMAND...`` in a
session of its own, with a pipe from us as its standard input: when we end, even by ``KILL``, the pipe closes and the
supervisor ends the tree. It is a subreaper, so that orphans of the tree become its children and none escapes.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

GRACE_S = 2.0
"""How long a program may take to end by itself after ``TERM``."""
LAST_LINES = 5

_PR_SET_CHILD_SUBREAPER = 36  # include/uapi/linux/prctl.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A supervised program and what it has printed so far."""

    supervisor: subprocess.Popen[bytes]
    log: IO[str]

    @property
    def pid(self) -> int:
        """The supervisor's process, whose descendants are the program."""
        return self.supervisor.pid

    @property
    def tree_meter(self) -> str:
        """What ``read_cpu`` and ``read_memory`` read its CPU time and memory from."""
        return f"tree:{self.pid}"

    @property
    def exit_status(self) -> int | None:
        """The status it exited with; ``None`` while it runs."""
        return self.supervisor.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Return its exit status once it has ended; ``subprocess.TimeoutExpired`` at the timeout."""
        return self.supervisor.wait(timeout=timeout_s)

    def exit_reason(self) -> str | None:
        """Say how it ended, with the last lines that it printed; ``None`` while it runs."""
        status = self.exit_status
        return None if status is None else f"exit status {status}. {self.last_lines()}"

    def output(self) -> str:
        """Return everything it has printed."""
        self.log.seek(0)
        return self.log.read()

    def last_lines(self, count: int = LAST_LINES) -> str:
        """Return the last lines that it printed, joined into one."""
        return " | ".join(self.output().split("\n")[-count - 1 :]).strip(" |") or "It printed nothing."


@contextmanager
def supervised(
    line: Sequence[str], *, cwd: Path, cores: Sequence[int] | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run ``line`` under a supervisor on ``cores`` (all by default); its whole process tree is gone afterwards.

    ``env`` is its whole environment, ours by default.
    """
    pinned = ",".join(map(str, sorted(os.sched_getaffinity(0)) if cores is None else cores))
    with tempfile.TemporaryFile("w+") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-P", __file__, pinned, *line],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert supervisor.stdin is not None
        try:
            yield Program(supervisor=supervisor, log=log)
        finally:
            supervisor.stdin.close()
            supervisor.wait(timeout=GRACE_S * 5)


def main(cores: str, command: list[str]) -> int:
    """Run ``command`` on ``cores`` until it ends or standard input closes, and return its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        select.select([sys.stdin, os.pidfd_open(child.pid)], [], [])
        return child.poll() or 0
    finally:
        _end_tree()


def _leave(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def _end_tree() -> None:
    """Send ``TERM`` to the program, then ``KILL`` to whatever is left, until nothing is."""
    me = psutil.Process()
    for process in me.children():
        process.terminate()
    psutil.wait_procs(me.children(recursive=True), timeout=GRACE_S)
    while left := me.children(recursive=True):
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=GRACE_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
