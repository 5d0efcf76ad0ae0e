"""What a load test shows: the summary, its figures, and the tables during a run and at its end. Pure."""

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence

from msgspec.structs import replace
from rich.table import Table

from common.records.figure import Conditions, Figure, Metric, figure
from common.records.run import Cell, Design, LoadRun, is_load_test
from common.records.summary import CellSummary, DropReason, Interval, Pair, Summary, Verdict
from common.records.window import Load, Window
from common.words import counted
from loadtests.analysis.between_runs import LEVEL, between_runs_of
from loadtests.analysis.climbing import knee, memory_per_target_bytes
from loadtests.analysis.comparison import decide, looks_of, rank_ranges, ties
from loadtests.analysis.controls import watch
from loadtests.analysis.dropping import dropouts, pairs_of, ranks, variation
from loadtests.analysis.formatting import MB, MISSING, MS_PER_S, US_PER_S, bounds, estimate, plain_table, share
from loadtests.analysis.over_floor import costs_over_floor
from loadtests.analysis.rates import estimates_of, rates
from loadtests.analysis.thresholds import SATURATED
from loadtests.analysis.together import RepeatedRate, series_of, stack_rows
from loadtests.analysis.values import (
    by_cell,
    database_share,
    foreign_share,
    generator_share,
    server_share,
    stolen_share,
    throttled_share,
    values_by_round,
    values_of,
)
from loadtests.analysis.verdicts import load_test_verdicts, permits_ranking
from loadtests.experiments.loadtest.notes import value_count
from loadtests.statistics.components import Estimate, estimate_of
from loadtests.statistics.intervals import log_interval, mean, median_interval
from loadtests.statistics.spread import spread

RATE, INTERVAL = "req/s per vCPU", "95 % interval"
COLUMNS: Mapping[str, Callable[[Cell, CellSummary], str]] = {
    "rank": lambda _, row: rank_range(row),
    "stack": lambda cell, _: _name(cell),
    "version": lambda cell, _: cell.version or MISSING,
    "rounds": lambda _, row: _rounds(row),
    RATE: lambda _, row: estimate(row.requests_per_cpu_s),
    INTERVAL: lambda _, row: bounds(row.requests_per_cpu_s),
    "over floor us": lambda _, row: estimate(row.over_floor_s, scale=US_PER_S, digits=1),
    "wall req/s": lambda _, row: _wall_rate(row),
    "p99 ms": lambda _, row: estimate(row.p99_s, scale=MS_PER_S, digits=2),
    "errors": lambda _, row: f"{row.errors:,}",
    "CPU": lambda _, row: share(row.server_utilisation),
    "gen": lambda _, row: share(row.generator_utilisation),
    "verdict": lambda _, row: row.verdict,
}
"""The columns of the table, each with what it says of a cell."""
LEFT = frozenset({"stack", "version", "verdict"})

FEWEST_BEYOND = 10
"""The fewest requests beyond a percentile: p99 needs 1,000 requests per window, p99.9 needs 10,000."""

REPEATED = ("stack", RATE, INTERVAL, "relative", "95 % of relative")


def summarise(run: LoadRun, windows: Sequence[Window]) -> Summary:
    """Return every cell's row, best first, with pairs, spread and controls.

    Floors are compared with the others but have no rank. What is not compared comes last, and so do controls.
    """
    windows_of = by_cell(windows)
    values = values_of(run.cells, windows_of)
    controls = watch(run, windows, values)
    seen = load_test_verdicts(run, windows_of)
    estimates = estimates_of(run, values, seen)
    reasons = {name: verdicts | controls.warnings for name, verdicts in seen.items()}
    cells = [cell for cell in run.cells if not cell.control_of and permits_ranking(reasons[cell.name])]
    compared = {cell.name: values[cell.name] for cell in cells}
    ranked = [cell.name for cell in cells if not cell.is_floor]
    known = variation(run, compared, between_runs_of(run))
    pairs = decide(compared, looks_of(run), margin=run.stopping.margin, variation=known)
    decided = pairs if ranks(run) else pairs_of(run, windows)
    ranges, tied = rank_ranges(ranked, pairs), ties(ranked, pairs)
    over_floor = {} if run.design is Design.DUET else costs_over_floor(run, values)
    dropped = dropouts(run, windows)
    rows = [
        replace(
            _row(run, cell.name, windows_of[cell.name], reasons[cell.name], estimates.get(cell.name)),
            rank=ranges.get(cell.name, (None, None))[0],
            rank_to=ranges.get(cell.name, (None, None))[1],
            ties=tied.get(cell.name, []),
            dropout=dropped.get(cell.name),
            over_floor_s=over_floor.get(cell.name),
        )
        for cell in run.cells
    ]
    return Summary(
        run=run.id,
        cells=sorted(rows, key=lambda row: _order(row, compared)),
        pairs=list(decided),
        between_runs=between_runs_of(run),
        spread=spread(compared),
        controls=controls,
    )


