"""One start of one fresh server, observed from outside: nothing is added to the server, its image or command line.

The first phases are the durations of the engine's calls. The others come from the kernel's table of sockets in the
server's namespace, which shows when the port is bound, and from the first answer. No request is sent before the port is
bound; afterwards one waits in the socket's queue until it is accepted, so polling costs the server nothing.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from msgspec.structs import replace

from common.catalog.sizes import Size
from common.engine.ownership import watched_containers
from common.engine.page_cache import evict
from common.errors import FailedError
from common.host.cores import Cores
from common.host.cpu import read_cpu
from common.host.readiness import READY_DEADLINE_S, responds
from common.records.experiments.startup import Start
from common.runtimes import container, process
from common.runtimes.candidates import Candidate

LOOK_EVERY_S = 0.002
ANSWER_TIMEOUT_S = 1.0
"""The time that one request waits for its answer before the server is checked for having ended."""
LISTEN = "0A"
"""The state of a listening socket in the kernel's table (include/net/tcp_states.h)."""

Ended = Callable[[], str | None]


def observe(start: Start, candidate: Candidate, size: Size, *, cores: Cores, cold: bool) -> Start:
    """Return ``start`` with its phases, or with how the server ended and its log if there was no answer."""
    watch = _process if candidate.tag is None else functools.partial(_container, cold=cold)
    try:
        return watch(start, candidate, size, cores)
    except FailedError as error:
        return replace(start, error=str(error))


def _container(start: Start, candidate: Candidate, size: Size, cores: Cores, *, cold: bool) -> Start:
    assert candidate.tag is not None
    if cold:
        evict(candidate.tag)
    options = container.limits(size, cores.server) | container.network(inside=True)
    with watched_containers() as labels:
        began_s = time.perf_counter()
        with container.created(candidate.tag, options, labels) as made:
            created_s = time.perf_counter()
            container.start(made, candidate.tag)
            started_s = time.perf_counter()
            pid, meter, memory = container.groups(made)
            _, probe, _ = container.addresses(made, inside=True)
            bound_s, answered_s = _watch(pid, probe, functools.partial(container.how_it_ended, made, memory), candidate)
            return replace(
                start,
                create_s=created_s - began_s,
                start_s=started_s - created_s,
                bind_s=bound_s - started_s,
                answer_s=answered_s - bound_s,
                cpu_s=read_cpu(meter).cpu_s,
                disk_read_bytes=_disk_read_bytes(pid),
            )


def _process(start: Start, candidate: Candidate, size: Size, cores: Cores) -> Start:
    """Count phases from the start of the server's process; before that, only our own guard processes start."""
    with process.started(candidate.stack, size, cores=cores.server, python=candidate.interpreter) as running:
        assert running.cpu_meter is not None
        pid = _child(int(running.cpu_meter.removeprefix("tree:")), running.exit_reason, candidate)
        spawned_s = time.perf_counter()
        bound_s, answered_s = _watch(pid, running.url, running.exit_reason, candidate)
        return replace(
            start,
            bind_s=bound_s - spawned_s,
            answer_s=answered_s - bound_s,
            cpu_s=read_cpu(f"tree:{pid}").cpu_s,
            disk_read_bytes=_disk_read_bytes(pid),
        )


def _child(guard: int, ended: Ended, candidate: Candidate) -> int:
    """Return the PID of the server's own process, once its guard has started it."""
    children: list[psutil.Process] = []

    def spawned() -> bool:
        with suppress(psutil.NoSuchProcess):
            children.extend(psutil.Process(guard).children())
        return bool(children)

    _wait(spawned, lambda: True, ended, candidate)
    return children[0].pid


def _watch(pid: int, url: str, ended: Ended, candidate: Candidate) -> tuple[float, float]:
    """Return when the port was bound and when the first good answer had arrived, by ``perf_counter``."""
    port = urlsplit(url).port or 80
    alive = Path(f"/proc/{pid}").exists
    _wait(lambda: listens(pid, port), alive, ended, candidate)
    bound_s = time.perf_counter()
    _wait(lambda: responds(url, timeout_s=ANSWER_TIMEOUT_S), alive, ended, candidate)
    return bound_s, time.perf_counter()


def _wait(ready: Callable[[], bool], alive: Callable[[], bool], ended: Ended, candidate: Candidate) -> None:
    """Return once ``ready()``; ``FailedError`` if the server ends first or misses the deadline.

    ``ended`` asks the engine, so it is called only if the process has exited, or once per ``ANSWER_TIMEOUT_S``.
    """
    deadline = time.monotonic() + READY_DEADLINE_S
    ask_at = time.monotonic() + ANSWER_TIMEOUT_S
    while not ready():
        now = time.monotonic()
        if not alive() or now > ask_at:
            ask_at = now + ANSWER_TIMEOUT_S
            if (reason := ended()) is not None:
                raise FailedError(f"{candidate.name} ended before it answered: {reason}")
        if now > deadline:
            raise FailedError(f"{candidate.name} did not answer with 200 within {READY_DEADLINE_S:g} s.")
        time.sleep(LOOK_EVERY_S)


def listens(pid: int, port: int, *, proc: Path = Path("/proc")) -> bool:
    """Return whether a socket listens on ``port`` in the network namespace of ``pid``, as seen from outside it."""
    wanted = f":{port:04X}"
    return any(local.endswith(wanted) and state == LISTEN for local, state in _sockets(proc / str(pid) / "net"))


def _sockets(net: Path) -> Iterator[tuple[str, str]]:
    """Yield the local address and state of every TCP socket, IPv4 and IPv6; none once the process has exited."""
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (net / name).read_text().splitlines()[1:]:
                words = line.split()
                yield words[1], words[3]


def _disk_read_bytes(pid: int) -> int | None:
    """Return the bytes that a process and its descendants have read from disk; ``None`` if they are unknown."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process_ in (root, *root.children(recursive=True)):
            total += process_.io_counters().read_bytes
    except (psutil.Error, OSError):
        return None
    return total


@contextmanager
def pinned(cores: Cores) -> Iterator[None]:
    """Keep this process off the server's cores, if there are others, while it observes."""
    before = psutil.Process().cpu_affinity()
    psutil.Process().cpu_affinity(list(cores.generator))
    try:
        yield
    finally:
        psutil.Process().cpu_affinity(before)
