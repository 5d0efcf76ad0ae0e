"""From windows to a summary: pure, records in, a record out."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from common.records.run import Run
from common.records.summary import CellSummary, Interval, Summary, Verdict
from common.records.window import Canary, Load, Window
from loadtests.analysis import shares
from loadtests.analysis.comparison import decide, looks_of
from loadtests.analysis.controls import watch
from loadtests.analysis.dropping import dropouts
from loadtests.analysis.intervals import log_interval, median_interval
from loadtests.analysis.ranking import ranks_of, ties
from loadtests.analysis.values import by_cell, values_by_round
from loadtests.analysis.variance import spread
from loadtests.analysis.verdicts import doubts, sound
from loadtests.scenarios.climb import knee, memory_per_target_bytes

FEWEST_BEYOND = 10
"""A percentile needs so many requests beyond it: p99 1,000 requests a window, p99.9 10,000."""


def summarise(run: Run, windows: Sequence[Window], canaries: Sequence[Canary] = ()) -> Summary:
    """Every cell of the run, those ranked first and best first."""
    windows_of = by_cell(windows)
    values = {cell.name: values_by_round(windows_of[cell.name]) for cell in run.cells}
    controls = watch(run, windows, canaries, values)
    seen = {cell.name: doubts(run, cell, windows_of[cell.name]) | controls.warnings for cell in run.cells}
    ranked = {cell.name: values[cell.name] for cell in run.cells if not cell.control_of and sound(seen[cell.name])}
    pairs = decide(ranked, looks_of(run), margin=run.margin)
    ranks, tied = ranks_of(ranked, pairs), ties(ranked, pairs)
    dropped = dropouts(run, windows)
    rows = [
        replace(
            _row(run, name, windows_of[name], doubt),
            rank=ranks.get(name),
            ties=tied.get(name, []),
            dropout=dropped.get(name),
        )
        for name, doubt in seen.items()
    ]
    return Summary(
        run=run.id, cells=sorted(rows, key=_order), pairs=list(pairs), spread=spread(ranked), controls=controls
    )


def latency_interval(loads: Sequence[Load], name: str, beyond: float) -> Interval | None:
    """A percentile of each window first, then its interval over windows; ``None`` where too few requests lie beyond."""
    return log_interval(
        [
            float(getattr(load.latency_s, name))
            for load in loads
            if load.latency_s is not None and round(load.requests * beyond, 6) >= FEWEST_BEYOND
        ]
    )


def _row(run: Run, name: str, windows: Sequence[Window], seen: Mapping[Verdict, str]) -> CellSummary:
    loads = [window.load for window in windows if window.load is not None]
    values = list(values_by_round(windows).values())
    return CellSummary(
        cell=name,
        rank=None,
        requests_per_cpu_s=log_interval(values),
        median_requests_per_cpu_s=median_interval(values),
        throughput_rps=log_interval([load.requests / load.duration_s for load in loads if load.requests]),
        p50_s=latency_interval(loads, "p50", 0.5),
        p90_s=latency_interval(loads, "p90", 0.1),
        p99_s=latency_interval(loads, "p99", 0.01),
        p999_s=latency_interval(loads, "p999", 0.001),
        knee=log_interval([found for load in loads if (found := knee(load.steps)) is not None]),
        sleeper_bytes=log_interval(_sleeper_bytes(loads)) if run.scenario == "sleepers" else None,
        requests=sum(load.requests for load in loads),
        errors=sum(sum(load.failures.values()) for load in loads),
        server_utilisation=shares.server(loads, run.vcpu),
        generator_utilisation=shares.generator(loads, len(run.generator_cores)),
        throttled=shares.throttled(loads),
        foreign=shares.foreign(loads, len(run.server_cores)),
        steal=shares.stolen(loads, len(run.server_cores)),
        verdict=next(iter(seen), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in seen.items()},
    )


def _sleeper_bytes(loads: Sequence[Load]) -> list[float]:
    found = (memory_per_target_bytes(load.steps) for load in loads)
    return [value for value in found if value is not None and value > 0]


def _order(cell: CellSummary) -> tuple[bool, float]:
    return cell.rank is None, -(cell.requests_per_cpu_s.estimate if cell.requests_per_cpu_s else 0)
