"""The summary of a load test: a row per cell, pairs, spread and controls. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from common.records.figure import Conditions, Figure, Metric
from common.records.run import Cell, LoadRun
from common.records.summary import CellSummary, Interval, Summary, Verdict
from common.records.window import Canary, Load, Window
from loadtests.analysis import shares
from loadtests.analysis.climbing import knee, memory_per_target_bytes
from loadtests.analysis.comparison import decide, looks_of
from loadtests.analysis.controls import watch
from loadtests.analysis.dropping import dropouts, is_alone, pairs_of, ranks, steadying
from loadtests.analysis.ranking import rank_ranges, ties
from loadtests.analysis.values import by_cell, values_by_round
from loadtests.analysis.verdicts import permits_ranking, verdicts
from loadtests.statistics.intervals import log_interval, mean_interval, median_interval
from loadtests.statistics.moderation import adjusted
from loadtests.statistics.variance import spread
from loadtests.summaries.figures import figure

FEWEST_BEYOND = 10
"""The fewest requests beyond a percentile: p99 needs 1,000 requests per window, p99.9 needs 10,000."""


def summarise(run: LoadRun, visits: Sequence[Window | Canary]) -> Summary:
    """Return every cell's row, ranked cells first and best first, with pairs, spread and controls."""
    windows = [visit for visit in visits if isinstance(visit, Window)]
    canaries = [visit for visit in visits if isinstance(visit, Canary)]
    windows_of = by_cell(windows)
    values = {cell.name: values_by_round(windows_of[cell.name]) for cell in run.cells}
    controls = watch(run, windows, canaries, values)
    means = {name: cell.interval() for name, cell in adjusted(values).items()} if run.slicing else {}
    reasons = {cell.name: _verdicts(run, cell, windows_of[cell.name]) | controls.warnings for cell in run.cells}
    ranked = {
        cell.name: values[cell.name]
        for cell in run.cells
        if not cell.control_of and permits_ranking(reasons[cell.name])
    }
    pairs = decide(ranked, looks_of(run), margin=run.stopping.margin, steadied_by=steadying(run, ranked))
    decided = pairs if ranks(run) else pairs_of(run, windows)
    ranges, tied = rank_ranges(ranked, pairs), ties(ranked, pairs)
    over_floor = costs_over_floor(run, values) if run.slicing else {}
    dropped = dropouts(run, windows)
    rows = [
        replace(
            _row(run, cell.name, windows_of[cell.name], reasons[cell.name]),
            rank=ranges.get(cell.name, (None, None))[0],
            rank_to=ranges.get(cell.name, (None, None))[1],
            ties=tied.get(cell.name, []),
            dropout=dropped.get(cell.name),
            over_floor_s=over_floor.get(cell.name),
        )
        for cell in run.cells
    ]
    rows = [replace(row, requests_per_cpu_s=means.get(row.cell, row.requests_per_cpu_s)) for row in rows]
    return Summary(
        run=run.id, cells=sorted(rows, key=_order), pairs=list(decided), spread=spread(ranked), controls=controls
    )


def costs_over_floor(run: LoadRun, values: Mapping[str, Mapping[int, float]]) -> dict[str, Interval]:
    """Return the CPU time of a request beyond that of the floor on the same server, image and Python, within rounds.

    ``values`` are those of each cell by round. Floors, and cells without one, are not in the result.
    """
    floors = {
        (cell.server, cell.image, cell.python): cell.name for cell in run.cells if cell.is_floor and not cell.control_of
    }
    found = {}
    for cell in run.cells:
        floor = floors.get((cell.server, cell.image, cell.python))
        if floor is not None and floor not in {cell.name, cell.control_of}:
            own, bare = values[cell.name], values[floor]
            found[cell.name] = mean_interval([1 / own[n] - 1 / bare[n] for n in sorted(own.keys() & bare.keys())])
    return {name: cost for name, cost in found.items() if cost is not None}


def latency_interval(loads: Sequence[Load], name: str, beyond: float) -> Interval | None:
    """Return a percentile's interval over windows, without those that have too few requests beyond it."""
    return log_interval(
        [
            float(getattr(load.latency_s, name))
            for load in loads
            if load.latency_s is not None and round(load.requests * beyond, 6) >= FEWEST_BEYOND
        ]
    )


def figures(run: LoadRun, summary: Summary) -> Iterator[Figure]:
    """Yield each stack's requests per CPU-second, and its 99th percentile if the load was a share of its capacity."""
    cells = {cell.name: cell for cell in run.cells if cell.control_of is None}
    load, size = run.setup.load, run.setup.size
    share = load.rate.share if load.rate is not None else None
    conditions = Conditions(scenario=load.scenario, vcpu=size.vcpu, workers=size.workers, load_share=share)
    for row in summary.cells:
        p99_s = row.p99_s if share is not None else None
        for metric, value in ((Metric.REQUESTS_PER_CPU_S, row.requests_per_cpu_s), (Metric.P99_S, p99_s)):
            if row.cell in cells and value is not None:
                yield figure(run, cells[row.cell], metric, value, row.verdict, conditions=conditions)


def _verdicts(run: LoadRun, cell: Cell, windows: Sequence[Window]) -> dict[Verdict, str]:
    return verdicts(cell, windows, run.setup, run.runtime, alone=is_alone(run))


def _row(run: LoadRun, name: str, windows: Sequence[Window], seen: Mapping[Verdict, str]) -> CellSummary:
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
        knee=log_interval([highest for load in loads if (highest := knee(load.steps)) is not None]),
        sleeper_bytes=log_interval(_sleeper_bytes(loads)) if run.setup.load.scenario == "sleepers" else None,
        requests=sum(load.requests for load in loads),
        errors=sum(sum(load.failures.values()) for load in loads),
        server_utilisation=shares.server(loads, run.setup.size.vcpu),
        generator_utilisation=shares.generator(loads, len(run.setup.generator_cores)),
        throttled=shares.throttled(loads),
        foreign=shares.foreign(loads, len(run.setup.server_cores)),
        steal=shares.stolen(loads, len(run.setup.server_cores)),
        windows_discarded=sum(len(load.discarded) for load in loads),
        slices=sum(len(load.slices) for load in loads) if run.slicing else None,
        slices_disturbed=sum(one.disturbed for load in loads for one in load.slices) if run.slicing else None,
        idle_cpu_share=_mean([load.idle_cpu_share for load in loads if load.idle_cpu_share is not None]),
        verdict=next(iter(seen), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in seen.items()},
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _sleeper_bytes(loads: Sequence[Load]) -> list[float]:
    sizes = (memory_per_target_bytes(load.steps) for load in loads)
    return [value for value in sizes if value is not None and value > 0]


def _order(cell: CellSummary) -> tuple[bool, float]:
    return cell.rank is None, -(cell.requests_per_cpu_s.estimate if cell.requests_per_cpu_s else 0)
