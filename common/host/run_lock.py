"""One measuring run at a time on a machine: two at once would measure each other."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UsageError
from common.project import PROJECT


def lock_file() -> Path:
    """The file that a run holds locked, in this user's runtime folder or the machine's temporary one."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"{PROJECT}.lock"


@contextmanager
def hold_run_lock(run_id: str) -> Iterator[None]:
    """Hold the machine for a run; ``UsageError`` with the id of the run that has it.

    The kernel gives the lock back when its holder ends, however it ends, so what a killed run has left in the file
    keeps nobody out. The file stays: removing it would let two runs hold two files of one name.
    """
    file = lock_file()
    try:
        descriptor = _open(file)
    except OSError as error:
        raise UsageError(f"{file}, which keeps two runs apart, cannot be opened: {error.strerror}.") from error
    try:
        _take(descriptor, run_id)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open(file: Path) -> int:
    """The file, open; one that another user made is opened without creating it, which sticky folders forbid."""
    try:
        return os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _take(descriptor: int, run_id: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, other = os.pread(descriptor, 1000, 0).decode().strip().partition(" ")
        raise UsageError(
            f"run {other or '(just begun)'} is under way on this machine (process {pid or 'unknown'}); two at once "
            "would measure each other. Wait for it, or end it."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {run_id}\n".encode(), 0)
