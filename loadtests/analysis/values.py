"""Values of windows by cell and by round, cells that conform, and shares of the windows' time. Pure.

A share is of the time for which something was used or lost, from 0 to 1; ``None`` if that was not recorded.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from common.records.run import Cell
from common.records.window import Load, Window


def conforms(cell: Cell) -> bool:
    """Return whether a cell passed conformance, or was not checked."""
    return cell.conformance is None or not cell.conformance.failed


def by_cell(windows: Iterable[Window]) -> defaultdict[str, list[Window]]:
    """Return the windows of each cell; any other name has none."""
    windows_of: defaultdict[str, list[Window]] = defaultdict(list)
    for window in windows:
        windows_of[window.cell].append(window)
    return windows_of


def values_by_round(windows: Iterable[Window]) -> dict[int, float]:
    """Return a cell's values by round, without the rounds that have none."""
    return {window.round: value for window in windows if (value := requests_per_cpu_s(window.load)) is not None}


def values_of(cells: Iterable[Cell], windows_of: Mapping[str, Sequence[Window]]) -> dict[str, dict[int, float]]:
    """Return the values of each cell by round, given the windows of each."""
    return {cell.name: values_by_round(windows_of[cell.name]) for cell in cells}


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


def share(loads: Sequence[Load], seconds: Callable[[Load], float | None], cores: float = 1) -> float | None:
    """Return ``seconds`` over the time of ``cores``, in the windows that recorded it."""
    known = [(used_s, load.duration_s) for load in loads if (used_s := seconds(load)) is not None]
    time_s = sum(duration_s for _, duration_s in known) * cores
    return sum(used_s for used_s, _ in known) / time_s if time_s else None


def server_share(loads: Sequence[Load], vcpu: float) -> float | None:
    """Return the share of its vCPUs that the server used."""
    return share(loads, lambda load: load.server_cpu_s, vcpu)


def generator_share(loads: Sequence[Load], cores: int) -> float | None:
    """Return the share that the generator used of the cores that it can use."""
    return share(loads, lambda load: load.generator_cpu_s, cores)


def database_share(loads: Sequence[Load], cores: int) -> float | None:
    """Return the share that databases used of the generator's cores, where they run."""
    return share(loads, lambda load: load.database_cpu_s, cores)


def throttled_share(loads: Sequence[Load]) -> float | None:
    """Return the share of the time in which its quota throttled the server; ``None`` without a quota."""
    return share(loads, lambda load: load.throttled_s)


def stolen_share(loads: Sequence[Load], server_cores: int) -> float | None:
    """Return the share of the server's cores that the hypervisor took (steal)."""
    return share(loads, lambda load: load.server_steal_s, server_cores)


def foreign_share(loads: Sequence[Load], server_cores: int) -> float | None:
    """Return the share of the server's cores that something other than the server used."""
    used = share(loads, foreign_s, server_cores)
    return None if used is None else max(0.0, used)


def waited_share(loads: Sequence[Load]) -> float | None:
    """Return the share of the time in which the generator was ready to run but had no core."""
    return share(loads, lambda load: load.generator_run_delay_s)


def foreign_s(load: Load) -> float | None:
    """Return others' CPU time on the server's cores; it scatters around 0 if there was none, by the kernel's ticks."""
    if load.server_cores_busy_s is None or load.server_cpu_s is None:
        return None
    return load.server_cores_busy_s - load.server_cpu_s
