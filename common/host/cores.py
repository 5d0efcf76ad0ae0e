"""The cores of this machine: their division between server and load generator, and the time that they were busy.

``core_times`` reads ticks, which every kernel counts, each for whatever runs when it comes. A load that starts and
stops in step with them is misread by a third, even over seconds. ``core_busy_s`` is exact, on kernels that allow it.
"""

import math
import os
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from common.host.meters import CGROUP_ROOT

CPUS = Path("/sys/devices/system/cpu")
STAT = Path("/proc/stat")
SCHEDSTAT = Path("/proc/schedstat")
SCHEDSTAT_VERSIONS = ("version 15", "version 16", "version 17")
"""Versions whose rows of cores are the same; the kernel raises the number with every change of the format."""
POSSIBLE_CORES = Path("/sys/devices/system/cpu/possible")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """A split of the machine's cores between a server and the generator that loads it."""

    server: tuple[int, ...]
    generator: tuple[int, ...]
    split_siblings: bool = False
    """Whether hardware threads of one physical core are on both sides, so that each side slows the other."""

    @property
    def shared(self) -> bool:
        """Whether server and generator compete for a core."""
        return bool(set(self.server) & set(self.generator))


def split_cores(
    vcpu: float, available: Sequence[int] | None = None, *, siblings: Mapping[int, Collection[int]] | None = None
) -> Cores:
    """Give a server as many cores as its ``vcpu`` takes, and the generator the rest.

    The rest is without hardware threads of the server's physical cores, if that leaves the generator any; if no cores
    are left at all, both get all of them. ``available`` is by default what this process may use.
    """
    cores = sorted(os.sched_getaffinity(0) if available is None else available)
    groups = _sibling_groups(cores, thread_siblings(cores) if siblings is None else siblings)
    ordered = [core for group in groups for core in group]
    server = set(ordered[: math.ceil(vcpu)])
    rest = [core for group in groups if not server & set(group) for core in group]
    split = not rest and len(server) < len(cores)
    generator = rest or [core for core in cores if core not in server] or cores
    return Cores(server=tuple(sorted(server)), generator=tuple(sorted(generator)), split_siblings=split)


def online_cores(*, cpus: Path = CPUS) -> tuple[int, ...]:
    """Return the cores of this machine, whichever of them this process may use."""
    try:
        return parse_cpu_list((cpus / "online").read_text())
    except OSError:
        return tuple(range(os.cpu_count() or 1))


def thread_siblings(cores: Sequence[int], *, cpus: Path = CPUS) -> dict[int, tuple[int, ...]]:
    """Return the hardware threads of each core's physical core, itself included, as this machine shows them.

    A virtual machine may show none although the host's cores have them.
    """
    return {core: _siblings(core, cpus) for core in cores}


def _siblings(core: int, cpus: Path) -> tuple[int, ...]:
    try:
        return parse_cpu_list((cpus / f"cpu{core}" / "topology" / "thread_siblings_list").read_text())
    except OSError:
        return (core,)


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the cores in the kernel's notation for lists, such as ``0-2,8``."""
    ranges = [part.partition("-") for part in text.strip().split(",") if part]
    return tuple(core for first, _, last in ranges for core in range(int(first), int(last or first) + 1))


def _sibling_groups(cores: Sequence[int], siblings: Mapping[int, Collection[int]]) -> list[tuple[int, ...]]:
    """Return the available cores by physical core, the largest groups first.

    A server that is filled up from the largest groups touches the fewest, so if any way leaves the generator a physical
    core of its own, this one does.
    """
    groups = {tuple(sorted({core, *siblings.get(core, ())} & set(cores))) for core in cores}
    return sorted(groups, key=lambda group: (-len(group), group))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreTimes:
    """Seconds since boot, summed over cores. The kernel counts them in ticks, usually of 10 ms."""

    busy_s: float
    """Time spent on anything at all."""
    steal_s: float
    """Time that this machine wanted and the hypervisor gave to another guest."""

    def since(self, before: "CoreTimes") -> "CoreTimes":
        """Return the difference from an earlier reading."""
        return CoreTimes(busy_s=self.busy_s - before.busy_s, steal_s=self.steal_s - before.steal_s)


