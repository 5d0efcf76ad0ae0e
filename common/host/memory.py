"""Memory that a server holds, read from its control group (v1 or v2) or from its process tree.

*Held* memory is what exists because of the server alone: anonymous, shared (tmpfs, shared mappings) and kernel memory
of its control group. The group's own "usage" also counts the page cache, which the kernel charges to the group that
touches a file first, so that it depends on the order of runs. *Private* memory is the anonymous part alone, which is
what grows while a server works.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.errors import UsageError
from common.host.cpu import metered_pids

KERNEL_PARTS = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "vmalloc", "slab")
"""The rows of the v2 ``memory.stat`` that Linux 5.18 and later add up in a row of its own, ``kernel``."""
BYTES_PER_KB = 1024


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

    Raise ``OSError`` or ``psutil.Error`` if the server has exited.
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
    pids = [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
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
                rollup = _numbers((proc / str(pid) / "smaps_rollup").read_text().partition("\n")[2])
            except PermissionError:
                return {"pss_bytes": None, "uss_bytes": None}
            pss += rollup["Pss"] * BYTES_PER_KB
            uss += (rollup["Private_Clean"] + rollup["Private_Dirty"]) * BYTES_PER_KB
    return {"pss_bytes": pss, "uss_bytes": uss}


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
    except (OSError, psutil.Error):
        return None


def _process_bytes(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
        return sum(int(row[1]) for row in rows if row[0] in {"Pss_Anon:", "SwapPss:"}) * BYTES_PER_KB
    return 0
