"""CPU time and throttling of a server, read from its control group (v1 or v2) or from its process tree.

A *meter* is a string, so that it can be passed to another process: ``cgroup:/sys/fs/cgroup/...`` for a control group
(several folders, separated by commas, where v1 keeps its controllers apart), or ``tree:1234`` for a process and its
descendants.
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
    """Counters since the server started. Throttling is ``None`` for a server without a quota."""

    cpu_s: float
    throttled_s: float | None = None
    throttled_periods: int | None = None
    processes: frozenset[int] = frozenset()
    """The server's processes at the time of the reading."""


def read_cpu(meter: str) -> CpuReading:
    """Read a meter. Raise ``OSError`` or ``psutil.Error`` if the server has exited."""
    kind, _, rest = meter.partition(":")
    match kind:
        case "cgroup":
            return read_cgroup([Path(part) for part in rest.split(",")])
        case "tree":
            return read_tree(int(rest))
        case _:
            raise UsageError(f"invalid CPU meter {meter}: must be cgroup:PATH[,PATH] or tree:PID.")


def cgroup_meter(pid: int, *, proc: Path = Path("/proc"), root: Path = CGROUP_ROOT) -> str:
    """Return the meter of the control group that ``pid`` is in."""
    paths = dict.fromkeys(cgroup_folder(pid, name, proc=proc, root=root) for name in ("cpuacct", "cpu"))
    return f"cgroup:{','.join(str(path) for path in paths)}"


def cgroup_folder(pid: int, controller: str, *, proc: Path = Path("/proc"), root: Path = CGROUP_ROOT) -> Path:
    """Return the folder with a controller's files for the control group of ``pid``; on v2 all controllers share one."""
    folders = {}
    for line in (proc / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            folders[name] = path.lstrip("/")
    if (root / "cgroup.controllers").exists():
        return root / folders[""]
    return root / controller / folders[controller]


def memory_kills(folder: Path) -> int:
    """Return how many processes of a control group were killed for memory; 0 if the group no longer exists.

    Source: the kernel's ``memory.events`` (Documentation/admin-guide/cgroup-v2.rst), ``memory.oom_control`` on v1.
    """
    for name in ("memory.events", "memory.oom_control"):
        with suppress(OSError):
            return _pairs((folder / name).read_text()).get("oom_kill", 0)
    return 0


def read_cgroup(folders: list[Path]) -> CpuReading:
    """Read one control group: ``cpu.stat`` on v2 (microseconds), ``cpuacct.usage`` and ``cpu.stat`` on v1 (ns).

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
    """Return how many of the server's processes exited between two readings; ``None`` if a reading is missing."""
    return None if first is None or last is None else len(first.processes - last.processes)


def processes_started(first: CpuReading | None, last: CpuReading | None) -> int | None:
    """Return how many of the server's processes are new in the second reading; ``None`` if a reading is missing."""
    return processes_ended(last, first)


def _processes(folder: Path) -> frozenset[int]:
    try:
        return frozenset(map(int, (folder / "cgroup.procs").read_text().split()))
    except FileNotFoundError:
        return frozenset()


def read_tree(pid: int) -> CpuReading:
    """Read a process, its living descendants, and those of their children that exited and were waited for.

    The reading's ``processes`` are the descendants.
    """
    root = psutil.Process(pid)
    descendants = root.children(recursive=True)
    total = 0.0
    for process in (root, *descendants):
        try:
            exited = process.cpu_times()
            total += process_cpu_s(process.pid) + exited.children_user + exited.children_system
        except (psutil.NoSuchProcess, OSError):
            if process is root:
                raise
    return CpuReading(cpu_s=total, processes=frozenset(child.pid for child in descendants))


def metered_pids(meter: str) -> list[int]:
    """Return the processes of ``tree:PID`` or ``cgroup:PATH[,PATH]``; none for other meters.

    Raise ``OSError`` or ``psutil.Error`` if the server has exited.
    """
    kind, _, rest = meter.partition(":")
    match kind:
        case "tree":
            root = psutil.Process(int(rest))
            return [root.pid, *(child.pid for child in root.children(recursive=True))]
        case "cgroup":
            return [int(pid) for pid in (Path(rest.split(",")[0]) / "cgroup.procs").read_text().split()]
        case _:
            return []


def process_cpu_s(pid: int) -> float:
    """Return the CPU-seconds of all threads of a process, to the nanosecond.

    ``/proc/PID/stat`` counts in ticks of 10 ms. This reads the process's own CPU clock, whose id is
    ``~pid << 3 | CPUCLOCK_SCHED`` (clock_getcpuclockid(3), the kernel's include/linux/posix-timers_types.h).
    Raise ``OSError`` if there is no such process.
    """
    cpuclock_sched = 2
    return time.clock_gettime(~pid << 3 | cpuclock_sched)


def _pairs(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}
