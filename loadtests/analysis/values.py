"""Windows by cell, a window's value, and the values of a cell by round. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from common.records.window import Load, Window


def by_cell(windows: Iterable[Window]) -> defaultdict[str, list[Window]]:
    """The windows of each cell; of any other name none."""
    found: defaultdict[str, list[Window]] = defaultdict(list)
    for window in windows:
        found[window.cell].append(window)
    return found


def values_by_round(windows: Iterable[Window]) -> dict[int, float]:
    """A cell's values, without the rounds that gave none."""
    return {window.round: value for window in windows if (value := requests_per_cpu_s(window.load)) is not None}


def capacity_rps(load: Load, vcpu: float) -> float:
    """Return the requests per second that ``vcpu`` carry: by their CPU cost, or by the clock where that is unknown."""
    if load.server_cpu_s:
        return load.requests / load.server_cpu_s * vcpu
    return load.requests / load.duration_s if load.duration_s else 0.0


def throughput_rps(load: Load | None) -> float | None:
    """Return good responses per second of wall time; ``None`` where there are none."""
    return load.requests / load.duration_s if load is not None and load.requests else None


def requests_per_cpu_s(load: Load | None) -> float | None:
    """A window's value; ``None`` where the server's CPU time is not known or nothing was answered."""
    if load is None or not load.server_cpu_s or not load.requests:
        return None
    return load.requests / load.server_cpu_s