def _percentile(run: LoadRun, loads: Sequence[Load], name: str, beyond: float) -> Interval | None:
    """Return a percentile over windows, without those that have too few requests beyond it."""
    return _absolute(
        run,
        [
            float(getattr(load.latency_s, name))
            for load in loads
            if load.latency_s is not None and round(load.requests * beyond, 6) >= FEWEST_BEYOND
        ],
    )


def _absolute(run: LoadRun, values: Sequence[float]) -> Interval | None:
    """Return the mean of values with the interval that holds in other runs, with what each does to all stacks."""
    found, between = estimate_of(values), between_runs_of(run)
    return None if found is None else found.interval(*(() if between is None else (between, LEVEL)))


def figures(run: LoadRun, summary: Summary) -> Iterator[Figure]:
    """Yield each stack's rate, its time until warm, and what a waiting request takes where requests waited.

    If the load was a share of its capacity, also its 99th percentile.
    """
    cells = {cell.name: cell for cell in run.cells if cell.control_of is None}
    load, size = run.setup.load, run.setup.size
    share = load.rate.share if load.rate is not None else None
    conditions = Conditions(scenario=load.scenario, vcpu=size.vcpu, workers=size.workers, load_share=share)
    series = series_of(run) if is_load_test(run) else None
    for row in summary.cells:
        p99_s = row.p99_s if share is not None else None
        for metric, value in (
            (Metric.REQUESTS_PER_CPU_S, row.requests_per_cpu_s),
            (Metric.P99_S, p99_s),
            (Metric.WARM_S, row.until_warm_s),
            (Metric.SLEEPER_BYTES, row.sleeper_bytes),
        ):
            if row.cell in cells and value is not None:
                found = figure(run, cells[row.cell], metric, value, row.verdict, conditions=conditions, series=series)
                is_rate = metric is Metric.REQUESTS_PER_CPU_S
                yield replace(found, error=row.error, between_runs=summary.between_runs) if is_rate else found


def _row(
    run: LoadRun, name: str, windows: Sequence[Window], seen: Mapping[Verdict, str], rate: Estimate | None
) -> CellSummary:
    loads = [window.load for window in windows if window.load is not None]
    warmups = [load.warmup for load in loads if load.warmup is not None]
    values, between = list(values_by_round(windows).values()), between_runs_of(run)
    return CellSummary(
        cell=name,
        rank=None,
        requests_per_cpu_s=None if rate is None else rate.interval(between),
        this_run=None if rate is None else rate.interval(),
        error=None if rate is None else rate.error,
        median_requests_per_cpu_s=median_interval(values),
        throughput_rps=_absolute(run, [load.requests / load.duration_s for load in loads if load.requests]),
        p50_s=_percentile(run, loads, "p50", 0.5),
        p90_s=_percentile(run, loads, "p90", 0.1),
        p99_s=_percentile(run, loads, "p99", 0.01),
        p999_s=_percentile(run, loads, "p999", 0.001),
        knee=log_interval([highest for load in loads if (highest := knee(load.steps)) is not None]),
        sleeper_bytes=log_interval(_sleeper_bytes(loads)) if run.setup.load.scenario == "sleepers" else None,
        requests=sum(load.requests for load in loads),
        errors=sum(sum(load.failures.values()) for load in loads),
        server_utilisation=server_share(loads, run.setup.size.vcpu),
        generator_utilisation=generator_share(loads, run.setup.usable_generator_cores),
        database_s=log_interval(
            [load.database_cpu_s / load.requests for load in loads if load.database_cpu_s and load.requests]
        ),
        database_utilisation=database_share(loads, len(run.setup.generator_cores)),
        throttled=throttled_share(loads),
        foreign=foreign_share(loads, len(run.setup.server_cores)),
        steal=stolen_share(loads, len(run.setup.server_cores)),
        windows_discarded=sum(len(load.discarded) for load in loads),
        slices=sum(len(load.slices) for load in loads) if run.slicing else None,
        slices_disturbed=sum(piece.disturbed for load in loads for piece in load.slices) if run.slicing else None,
        until_warm_s=log_interval([warmup.until_warm_s for warmup in warmups if warmup.until_warm_s]),
        until_warm_requests=log_interval(
            [warmup.until_warm_requests for warmup in warmups if warmup.until_warm_requests]
        ),
        idle_cpu_share=mean(load.idle_cpu_share for load in loads),
        verdict=next(iter(seen), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in seen.items()},
    )


def _sleeper_bytes(loads: Sequence[Load]) -> list[float]:
    sizes = (memory_per_target_bytes(load.steps) for load in loads)
    return [value for value in sizes if value is not None and value > 0]


def _order(cell: CellSummary, compared: Container[str]) -> tuple[bool, float]:
    return cell.cell not in compared, -(cell.requests_per_cpu_s.estimate if cell.requests_per_cpu_s else 0)


