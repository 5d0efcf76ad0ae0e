"""What repeated runs say together: figures over runs, and what every one of them decided. Pure.

Builds, boots and hours vary too, and no interval of a single run knows of that. So each run counts as one value.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from common.records.figure import Figure
from common.records.run import LoadRun
from common.records.summary import CellSummary, Controls, Decision, Interval, Pair, Summary, Verdict
from loadtests.analysis.across_runs import MACHINE, conditions_of
from loadtests.analysis.comparison import better_of, rank_ranges, ties
from loadtests.analysis.verdicts import is_compared, is_valid
from loadtests.statistics.intervals import log_interval, mean, mean_interval

OF_A_WHOLE_RUN = frozenset({Verdict.CONTROL_DIFFERS, Verdict.TOO_FEW_ROUNDS})
"""Verdicts that say nothing about one stack: a run with them is left out of what its repetitions say together."""
INTERVALS = ("requests_per_cpu_s", "median_requests_per_cpu_s", "throughput_rps", "p50_s", "p90_s", "p99_s", "p999_s",
             "knee", "sleeper_bytes")  # fmt: skip
COUNTS = ("requests", "errors", "windows_discarded", "slices", "slices_disturbed")
SHARES = ("server_utilisation", "generator_utilisation", "throttled", "foreign", "steal", "idle_cpu_share")
OF_CONTROLS = ("steal", "foreign", "load_average_max", "throttled", "generator_utilisation_max",
               "generator_waited")  # fmt: skip


def series_of(run: LoadRun) -> str:
    """Return a digest that runs share if they repeat each other: the same stacks, measured in the same way.

    Stacks are the same at the same versions, packages and sources. Runs of different revisions of this project, or of
    machines that differ, repeat nothing.
    """
    stacks = sorted(
        (one.name, one.version or "", one.lock_sha256, one.source_digest or "", one.python, one.conformance is not None)
        for one in run.cells
        if one.control_of is None
    )
    machine = [getattr(run.machine, name) for name in (*MACHINE, "memory_bytes")]
    told = (run.revision, machine, sorted(conditions_of(run).items()), run.slicing, stacks)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def over_runs(values: Sequence[Interval | None]) -> Interval | None:
    """Return the geometric mean of what runs estimate, with Student's t interval over them; a single one as it is.

    ``None`` if any is ``None``.
    """
    known = [one for one in values if one is not None]
    if len(known) < len(values):
        return None
    return known[0] if len(known) == 1 else log_interval([one.estimate for one in known])


def newest_figures(figures: Iterable[Figure]) -> list[Figure]:
    """Return the newest valid figure of each stack, metric and conditions: over the runs that repeat its run.

    It is of its run alone if one of these has a number for the stack that is not valid: those that are may be so by
    chance.
    """
    alike = defaultdict[tuple[object, ...], dict[str, Figure]](dict)
    for one in sorted(figures, key=lambda one: one.measured_at):
        if one.verdict not in OF_A_WHOLE_RUN:
            alike[one.machine, one.subject, one.metric, one.conditions][one.run] = one
    found = (_newest([*by_run.values()]) for by_run in alike.values())
    return [one for one in found if one is not None]


def _newest(figures: Sequence[Figure]) -> Figure | None:
    newest = next((one for one in reversed(figures) if is_valid(one.verdict)), None)
    if newest is None or newest.series is None:
        return newest
    series = [one for one in figures if one.series == newest.series]
    value = over_runs([one.value for one in series])
    if value is None or len(series) == 1 or not all(is_valid(one.verdict) for one in series):
        return newest
    return replace(newest, value=value, pooled=[one.run for one in series])


def trusted(summaries: Sequence[Summary]) -> Sequence[Summary]:
    """Return the summaries without those that are in doubt as a whole; the first one if all are."""
    return [one for one in summaries if not _is_doubted(one)] or summaries[:1]


def _is_doubted(summary: Summary) -> bool:
    return all(not OF_A_WHOLE_RUN.isdisjoint(map(Verdict, row.doubts)) for row in summary.cells)


def together(summaries: Sequence[Summary]) -> Summary:
    """Return what trusted summaries of repeated runs say together, with the id of the first; a single one as it is.

    In every interval each run counts as one value. A pair is decided if every run decided it in the same way, and
    ranks follow from that, of the cells that every run ranks. Controls, which each run chooses by its seed, are not
    among the cells.
    """
    first, *others = summaries
    if not others:
        return first
    rows = [{row.cell: row for row in stack_rows(one)} for one in summaries]
    joined = {name: _joined([of[name] for of in rows]) for name in rows[0] if all(name in of for of in rows)}
    compared = [name for name, row in joined.items() if is_compared(row)]
    ranked = [name for name in compared if all(of[name].rank is not None for of in rows)]
    pairs = list(_pairs([one.pairs for one in summaries], compared))
    ranges, tied = rank_ranges(ranked, pairs), ties(ranked, pairs)
    cells = [
        replace(row, rank=ranges[name][0], rank_to=ranges[name][1], ties=tied[name]) if name in ranges else row
        for name, row in joined.items()
    ]
    controls = [one.controls for one in summaries if one.controls is not None]
    return Summary(
        run=first.run,
        cells=sorted(cells, key=lambda row: (not is_compared(row), -_estimate(row))),
        pairs=pairs,
        controls=_controls(controls) if controls else None,
    )


def _estimate(row: CellSummary) -> float:
    return 0.0 if row.requests_per_cpu_s is None else row.requests_per_cpu_s.estimate


def _joined(rows: Sequence[CellSummary]) -> CellSummary:
    """Return the row of one cell over runs, without ranks."""
    doubts = dict(_doubts([row.doubts for row in rows]))
    over_floor = [row.over_floor_s.estimate for row in rows if row.over_floor_s is not None]
    found: dict[str, Any] = {name: over_runs([getattr(row, name) for row in rows]) for name in INTERVALS}
    found |= {name: mean(getattr(row, name) for row in rows) for name in SHARES}
    for name in COUNTS:
        known = [getattr(row, name) for row in rows if getattr(row, name) is not None]
        found[name] = sum(known) if known else None
    return CellSummary(
        cell=rows[0].cell,
        rank=None,
        over_floor_s=mean_interval(over_floor) if len(over_floor) == len(rows) else None,
        verdict=next(map(Verdict, doubts), Verdict.VALID),
        doubts=doubts,
        **found,
    )


def _doubts(rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield every verdict of any run once, with the reason that the first run gives, and in how many runs it is."""
    for name in dict.fromkeys(name for row in rows for name in row):
        reasons = [row[name] for row in rows if name in row]
        where = "" if len(reasons) == len(rows) else f" (in {len(reasons)} of {len(rows)} runs)"
        yield name, f"{reasons[0]}{where}"


