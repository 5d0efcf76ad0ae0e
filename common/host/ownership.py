"""The owner of a resource, by which leftovers of a killed process are distinguished from what is in use."""

from pathlib import Path


def owner_id(pid: int, *, proc: Path = Path("/proc")) -> str:
    """Return a process's identity for labels, ``PID:START`` with the start in clock ticks since boot.

    Raise ``OSError`` if there is no such process.
    """
    # The command's name, in parentheses, may itself hold spaces and parentheses; the start is the 22nd field of all.
    after_name = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return f"{pid}:{after_name[19]}"


def place_id(*, proc: Path = Path("/proc")) -> str:
    """Return what sets apart the places in which one PID means different processes, as ``BOOT:NAMESPACE``.

    ``BOOT`` is the kernel's random id of this boot of this machine (random(4)), ``NAMESPACE`` the inode of our PID
    namespace, of which each container on the machine has its own.
    """
    boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{(proc / 'self/ns/pid').stat().st_ino}"


def is_alive(owner: str) -> bool:
    """Return whether the process behind ``owner`` still runs; a later process with the same PID does not count."""
    try:
        return owner_id(int(owner.partition(":")[0])) == owner
    except (OSError, ValueError):
        return False
