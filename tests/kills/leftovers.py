"""Leftovers of a killed command on this machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from common.engine.client import engine, engine_answers
from common.engine.ownership import OWNER, TAGS, TEMPORARY
from common.host.network import NAMESPACES
from common.project import PROJECT


def processes(place: Path) -> Iterator[str]:
    """Yield the processes that commands with their temporary files in ``place`` have started and that still run."""
    return filter(None, (_found(process, str(place / "tmp")) for process in psutil.process_iter()))


def _found(process: psutil.Process, temporary: str) -> str:
    """Return what a process is if it is one of them: the variable reaches every program, servers and guards too."""
    with suppress(psutil.Error):
        if process.environ().get("TMPDIR") == temporary and process.status() != psutil.STATUS_ZOMBIE:
            return f"process {process.pid}: {' '.join(process.cmdline())[:150]}"
    return ""


def elsewhere(owner: str, place: Path) -> Iterator[str]:
    """Yield what is left of a process that is dead, by its identity: containers, namespaces, folders, tags, the lock.

    A container takes its control group and its network with it. ``place`` holds its temporary files and its lock.
    """
    for path in (place / "tmp").iterdir():
        yield f"temporary file {path.name}"
    for path in NAMESPACES.glob(f"{PROJECT}-{owner.replace(':', '-')}-*") if NAMESPACES.exists() else ():
        yield f"network namespace {path.name}"
    for path in TEMPORARY.glob(f"{owner.replace(':', '.')}.*"):
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
