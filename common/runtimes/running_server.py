"""The common interface of all runtimes: a context manager starts a stack and leaves nothing behind."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from common.records.run import WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTask:
    """A place next to a server, other than this machine, from which a program can load it."""

    url: str
    """The server's address as seen from there."""
    ask: Callable[[Sequence[str], float], bytes]
    """Run a command line there and return its reply; ``FailedError`` if that takes more seconds than given or fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A stack that answers requests."""

    url: str
    """Its address, as seen by a client that runs behind ``client_prefix``."""
    client_prefix: tuple[str, ...]
    """The words before a client's command line that run it next to the server; empty on the host."""
    cpu_meter: str | None
    """The meter from which ``read_cpu`` reads its CPU time; ``None`` if it cannot be read from here."""
    memory_meter: str | None = None
    """The meter from which ``read_memory`` reads its memory; ``None`` if it cannot be read from here."""
    may_compile: bool = False
    """Whether it may compile its code while it runs, and so become faster with every request for a while."""
    database_meter: str | None = None
    """The meter of the CPU time of its database; ``None`` without one, or if it cannot be read from here."""
    load_task: LoadTask | None = None
    """The task from which load has to come; ``None`` if it comes from this machine, behind ``client_prefix``."""
    network_namespace: Path | None = None
    """The file of the network namespace that ``client_prefix`` enters; ``None`` on the host."""
    wait_until_ready: Callable[[], None] = lambda: None
    """Return once it answers; ``FailedError`` with the end of its output if it exits first or is not ready in time."""
    exit_reason: Callable[[], str | None]
    """Return why it ended, or ``None`` while it runs."""
    worker_states: Callable[[], list[WorkerState]] = list
    """Return what its Python processes say of themselves once they have answered a request, of those that reply."""
    output: Callable[[], str] = str
    """Return everything it has printed."""


@contextmanager
def with_compiler(starting: AbstractContextManager[RunningServer]) -> Iterator[RunningServer]:
    """Start a server that may compile its code while it runs."""
    with starting as running:
        yield replace(running, may_compile=True)


@contextmanager
def once_ready(starting: AbstractContextManager[RunningServer]) -> Iterator[RunningServer]:
    """Start a server and yield it as soon as it answers; ``FailedError`` as ``wait_until_ready``."""
    with starting as running:
        running.wait_until_ready()
        yield running
