"""What a killed command may have left on this machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from common.engine.client import engine, engine_answers
from common.engine.ownership import OWNER
from common.engine.temporary import TAGS, TEMPORARY
from common.host.shaped_link import NAMESPACES

MARK = "KILLED_COMMAND"
"""The environment variable by which everything that a command has started is known."""


def processes(mark: str) -> list[str]:
    """Return the processes that a command has started, and itself, as long as they run."""
    return [found for process in psutil.process_iter() if (found := _marked(process, mark))]


def _marked(process: psutil.Process, mark: str) -> str:
    with suppress(psutil.Error):
        if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
            return f"process {process.pid}: {' '.join(process.cmdline())[:150]}"
    return ""


def elsewhere(owner: str, place: Path) -> Iterator[str]:
    """Yield what is left of a process that is dead, by its identity: containers, namespaces, folders, tags, the lock.

    A container takes its control group and its network with it. ``place`` holds its temporary files and its lock.
    """
    for path in (place / "tmp").iterdir():
        yield f"temporary file {path.name}"
    for path in NAMESPACES.glob(f"*{owner.replace(':', '-')}") if NAMESPACES.exists() else ():
        yield f"network namespace {path.name}"
    for path in TEMPORARY.glob(f"{owner.replace(':', '.')}-*"):
        yield f"folder {path} with the tags {_text(path / TAGS).split()}"
    if engine_answers():
        for row in engine().api.containers(all=True, filters={"label": f"{OWNER}={owner}"}):
            yield f"container {row['Names']} of {row['Image']}"
    if not _is_free(place / "run.lock"):
        yield "the run lock"


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _is_free(lock: Path) -> bool:
    if not lock.exists():
        return True
    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
