"""From windows to a summary: pure functions, numbers in, numbers out.

A window's value is that of one fresh server, so windows are independent and their logarithms close to normal. Cells
are compared within rounds by paired log ratios (what a round shares falls out), with Holm's adjustment over all pairs.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from common.records import CellSummary, Interval, Load, Run, Summary, Verdict, Window
from loadtests.verdicts import doubts

CONFIDENCE = 0.95


def summarise(run: Run, windows: Sequence[Window]) -> Summary:
    """Every cell of the run, those ranked first and best first."""
    by_cell: dict[str, list[Window]] = defaultdict(list)
    for window in windows:
        by_cell[window.cell].append(window)
    seen = {cell.name: doubts(run, cell, by_cell[cell.name]) for cell in run.cells}
    ranks = rank({name: _values(by_cell[name]) for name in seen if not seen[name]})
    cells = [_row(run, cell.name, by_cell[cell.name], seen[cell.name], ranks.get(cell.name)) for cell in run.cells]
    return Summary(run=run.id, cells=sorted(cells, key=_order))


def log_interval(values: Sequence[float]) -> Interval | None:
    """Geometric mean of positive values with Student's t interval on their logarithms; ``None`` for no values."""
    if not values:
        return None
    logs = np.log(values)
    estimate = math.exp(logs.mean())
    if len(values) == 1:
        return Interval(estimate=estimate, low=None, high=None, n=1)
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * _standard_error(logs)
    return Interval(
        estimate=estimate, low=math.exp(logs.mean() - half), high=math.exp(logs.mean() + half), n=len(values)
    )


def rank(values: Mapping[str, Mapping[int, float]]) -> dict[str, int]:
    """1 + the number of cells that are significantly better, from each cell's values by round."""
    pairs = list(itertools.combinations(values, 2))
    tests = [_paired(values[a], values[b]) for a, b in pairs]
    adjusted = holm([p for p, _ in tests])
    ranks = dict.fromkeys(values, 1)
    for (a, b), (_, ratio), p in zip(pairs, tests, adjusted, strict=True):
        if p < 1 - CONFIDENCE:
            ranks[b if ratio > 0 else a] += 1
    return ranks


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that hold the family-wise error rate (Holm 1979)."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1))
    return [float(p) for p in np.minimum(adjusted, 1)]


def _paired(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[float, float]:
    """p-value and mean of the log ratio a/b over the rounds that both have."""
    ratios = np.array([math.log(a[number] / b[number]) for number in a.keys() & b.keys()])
    if len(ratios) < 2:  # noqa: PLR2004 -- no spread to be had from one
        return 1.0, 0.0
    mean, error = float(ratios.mean()), _standard_error(ratios)
    if error == 0:
        return float(mean == 0), mean
    return 2 * float(stdtr(len(ratios) - 1, -abs(mean) / error)), mean


def _standard_error(values: npt.NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _values(windows: Sequence[Window]) -> dict[int, float]:
    return {window.round: value for window in windows if (value := requests_per_cpu_s(window.load)) is not None}


def requests_per_cpu_s(load: Load | None) -> float | None:
    """A window's value; ``None`` where the server's CPU time is not known or nothing was answered."""
    if load is None or not load.server_cpu_s or not load.requests:
        return None
    return load.requests / load.server_cpu_s


def _row(run: Run, name: str, windows: Sequence[Window], seen: Mapping[Verdict, str], place: int | None) -> CellSummary:
    loads = [window.load for window in windows if window.load is not None]
    time_s = sum(load.duration_s for load in loads)
    server_s = sum(load.server_cpu_s or 0.0 for load in loads)
    latencies = [load.latency_s for load in loads if load.latency_s is not None]
    return CellSummary(
        cell=name,
        rank=place,
        requests_per_cpu_s=log_interval(list(_values(windows).values())),
        throughput_rps=log_interval([load.requests / load.duration_s for load in loads if load.requests]),
        p50_s=log_interval([latency.p50 for latency in latencies]),
        p99_s=log_interval([latency.p99 for latency in latencies]),
        requests=sum(load.requests for load in loads),
        errors=sum(sum(load.failures.values()) for load in loads),
        server_utilisation=server_s / time_s / run.vcpu if time_s else None,
        generator_utilisation=(
            sum(load.generator_cpu_s for load in loads) / time_s / len(run.generator_cores) if time_s else None
        ),
        verdict=next(iter(seen), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in seen.items()},
    )


def _order(cell: CellSummary) -> tuple[bool, float]:
    return cell.rank is None, -(cell.requests_per_cpu_s.estimate if cell.requests_per_cpu_s else 0)
