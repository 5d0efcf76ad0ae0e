"""CPU time and throttling of a server, read from its cgroup (v1 or v2) or from its process tree.

A *meter* is named by a string, so that it can be handed to another process: ``cgroup:/sys/fs/cgroup/...`` for a
control group (comma-separated where v1 keeps its controllers apart), ``tree:1234`` for a process and its descendants.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.errors import UsageError

CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuReading:
    """Counters since the server started. Throttling is ``None`` where there is no quota to be throttled by."""

    cpu_s: float
    throttled_s: float | None = None
    throttled_periods: int | None = None
    processes: frozenset[int] = frozenset()
    """The server's processes at that moment."""


def read_cpu(meter: str) -> CpuReading:
    """One reading of the meter that the string names; ``OSError`` or ``psutil.Error`` once the server is gone."""
    kind, _, rest = meter.partition(":")
    match kind:
        case "cgroup":
            return read_cgroup([Path(part) for part in rest.split(",")])
        case "tree":
            return read_tree(int(rest))
        case _:
            raise UsageError(f"the meter {meter!r} is unknown. Accepted: cgroup:PATH[,PATH] and tree:PID.")


def cgroup_meter(pid: int, *, proc: Path = Path("/proc"), root: Path = CGROUP_ROOT) -> str:
    """The meter of the control group that ``pid`` is in."""
    paths = dict.fromkeys(cgroup_folder(pid, name, proc=proc, root=root) for name in ("cpuacct", "cpu"))
    return f"cgroup:{','.join(str(path) for path in paths)}"


def cgroup_folder(pid: int, controller: str, *, proc: Path = Path("/proc"), root: Path = CGROUP_ROOT) -> Path:
    """Where a controller keeps its files for the control group that ``pid`` is in; one folder for all of them on v2."""
    folders = {}
    for line in (proc / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            folders[name] = path.lstrip("/")
    if (root / "cgroup.controllers").exists():
        return root / folders[""]
    return root / controller / folders[controller]


def memory_kills(folder: Path) -> int:
    """How many processes of a control group were killed for memory; none once the group is gone.

    Source: the kernel's ``memory.events`` (Documentation/admin-guide/cgroup-v2.rst), ``memory.oom_control`` on v1.
    """
    for name in ("memory.events", "memory.oom_control"):
        with suppress(OSError):
            return _pairs((folder / name).read_text()).get("oom_kill", 0)
    return 0


def read_cgroup(folders: list[Path]) -> CpuReading:
    """Counters of one control group: ``cpu.stat`` on v2 (microseconds), ``cpuacct.usage`` and ``cpu.stat`` on v1 (ns).

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpuacct.rst, scheduler/sched-bwc.rst.
    """
    stat = _pairs(next(file for folder in folders if (file := folder / "cpu.stat").exists()).read_text())
    if "usage_usec" in stat:
        cpu_s = stat["usage_usec"] / 1e6
        throttled_s = stat["throttled_usec"] / 1e6 if "throttled_usec" in stat else None
    else:
        usage = next(file for folder in folders if (file := folder / "cpuacct.usage").exists())
        cpu_s = int(usage.read_text()) / 1e9
        throttled_s = stat["throttled_time"] / 1e9 if "throttled_time" in stat else None
    return CpuReading(
        cpu_s=cpu_s,
        throttled_s=throttled_s,
        throttled_periods=stat.get("nr_throttled"),
        processes=_processes(folders[0]),
    )


def processes_ended(first: CpuReading | None, last: CpuReading | None) -> int | None:
    """How many of the server's processes were gone at the second reading; ``None`` where one was not taken."""
    return None if first is None or last is None else len(first.processes - last.processes)


def processes_started(first: CpuReading | None, last: CpuReading | None) -> int | None:
    """How many there were then that had not been there before."""
    return processes_ended(last, first)


def _processes(folder: Path) -> frozenset[int]:
    try:
        return frozenset(map(int, (folder / "cgroup.procs").read_text().split()))
    except FileNotFoundError:
        return frozenset()


def read_tree(pid: int) -> CpuReading:
    """Counters of a process, its living descendants, and the ended children that these have waited for.

    ``processes`` are the descendants.
    """
    root = psutil.Process(pid)
    descendants = root.children(recursive=True)
    total = 0.0
    for process in (root, *descendants):
        try:
            ended = process.cpu_times()
            total += process_cpu_s(process.pid) + ended.children_user + ended.children_system
        except (psutil.NoSuchProcess, OSError):
            if process is root:
                raise
    return CpuReading(cpu_s=total, processes=frozenset(child.pid for child in descendants))


def process_cpu_s(pid: int) -> float:
    """CPU-seconds of all threads of a process, to the nanosecond; ``OSError`` where there is no such process.

    ``/proc/PID/stat`` counts in ticks of 10 ms; this is the process's own CPU clock, which ``clock_getcpuclockid(3)``
    names by ``~pid << 3 | CPUCLOCK_SCHED`` (the kernel's include/linux/posix-timers_types.h).
    """
    cpuclock_sched = 2
    return time.clock_gettime(~pid << 3 | cpuclock_sched)


def _pairs(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}