class BusySource(StrEnum):
    """The source of exact core times."""

    CPUACCT = "cpuacct.usage_percpu"
    """The root control group of v1, which every task belongs to; at most one tick old."""
    SCHEDSTAT = "/proc/schedstat"
    """The scheduler's statistics; interrupts and stolen time count for the task that they interrupt."""


def core_times(*groups: Sequence[int] | None, stat: Path = STAT) -> tuple[CoreTimes, ...]:
    """Return the times of each group of cores, ``None`` for the whole machine, all from one reading of ``/proc/stat``.

    Source: proc(5).
    """
    rows = [line.split() for line in stat.read_text().splitlines() if line.startswith("cpu")]
    return tuple(_summed(rows, {"cpu"} if cores is None else {f"cpu{core}" for core in cores}) for cores in groups)


def _summed(rows: Sequence[Sequence[str]], labels: Container[str]) -> CoreTimes:
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    times = [[int(ticks) * tick_s for ticks in row[1:9]] for row in rows if row[0] in labels]
    busy = [user + nice + system + irq + softirq for user, nice, system, _, _, irq, softirq, _ in times]
    return CoreTimes(busy_s=sum(busy), steal_s=sum(row[7] for row in times))


def core_busy_source(*, cgroup: Path = CGROUP_ROOT, schedstat: Path = SCHEDSTAT) -> BusySource | None:
    """Return where ``core_busy_s`` reads on this machine; ``None`` if the kernel offers nothing exact."""
    # In a container the folder may be the container's own group. Only the root of a hierarchy has a release agent.
    if (cgroup / "cpuacct" / "release_agent").exists() and (cgroup / "cpuacct" / BusySource.CPUACCT).exists():
        return BusySource.CPUACCT
    try:
        with schedstat.open() as file:
            return BusySource.SCHEDSTAT if file.readline().rstrip() in SCHEDSTAT_VERSIONS else None
    except OSError:
        return None


def core_busy_s(
    cores: Iterable[int], *, cgroup: Path = CGROUP_ROOT, schedstat: Path = SCHEDSTAT, possible: Path = POSSIBLE_CORES
) -> dict[int, float] | None:
    """Return the seconds that each core has run any task since boot; ``None`` if that is not known exactly.

    Differences of two readings are exact to a tick of the kernel (1 to 10 ms).
    """
    match core_busy_source(cgroup=cgroup, schedstat=schedstat):
        case BusySource.CPUACCT:
            usage_ns = (cgroup / "cpuacct" / BusySource.CPUACCT).read_text().split()
            busy_s = {
                core: int(ns) / 1e9 for core, ns in zip(parse_cpu_list(possible.read_text()), usage_ns, strict=True)
            }
            return {core: busy_s[core] for core in cores}
        case BusySource.SCHEDSTAT:
            return _scheduled_s(cores, schedstat)
        case None:
            return None


def _scheduled_s(cores: Iterable[int], schedstat: Path) -> dict[int, float] | None:
    """Read the seventh field of each core's row, in ns (the kernel's Documentation/scheduler/sched-stats.rst).

    A task is added when it leaves the core, and one that has it to itself may run for seconds. So we run there for an
    instant, which makes it leave. ``None`` if this process may not run there.
    """
    busy_s, before = {}, os.sched_getaffinity(0)
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})
            rows = dict(line.split(maxsplit=1) for line in schedstat.read_text().splitlines())
            busy_s[core] = int(rows[f"cpu{core}"].split()[6]) / 1e9
    except OSError:
        return None
    finally:
        os.sched_setaffinity(0, before)
    return busy_s
