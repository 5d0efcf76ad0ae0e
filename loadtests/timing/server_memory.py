"""The private memory of a server's processes, through the meter that names them."""

from contextlib import suppress
from pathlib import Path

import psutil

BYTES_PER_KB = 1024


def private_bytes(meter: str) -> int | None:
    """Return the anonymous memory of the meter's processes, counting shared pages once.

    This is the sum of ``Pss_Anon`` and ``SwapPss`` (proc(5)), without the kernel memory of sockets. ``None`` without a
    meter or if the memory may not be read.
    """
    try:
        return sum(_process_bytes(pid) for pid in _pids(meter)) or None
    except (OSError, psutil.Error):
        return None


def _pids(meter: str) -> list[int]:
    kind, _, rest = meter.partition(":")
    match kind:
        case "tree":
            root = psutil.Process(int(rest))
            return [root.pid, *(child.pid for child in root.children(recursive=True))]
        case "cgroup":
            return [int(pid) for pid in (Path(rest.split(",")[0]) / "cgroup.procs").read_text().split()]
        case _:
            return []


def _process_bytes(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
        return sum(int(row[1]) for row in rows if row[0] in {"Pss_Anon:", "SwapPss:"}) * BYTES_PER_KB
    return 0
