"""The owner of a resource, by which leftovers of a killed process are distinguished from what is in use."""

import hashlib
import os
import re
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")
_SHORT = 12


def owner_id(pid: int, *, proc: Path = Path("/proc")) -> str:
    """Return a process's identity for labels, ``PID:START`` with the start in clock ticks since boot.

    Raise ``OSError`` if there is no such process.
    """
    # The command's name, in parentheses, may itself hold spaces and parentheses; the start is the 22nd field of all.
    after_name = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return f"{pid}:{after_name[19]}"


def place_id(*, proc: Path = Path("/proc"), machine_id: Path = MACHINE_ID) -> str:
    """Return what sets apart the places in which one PID means different processes, as ``MACHINE:BOOT:NAMESPACE``.

    ``MACHINE`` is a digest of the machine's id, which is to be kept confidential (machine-id(5)); it is empty where
    there is none, as in most containers. ``BOOT`` is the first part of the kernel's random id of this boot (random(4)),
    ``NAMESPACE`` the inode of our PID namespace, of which each container on the machine has its own.
    """
    boot = (proc / "sys/kernel/random/boot_id").read_text().strip().partition("-")[0]
    return f"{_machine(machine_id)}:{boot}:{(proc / 'self/ns/pid').stat().st_ino}"


def _machine(file: Path) -> str:
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:_SHORT] if re.fullmatch("[0-9a-f]{32}", text) else ""


def is_orphan(owner: str, place: str | None, *, here: str) -> bool:
    """Return whether the process behind ``owner`` has certainly exited, as far as can be seen from the place ``here``.

    In another place its PID says nothing, but it has not survived a reboot of this machine. ``place`` is ``None`` if it
    was not noted, as by earlier versions, and then counts as this one.
    """
    if place is None or place == here:
        return not is_alive(owner)
    machine, _, since = place.partition(":")
    our_machine, _, our_since = here.partition(":")
    return machine == our_machine != "" and since.partition(":")[0] != our_since.partition(":")[0]


def owner_mark(separator: str) -> str:
    """Return this process's identity and place for the name of what it creates, their parts joined by ``separator``."""
    return f"{owner_id(os.getpid())}:{place_id()}".replace(":", separator)


def is_mark_of_orphan(mark: str, separator: str, *, here: str) -> bool:
    """Return whether an ``owner_mark``, or one without a place as in earlier versions, is of an orphan, as seen here.

    Anything else is not.
    """
    parts = re.fullmatch(r"(\d+:\d+)(?::(\w*:\w+:\d+))?", mark.replace(separator, ":"))
    return parts is not None and is_orphan(parts[1], parts[2], here=here)


def is_alive(owner: str) -> bool:
    """Return whether the process behind ``owner`` still runs; a later process with the same PID does not count."""
    try:
        return owner_id(int(owner.partition(":")[0])) == owner
    except (OSError, ValueError):
        return False
