"""Ways to bring a stack up. Each is a context manager that gives a ``RunningServer`` and leaves nothing behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTask:
    """A place beside a server from which a program can load it, other than this machine."""

    url: str
    """Where the server answers, seen from there."""
    ask: Callable[[Sequence[str], float], bytes]
    """Run a command line there and give its answer, which may take so many seconds; ``FailedError`` where it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A stack that answers."""

    url: str
    """Where it answers, seen from where ``prefix`` puts a client."""
    client_prefix: tuple[str, ...]
    """What to put before a client's command line so that it runs beside the server; empty on the host."""
    cpu_meter: str | None
    """What ``read_meter`` reads its CPU time from; ``None`` where somebody else started it."""
    memory_meter: str | None = None
    """What ``read_memory`` reads its memory from; ``None`` where somebody else started it."""
    load_task: LoadTask | None = None
    """Where load has to come from; ``None`` where that is here, behind ``prefix``."""
    exit_reason: Callable[[], str | None]
    """Says how it ended, or ``None`` while it runs."""
