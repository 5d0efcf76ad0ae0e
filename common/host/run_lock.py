"""The lock that allows one measuring run at a time on a machine, because two at once would disturb each other.

It lies in a folder that every user can write to, so the file may have been put there by anybody: it is opened without
following links, used only if it is a regular file, and its content is shown but not believed.

``python3 -m common.host.run_lock NAME COMMAND...`` runs a command that must not happen during a run. It needs nothing
that has to be installed.
"""

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import UsageError
from common.project import PROJECT

LOCK = Path("/tmp") / f"{PROJECT}.lock"  # noqa: S108 -- the one folder that all users of a machine share
"""One file for all users and checkouts. ``TMPDIR`` and ``XDG_RUNTIME_DIR``, which differ by login, do not move it."""
VARIABLE = "RUN_LOCK_FILE"
"""Environment variable with the path of another lock file. Only tests set it: what they measure does not matter."""
EVERYONE = 0o666
MAX_CONTENT_BYTES = 200

_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def lock_file() -> Path:
    """Return the file that a run keeps locked."""
    return Path(os.environ.get(VARIABLE) or LOCK)


@contextmanager
def hold_run_lock(run_id: str, *, reason: str = "two at once would disturb each other") -> Iterator[None]:
    """Hold the machine for a run; raise ``UsageError`` with the other run's id, and the reason, if one is in progress.

    The kernel releases the lock when its holder exits for whatever reason, so a killed run locks nobody out, although
    its id is still in the file. The file is never removed: two runs could then each hold a file of that name.
    """
    descriptor = _open(lock_file())
    try:
        _acquire(descriptor, run_id, reason)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open(file: Path) -> int:
    try:
        _create(file)
        descriptor = os.open(file, _OPEN)
    except OSError as error:
        raise _unusable(file, error.strerror) from error
    status = os.fstat(descriptor)
    # A second link could be to a file of root's that another user wants to see overwritten.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise _unusable(file, "it is not a regular file with a single link")
    if status.st_uid == os.geteuid():
        os.fchmod(descriptor, EVERYONE)  # the umask has taken write permission from the others
    return descriptor


def _create(file: Path) -> None:
    """Create the file if it is missing.

    Only then: in a sticky folder the kernel refuses ``O_CREAT`` on an existing file of another user.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, _OPEN | os.O_CREAT | os.O_EXCL, EVERYONE))


def _unusable(file: Path, reason: str | None) -> UsageError:
    return UsageError(f"the run lock {file} cannot be used: {reason}. Remove it, as its owner or as root.")


def _acquire(descriptor: int, run_id: str, reason: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, other_run = _content(descriptor).partition(" ")
        raise UsageError(
            f"run {other_run or '(just begun)'} is in progress on this machine (process {pid or 'unknown'}); {reason}. "
            "Wait for it, or stop it."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {run_id}\n".encode(), 0)


def _content(descriptor: int) -> str:
    """Return the first line of the file, without characters that would change what a terminal shows."""
    line = os.pread(descriptor, MAX_CONTENT_BYTES, 0).decode(errors="replace").partition("\n")[0]
    return "".join(character if character.isprintable() else "?" for character in line).strip()


def main(name: str, command: Sequence[str]) -> int:
    """Run ``command`` unless a run is in progress, and return its exit status; no run can begin meanwhile."""
    try:
        with hold_run_lock(name, reason=f"make {name} would remove what it works with"):
            return subprocess.run(command, check=False).returncode
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- this is a command's error message
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
