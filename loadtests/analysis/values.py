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


def requests_per_cpu_s(load: Load | None) -> float | None:
    """A window's value; ``None`` where the server's CPU time is not known or nothing was answered."""
    if load is None or not load.server_cpu_s or not load.requests:
        return None
    return load.requests / load.server_cpu_s
