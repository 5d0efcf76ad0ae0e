"""Memory that a server holds, read from its cgroup (v1 or v2) or from its process tree.

What is named *held* is what the server alone is answerable for: anonymous, shared (tmpfs, shared mappings) and kernel
memory of its control group. The group's "usage" also counts the page cache, which is charged to whoever touched a file
first and so depends on the order of runs.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.errors import UsageError

KERNEL_PARTS = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "vmalloc", "slab")
"""What ``kernel`` sums up in the v2 ``memory.stat`` of Linux 5.18 and later."""
BYTES_PER_KB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReading:
    """Memory at one instant, in bytes. What cannot be read there is ``None``."""

    anonymous_bytes: int | None = None
    shared_bytes: int | None = None
    kernel_bytes: int | None = None
    pss_bytes: int | None = None
    """Proportional set size: pages that several processes of the machine map are counted in equal parts."""
    uss_bytes: int | None = None
    """Unique set size: pages that no other process maps."""
    processes: int

    @property
    def held_bytes(self) -> int | None:
        """Anonymous, shared and kernel memory of the group; the tree's PSS where there is no group."""
        parts = (self.anonymous_bytes, self.shared_bytes, self.kernel_bytes)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else self.pss_bytes


def read_memory(meter: str, *, proc: Path = Path("/proc")) -> MemoryReading:
    """One reading of ``cgroup:PATH`` or of ``tree:PID``, which is the process's descendants without itself.

    ``OSError`` or ``psutil.Error`` once the server is gone.
    """
    kind, _, rest = meter.partition(":")
    match kind:
        case "cgroup":
            return _group(Path(rest), proc)
        case "tree":
            pids = [child.pid for child in psutil.Process(int(rest)).children(recursive=True)]
            return MemoryReading(processes=len(pids), **_mapped(pids, proc))
        case _:
            raise UsageError(f"the memory meter {meter!r} is unknown. Accepted: cgroup:PATH and tree:PID.")


def _group(folder: Path, proc: Path) -> MemoryReading:
    """Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst."""
    stat = _numbers((folder / "memory.stat").read_text())
    pids = [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    if "anon" in stat:
        anonymous, shared, kernel = stat["anon"], stat["shmem"], _kernel(stat)
    else:
        anonymous, shared = stat["total_rss"], stat.get("total_shmem", 0)
        kernel = int((folder / "memory.kmem.usage_in_bytes").read_text())
    return MemoryReading(
        anonymous_bytes=anonymous,
        shared_bytes=shared,
        kernel_bytes=kernel,
        processes=len(pids),
        **_mapped(pids, proc),
    )


def _kernel(stat: dict[str, int]) -> int:
    return stat["kernel"] if "kernel" in stat else sum(stat.get(part, 0) for part in KERNEL_PARTS)


def _mapped(pids: Iterable[int], proc: Path) -> dict[str, int | None]:
    """PSS and USS of processes together, ``None`` where this user may not read another's; an ended one holds none."""
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
    """Lines of a name and a number, with or without a colon and a unit."""
    return {words[0].rstrip(":"): int(words[1]) for line in text.splitlines() if len(words := line.split()) > 1}
