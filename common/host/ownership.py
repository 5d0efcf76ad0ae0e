"""Which process something belongs to, so that what a killed one left is told from what is in use."""

from pathlib import Path


def owner_id(pid: int, *, proc: Path = Path("/proc")) -> str:
    """A process as a label names it: ``PID:start``, in ticks since boot; ``OSError`` where it lives no more."""
    after_name = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return f"{pid}:{after_name[19]}"


def is_alive(owner: str) -> bool:
    """Whether the process that a label names still runs; another one that was given its number is not it."""
    try:
        return owner_id(int(owner.partition(":")[0])) == owner
    except (OSError, ValueError):
        return False
