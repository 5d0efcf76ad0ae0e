"""The value of a window, and values grouped by cell and by round. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from common.records.window import Load, Window


def by_cell(windows: Iterable[Window]) -> defaultdict[str, list[Window]]:
    """Return the windows of each cell; any other name has none."""
    windows_of: defaultdict[str, list[Window]] = defaultdict(list)
    for window in windows:
        windows_of[window.cell].append(window)
    return windows_of


def values_by_round(windows: Iterable[Window]) -> dict[int, float]:
    """Return a cell's values by round, without the rounds that have none."""
    return {window.round: value for window in windows if (value := requests_per_cpu_s(window.load)) is not None}


def capacity_rps(load: Load, vcpu: float) -> float:
    """Return the requests per second that ``vcpu`` can serve: by their CPU cost, or by wall time if that is unknown."""
    if load.server_cpu_s:
        return load.requests / load.server_cpu_s * vcpu
    return load.requests / load.duration_s if load.duration_s else 0.0


def throughput_rps(load: Load | None) -> float | None:
    """Return good responses per second of wall time; ``None`` if there are none."""
    return load.requests / load.duration_s if load is not None and load.requests else None


def requests_per_cpu_s(load: Load | None) -> float | None:
    """Return a window's value; ``None`` if the server's CPU time is unknown or nothing was answered."""
    if load is None or not load.server_cpu_s or not load.requests:
        return None
    return load.requests / load.server_cpu_s
