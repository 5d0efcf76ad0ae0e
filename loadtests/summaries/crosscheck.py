"""Whether two load generators agree, from their windows. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from common.records.experiments.generator import CrosscheckSummary, ToolRow
from common.records.run import CrosscheckRun
from common.records.summary import Interval
from common.records.window import Load, Window
from loadtests.analysis import shares
from loadtests.analysis.values import by_cell, requests_per_cpu_s, throughput_rps
from loadtests.statistics.intervals import log_interval
from loadtests.statistics.paired import paired_ratio

Value = Callable[[Load | None], float | None]


def summarise(run: CrosscheckRun, windows: Sequence[Window]) -> CrosscheckSummary:
    """Return each tool's rates, the ratios of ours to wrk's, and the windows that had failures."""
    windows_of = by_cell(windows)
    ours, theirs = (windows_of[cell.name] for cell in run.cells)
    return CrosscheckSummary(
        run=run.id,
        rows=[_row(run, cell.name, windows_of[cell.name]) for cell in run.cells],
        requests_per_cpu_s_ratio=_ratio(ours, theirs, requests_per_cpu_s),
        throughput_ratio=_ratio(ours, theirs, throughput_rps),
        failures=list(_failures(windows)),
    )


def _row(run: CrosscheckRun, cell: str, windows: Sequence[Window]) -> ToolRow:
    loads = [window.load for window in windows if window.load is not None]
    return ToolRow(
        cell=cell,
        requests_per_cpu_s=log_interval(list(_by_round(windows, requests_per_cpu_s).values())),
        throughput_rps=log_interval(list(_by_round(windows, throughput_rps).values())),
        server_utilisation=shares.server(loads, run.setup.size.vcpu),
        generator_utilisation=shares.generator(loads, len(run.setup.generator_cores)),
    )


def _ratio(ours: Sequence[Window], theirs: Sequence[Window], value: Value) -> Interval | None:
    return paired_ratio(_by_round(ours, value), _by_round(theirs, value))


def _by_round(windows: Sequence[Window], value: Value) -> dict[int, float]:
    """Return the value of each round's server by all the windows that a tool made on it."""
    loads: defaultdict[int, list[Load]] = defaultdict(list)
    for window in windows:
        if window.load is not None:
            loads[window.round].append(window.load)
    known = {number: _pooled(made, value) for number, made in loads.items()}
    return {number: rate for number, rate in known.items() if rate is not None}


def _pooled(loads: Sequence[Load], value: Value) -> float | None:
    """Return all requests over all the time that they took, where ``value`` is the rate of one load.

    ``None`` if a load has no value.
    """
    took_s = 0.0
    for load in loads:
        if (rate := value(load)) is None:
            return None
        took_s += load.requests / rate
    return sum(load.requests for load in loads) / took_s


def _failures(windows: Sequence[Window]) -> Iterator[str]:
    for window in windows:
        problem = window.error or (window.load and ", ".join(f"{n} x {c}" for n, c in window.load.failures.items()))
        if problem:
            yield f"round {window.round} {window.cell}: {problem}"