def _pairs(runs: Sequence[Sequence[Pair]], cells: Sequence[str]) -> Iterator[Pair]:
    """Yield each pair of these cells with its ratio over runs, decided where all runs agree."""
    others = [{frozenset((pair.a, pair.b)): pair for pair in pairs} for pairs in runs[1:]]
    for pair in runs[0]:
        key = frozenset((pair.a, pair.b))
        if key <= set(cells) and all(key in of for of in others):
            yield _over([pair, *(of[key] for of in others)])


def _over(pairs: Sequence[Pair]) -> Pair:
    first = pairs[0]
    ratios = [pair.ratio if pair.ratio is None or pair.a == first.a else pair.ratio.inverse() for pair in pairs]
    alike = len({(pair.decision, better_of(pair)) for pair in pairs}) == 1
    return Pair(
        a=first.a,
        b=first.b,
        ratio=over_runs(ratios),
        p_value=max(pair.p_value for pair in pairs),
        decision=first.decision if alike else Decision.UNDECIDED,
    )


def _controls(controls: Sequence[Controls]) -> Controls:
    """Return the copies of all runs, and the worst that any run saw."""
    seen = {name: [getattr(one, name) for one in controls] for name in OF_CONTROLS}
    worst: dict[str, Any] = {
        name: max((one for one in values if one is not None), default=None) for name, values in seen.items()
    }
    return Controls(same=[pair for one in controls for pair in one.same], **worst)


class RepeatedRate(Struct, frozen=True, kw_only=True):
    """The results of several runs for one stack. In its intervals each run counts as one value."""

    cell: str
    requests_per_cpu_s: Interval
    relative: Interval
    """The same over the geometric mean of all stacks of its run."""


def repeated_rates(summaries: Sequence[Summary]) -> list[RepeatedRate]:
    """Return the rates of stacks over repeated runs, the fastest first.

    Those that lack a valid rate in any run are left out.
    """
    rates = [
        {
            row.cell: row.requests_per_cpu_s
            for row in stack_rows(summary)
            if row.requests_per_cpu_s is not None and is_valid(row.verdict)
        }
        for summary in summaries
    ]
    common = [cell for cell in rates[0] if all(cell in run for run in rates)]
    level = [math.exp(mean([math.log(run[cell].estimate) for cell in common]) or 0.0) for run in rates]
    found = []
    for cell in common:
        absolute = over_runs([run[cell] for run in rates])
        relative = log_interval([run[cell].estimate / of_run for run, of_run in zip(rates, level, strict=True)])
        assert absolute is not None
        assert relative is not None
        found.append(RepeatedRate(cell=cell, requests_per_cpu_s=absolute, relative=relative))
    return sorted(found, key=lambda row: -row.requests_per_cpu_s.estimate)


def stack_rows(summary: Summary) -> list[CellSummary]:
    """Return the rows of a summary without those of controls, which each run chooses by its seed."""
    copies = {pair.b for pair in summary.controls.same} if summary.controls is not None else set[str]()
    return [row for row in summary.cells if row.cell not in copies]
