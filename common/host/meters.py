"""Meters of a server: its CPU time, throttling and memory, from its control group (v1 or v2) or its process tree.

A *meter* is a string, so that it can be passed to another process: ``cgroup:/sys/fs/cgroup/...`` for a control group
(several folders, separated by commas, where v1 keeps its controllers apart), or ``tree:1234`` for a process and its
descendants.

*Held* memory is what exists because of the server alone: anonymous, shared (tmpfs, shared mappings) and kernel memory
of its control group. The group's own "usage" also counts the page cache, which the kernel charges to the group that
touches a file first, so that it depends on the order of runs. *Private* memory is the anonymous part alone, which is
what grows while a server works.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.errors import UsageError

CGROUP_ROOT = Path("/sys/fs/cgroup")
KERNEL_LOG = Path("/dev/kmsg")
LONGEST_RECORD_BYTES = 8192
KERNEL_PARTS = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "vmalloc", "slab")
"""The rows of the v2 ``memory.stat`` that Linux 5.18 and later add up in a row of its own, ``kernel``."""
BYTES_PER_KB = 1024
GONE = (OSError, psutil.Error)
"""The errors of reading the meter of a server that has exited, or of one whose process has just ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuReading:
    """Counters since the server started. Throttling is ``None`` where it is not counted, as for a process tree."""

    cpu_s: float
    throttled_s: float | None = None
    throttled_periods: int | None = None
    processes: frozenset[int] = frozenset()
    """The server's processes at the time of the reading."""


def read_cpu(meter: str) -> CpuReading:
    """Read a meter. Raise one of ``GONE`` if the server has exited."""
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


def memory_kills(folder: Path, *, kernel_log: Path = KERNEL_LOG) -> int:
    """Return how many processes of a control group were killed for memory, by the kernel's log if the group is gone.

    Where the log may not be read, which usually takes root, a group that is gone counts as 0. Source: the kernel's
    ``memory.events`` (Documentation/admin-guide/cgroup-v2.rst), ``memory.oom_control`` on v1.
    """
    for name in ("memory.events", "memory.oom_control"):
        with suppress(OSError):
            return _numbers((folder / name).read_text()).get("oom_kill", 0)
    limit = re.compile(rf"\boom_memcg=[^,]*/{re.escape(folder.name)}[,/]".encode())
    return sum(limit.search(record) is not None for record in _records(kernel_log))


def _records(kernel_log: Path) -> Iterator[bytes]:
    """Yield the records in the kernel's log, oldest first; none if it may not be read.

    Source: the kernel's Documentation/ABI/testing/dev-kmsg.
    """
    with suppress(OSError):
        descriptor = os.open(kernel_log, os.O_RDONLY | os.O_NONBLOCK)
        try:
            # Each read returns one record; after the last one, a read fails instead of waiting for more.
            while record := os.read(descriptor, LONGEST_RECORD_BYTES):
                yield record
        finally:
            os.close(descriptor)


def read_cgroup(folders: list[Path]) -> CpuReading:
    """Read one control group: ``cpu.stat`` on v2 (microseconds), ``cpuacct.usage`` and ``cpu.stat`` on v1 (ns).

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpuacct.rst, scheduler/sched-bwc.rst.
    """
    stat = _numbers(_read_first(folders, "cpu.stat"))
    if "usage_usec" in stat:
        cpu_s = stat["usage_usec"] / 1e6
        throttled_s = stat["throttled_usec"] / 1e6 if "throttled_usec" in stat else None
    else:
        cpu_s = int(_read_first(folders, "cpuacct.usage")) / 1e9
        throttled_s = stat["throttled_time"] / 1e9 if "throttled_time" in stat else None
    return CpuReading(
        cpu_s=cpu_s,
        throttled_s=throttled_s,
        throttled_periods=stat.get("nr_throttled"),
        processes=_processes(folders[0]),
    )


def _read_first(folders: list[Path], name: str) -> str:
    """Return the text of the file ``name`` in the first folder that has it; raise ``FileNotFoundError`` if none has."""
    *others, last = folders
    for folder in others:
        with suppress(FileNotFoundError):
            return (folder / name).read_text()
    return (last / name).read_text()


def _processes(folder: Path) -> frozenset[int]:
    try:
        return frozenset(_group_pids(folder))
    except FileNotFoundError:
        return frozenset()