def table(run: LoadRun, summary: Summary) -> Table:
    """Return the summary as a table for a terminal."""
    return plain_table("\n".join([*warnings(summary), title(run)]), [*COLUMNS], rows(run, summary), left=LEFT)


def table_so_far(
    run: LoadRun, windows: Sequence[Window], pairs: Sequence[Pair] | None, active: Collection[str]
) -> Table:
    """Return each cell's present estimate, interval and undecided pairs; ``pairs`` is ``None`` before any look."""
    headings = ("stack", "rounds", RATE, INTERVAL, "undecided pairs")
    return plain_table("", headings, _rows_so_far(run, windows, pairs, active), left={"stack"})


def _rows_so_far(
    run: LoadRun, windows: Sequence[Window], pairs: Sequence[Pair] | None, active: Collection[str]
) -> Iterator[tuple[str, ...]]:
    windows_of = by_cell(windows)
    intervals = rates(run, windows)
    for cell in run.cells:
        interval = intervals.get(cell.name)
        undecided = sum(pair.is_undecided and cell.name in {pair.a, pair.b} for pair in pairs or ())
        left = MISSING if pairs is None else _left(undecided, is_active=cell.name in active)
        yield cell.name, str(len(windows_of[cell.name])), estimate(interval), bounds(interval), left


def _left(undecided: int, *, is_active: bool) -> str:
    return str(undecided) if is_active else f"{undecided}, out of reach" if undecided else "done"


def warnings(summary: Summary) -> list[str]:
    """Return what makes the whole run doubtful, to be printed first."""
    doubts = {} if summary.controls is None else summary.controls.warnings
    return [f"{verdict}: nothing is ranked: {sentence}" for verdict, sentence in doubts.items()]


def title(run: LoadRun) -> str:
    """Return what was measured, in one line."""
    size, load = run.setup.size, run.setup.load
    memory = "" if size.memory_bytes is None else f" / {size.memory_bytes / MB:.0f} MB"
    at_most = "up to " if run.stopping.looks or run.stopping.precision else ""
    window = f"{load.window_s:g} s" if run.slicing is None else f"{run.slicing.passes} x {run.slicing.slice_s:g} s"
    return (
        f"{load.scenario}: {size.vcpu:g} vCPU{memory}, {load.users} connections, {run.runtime} runtime, "
        f"{at_most}{counted(run.rounds, 'round')} of {window}"
    )


def rows(run: LoadRun, summary: Summary, headings: Collection[str] = COLUMNS.keys()) -> Iterator[tuple[str, ...]]:
    """Yield each cell's text in these columns."""
    cells = {cell.name: cell for cell in run.cells}
    for row in summary.cells:
        yield tuple(COLUMNS[heading](cells[row.cell], row) for heading in headings)


def _name(cell: Cell) -> str:
    """Return a cell's name, marked if it is no framework's or closes its connections."""
    role = " (control)" if cell.control_of else " (guest)" if cell.guest else ""
    return f"{cell.name}{role}{'' if cell.keep_alive else ' (closing)'}"


def _wall_rate(row: CellSummary) -> str:
    """Return the good responses per second of wall time, marked if the server was not saturated."""
    return ("~" if (row.server_utilisation or 1) < SATURATED else "") + estimate(row.throughput_rps)


def rank_range(row: CellSummary) -> str:
    """Return the ranks that a cell may have, such as ``2`` or ``2-4``; empty if it is not ranked."""
    if row.rank is None:
        return ""
    return str(row.rank) if row.rank_to in {None, row.rank} else f"{row.rank}-{row.rank_to}"


def _rounds(row: CellSummary) -> str:
    """Return the number of rounds with a value, marked if the cell dropped out undecided."""
    undecided = row.dropout is not None and row.dropout.reason is DropReason.OUT_OF_REACH
    return f"{value_count(row)}{'*' if undecided else ''}"


def repeated_table(rows: Sequence[RepeatedRate], runs: int) -> Table:
    """Return a row per stack: its rate, and its rate over the mean of all stacks, each with its interval over runs."""
    cells = [
        (
            row.cell,
            estimate(row.requests_per_cpu_s),
            bounds(row.requests_per_cpu_s),
            estimate(row.relative, digits=3),
            bounds(row.relative, digits=3),
        )
        for row in rows
    ]
    return plain_table(f"{runs} runs together", REPEATED, cells, left={"stack"})


def repeated_notes(rows: Sequence[RepeatedRate], summaries: Sequence[Summary]) -> Iterator[str]:
    """Yield what the intervals mean, and which stacks are left out."""
    yield (
        "95 % interval: for differences between stacks, over many runs on this machine; relative: over the geometric "
        "mean of all stacks."
    )
    every, known = (row.cell for summary in summaries for row in stack_rows(summary)), {row.cell for row in rows}
    if missing := dict.fromkeys(name for name in every if name not in known):
        yield f"left out, since not every run has a valid number for them: {', '.join(missing)}."
