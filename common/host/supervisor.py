"""A small process between us and what we start: it ends the whole process tree when we end, however we end.

Run as ``python -P guard.py CORES COMMAND...`` in a session of its own, with a pipe from us as standard
input. Orphans of the tree become its children (it is a subreaper), so none escapes; a ``KILL`` to us closes the pipe.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

GRACE_S = 2.0
"""How long a command may take to end by itself after ``TERM``."""

_PR_SET_CHILD_SUBREAPER = 36  # include/uapi/linux/prctl.h


@contextmanager
def guarded(
    line: Sequence[str], *, cores: Sequence[int], cwd: Path, env: Mapping[str, str], log: IO[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A guard that runs ``line`` on ``cores`` and prints into ``log``; the whole process tree is gone afterwards."""
    guard = subprocess.Popen(
        [sys.executable, "-P", __file__, ",".join(map(str, cores)), *line],
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        yield guard
    finally:
        guard.stdin.close()
        guard.wait(timeout=GRACE_S * 5)


def tail(log: IO[str], lines: int = 5) -> str:
    """The last lines of what a command printed, in one line."""
    log.seek(0)
    return " | ".join(log.read().split("\n")[-lines - 1 :]).strip(" |") or "It printed nothing."


def main(cores: str, command: list[str]) -> int:
    """Run ``command`` on ``cores`` until it ends or standard input closes; the exit status it ended with."""
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
    """``TERM`` for the command, then ``KILL`` for whatever is left, until nothing is."""
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
