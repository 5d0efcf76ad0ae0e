"""One start of one fresh server, observed from outside, and one pull of its image over a link of known bandwidth.

Nothing is added to the server, its image or its command line. The first phases of a start are the durations of the
engine's calls. The others come from the kernel's table of sockets in the server's namespace, which shows when the port
is bound, and from the first response. No request is sent before the port is bound; afterwards one waits in the socket's
queue until it is accepted, so polling costs the server nothing.

What the interpreter and the import of the app cost is timed separately, in a fresh container of the same image with the
same quota and cores. A Python program runs ``python3 -c pass`` and ``python3 -c 'import app'`` several times each, and
prints the wall time and the child's CPU time (``wait4``). The page cache is warm: the first run of each is not counted.
"""

import functools
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil
from docker import DockerClient
from docker.errors import APIError
from msgspec.structs import replace

from common.catalog.sizes import Size
from common.engine.cold_starts import empty_engine, evict, pull
from common.engine.ownership import temporary_resources, watched_containers
from common.errors import FailedError
from common.host.cores import Cores
from common.host.meters import GONE, read_cpu
from common.host.network import Link, shaped_link
from common.host.readiness import READY_DEADLINE_S, responds
from common.packages.environments import environment
from common.records.schema import decoder
from common.registries.api import Manifest, RegistryAddress
from common.registries.local import local_registry
from common.registries.pushing import registry_pusher
from common.runtimes import container, process
from common.runtimes.candidates import Candidate
from loadtests.experiments.startup.records import Cost, Pull, PullCell, Start

LOOK_EVERY_S = 0.002
ANSWER_TIMEOUT_S = 1.0
"""The time that one request waits for its response before the server is checked for having ended."""
LISTEN = "0A"
"""The state of a listening socket in the kernel's table (include/net/tcp_states.h)."""

Ended = Callable[[], str | None]

IMPORT_REPEATS = 5
IMPORT_TIMEOUT_S = 60

IMPORT_TIMER = """
import json, os, sys, time

def once(code):
    began = time.perf_counter()
    child = os.posix_spawnp("python3", ["python3", "-c", code], os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"python3 -c {code!r} ended with wait status {status}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime

os.sched_setaffinity(0, [int(core) for core in sys.argv[1].split(",")])
repeats = int(sys.argv[2])
print(json.dumps([[once(code) for _ in range(repeats + 1)][1:] for code in sys.argv[3:]]))
"""

_Times = Sequence[Sequence[tuple[float, float]]]


def observe(start: Start, candidate: Candidate, size: Size, *, cores: Cores, cold: bool) -> Start:
    """Return ``start`` with its phases, or with how the server ended and its log if there was no response."""
    watch = _process if candidate.tag is None else functools.partial(_container, cold=cold)
    try:
        return watch(start, candidate, size, cores)
    except FailedError as error:
        return replace(start, error=str(error))


def _container(start: Start, candidate: Candidate, size: Size, cores: Cores, *, cold: bool) -> Start:
    assert candidate.tag is not None
    if cold:
        evict(candidate.tag)
    options = container.limits(size, cores.server, candidate.traits) | container.network(inside=True)
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
    started = process.started(
        candidate.stack, size, cores=cores.server, python=candidate.interpreter, variables=candidate.variables
    )
    with started as running:
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
    """Return when the port was bound and when the first good response had arrived, by ``perf_counter``."""
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
    except GONE:
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


def import_costs(candidate: Candidate, size: Size, cores: Sequence[int]) -> tuple[Cost, Cost]:
    """Return the cost of starting the interpreter, and the additional cost of importing the app.

    Raise ``FailedError`` with the log if the import fails.
    """
    module = candidate.stack.framework.target.partition(":")[0]
    line = ["python3", "-c", IMPORT_TIMER, ",".join(map(str, cores)), str(IMPORT_REPEATS), "pass", f"import {module}"]
    output = _timed_in_container(candidate, line, size, cores) if candidate.tag else _timed_in_process(candidate, line)
    try:
        interpreter, imported = (_median(times) for times in decoder(_Times).decode(output))
    except msgspec.DecodeError as error:
        printed = " ".join(output.split())[-200:] or "no output"
        raise FailedError(f"{candidate.name}: the import of {module} could not be timed: {printed}") from error
    return interpreter, Cost(
        wall_s=max(0.0, imported.wall_s - interpreter.wall_s), cpu_s=max(0.0, imported.cpu_s - interpreter.cpu_s)
    )


def _timed_in_container(candidate: Candidate, line: Sequence[str], size: Size, cores: Sequence[int]) -> str:
    tag = candidate.tag
    assert tag is not None
    options = container.limits(size, cores, candidate.traits) | {"command": list(line), "network_mode": "none"}
    with watched_containers() as labels, container.created(tag, options, labels) as made:
        container.start(made, tag)
        try:
            made.wait(timeout=IMPORT_TIMEOUT_S)
            return made.logs().decode(errors="replace").strip()
        except (APIError, OSError) as error:  # the SDK raises its timeouts as OSError
            raise FailedError(f"{tag}: {' '.join(line[-1:])} did not end within {IMPORT_TIMEOUT_S} s.") from error


def _timed_in_process(candidate: Candidate, line: Sequence[str]) -> str:
    stack = candidate.stack
    env = process.environ(stack, environment(stack, candidate.interpreter), candidate.variables)
    try:
        done = subprocess.run(
            line,
            cwd=stack.framework.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"{candidate.name}: {line[-1]} did not end within {IMPORT_TIMEOUT_S} s.") from error
    return done.stdout.strip() or done.stderr.strip()


def _median(times: Sequence[tuple[float, float]]) -> Cost:
    return Cost(wall_s=statistics.median(wall for wall, _ in times), cpu_s=statistics.median(cpu for _, cpu in times))


@dataclass(frozen=True, slots=True, kw_only=True)
class Puller:
    """A registry that holds images, an empty engine, and the link between them."""

    client: DockerClient
    link: Link
    registry: str
    manifests: Mapping[str, Manifest]
    measured_bps: dict[str, float] = field(default_factory=dict)

    def measure(self, record: Pull, cell: PullCell) -> Pull:
        """Return ``record`` with one pull of the cell's image over its link."""
        self.link.shape(cell.link)
        if cell.link not in self.measured_bps:
            self.measured_bps[cell.link] = self.link.measure_bps()
        manifest = self.manifests[cell.image]
        known = replace(
            record,
            compressed_bytes=manifest.compressed_bytes,
            layers=len(manifest.layers),
            link_seen_bps=self.measured_bps[cell.link],
        )
        try:
            pulled = pull(self.client, f"{self.registry}/{cell.image}")
        except FailedError as error:
            return replace(known, error=str(error))
        return replace(known, download_s=pulled.download_s, total_s=pulled.total_s)


@contextmanager
def puller(images: Iterable[str]) -> Iterator[Puller]:
    """Provide a puller of ``images``, which are pushed first; remove registry, engine and link afterwards."""
    with temporary_resources() as mine, shaped_link() as link, local_registry(mine.folder) as here:
        with registry_pusher(RegistryAddress.parse(here), ecr=False) as ready:
            manifests = {image: ready.push(image).manifest for image in images}
        with local_registry(mine.folder, host=link.host) as there, empty_engine(link, there) as client:
            yield Puller(client=client, link=link, registry=there, manifests=manifests)