def _group_pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]


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

    Raise one of ``GONE`` if the server has exited.
    """
    kind, _, rest = meter.partition(":")
    match kind:
        case "tree":
            root = psutil.Process(int(rest))
            return [root.pid, *(child.pid for child in root.children(recursive=True))]
        case "cgroup":
            return _group_pids(Path(rest.split(",")[0]))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReading:
    """Memory at one instant, in bytes; ``None`` where it cannot be read."""

    anonymous_bytes: int | None = None
    shared_bytes: int | None = None
    kernel_bytes: int | None = None
    pss_bytes: int | None = None
    """Proportional set size: a page that several processes map counts in equal parts for each of them."""
    uss_bytes: int | None = None
    """Unique set size: the pages that no other process maps."""
    processes: int

    @property
    def held_bytes(self) -> int | None:
        """Anonymous, shared and kernel memory of the group; for a process tree, its PSS."""
        parts = (self.anonymous_bytes, self.shared_bytes, self.kernel_bytes)
        readable = [part for part in parts if part is not None]
        return sum(readable) if len(readable) == len(parts) else self.pss_bytes


def read_memory(meter: str, *, proc: Path = Path("/proc")) -> MemoryReading:
    """Read ``cgroup:PATH`` or ``tree:PID``; the latter counts the descendants of a process, not the process itself.

    Raise one of ``GONE`` if the server has exited.
    """
    kind, _, rest = meter.partition(":")
    match kind:
        case "cgroup":
            return _read_group(Path(rest), proc)
        case "tree":
            pids = [child.pid for child in psutil.Process(int(rest)).children(recursive=True)]
            return MemoryReading(processes=len(pids), **_set_sizes(pids, proc))
        case _:
            raise UsageError(f"invalid memory meter {meter}: must be cgroup:PATH or tree:PID.")


def _read_group(folder: Path, proc: Path) -> MemoryReading:
    """Read a control group (the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst)."""
    stat = _numbers((folder / "memory.stat").read_text())
    pids = _group_pids(folder)
    if "anon" in stat:
        anonymous, shared, kernel = stat["anon"], stat["shmem"], _v2_kernel(stat)
    else:
        anonymous, shared = stat["total_rss"], stat.get("total_shmem", 0)
        kernel = int((folder / "memory.kmem.usage_in_bytes").read_text())
    return MemoryReading(
        anonymous_bytes=anonymous,
        shared_bytes=shared,
        kernel_bytes=kernel,
        processes=len(pids),
        **_set_sizes(pids, proc),
    )


def _v2_kernel(stat: dict[str, int]) -> int:
    return stat["kernel"] if "kernel" in stat else sum(stat.get(part, 0) for part in KERNEL_PARTS)


def _set_sizes(pids: Iterable[int], proc: Path) -> dict[str, int | None]:
    """Add up PSS and USS of processes that still exist; ``None`` if they are another user's and may not be read."""
    pss = uss = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            try:
                rollup = _rollup(pid, proc)
            except PermissionError:
                return {"pss_bytes": None, "uss_bytes": None}
            pss += rollup["Pss"] * BYTES_PER_KB
            uss += (rollup["Private_Clean"] + rollup["Private_Dirty"]) * BYTES_PER_KB
    return {"pss_bytes": pss, "uss_bytes": uss}


def _rollup(pid: int, proc: Path = Path("/proc")) -> dict[str, int]:
    """Return the kilobytes of a process by the names of ``smaps_rollup`` (proc(5)), whose first line is a range."""
    return _numbers((proc / str(pid) / "smaps_rollup").read_text().partition("\n")[2])


def _numbers(text: str) -> dict[str, int]:
    """Parse lines of a name and a number, with or without a colon and a unit."""
    return {words[0].rstrip(":"): int(words[1]) for line in text.splitlines() if len(words := line.split()) > 1}


def private_bytes(meter: str) -> int | None:
    """Return the anonymous memory of the meter's processes, counting shared pages once.

    This is the sum of ``Pss_Anon`` and ``SwapPss`` (proc(5)), without the kernel memory of sockets. ``None`` without a
    meter or if the memory may not be read.
    """
    try:
        return sum(_process_bytes(pid) for pid in metered_pids(meter)) or None
    except GONE:
        return None


def _process_bytes(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        rollup = _rollup(pid)
        return (rollup.get("Pss_Anon", 0) + rollup.get("SwapPss", 0)) * BYTES_PER_KB
    return 0
