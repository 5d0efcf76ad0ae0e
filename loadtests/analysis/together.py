"""What repeated runs say together: rates and decisions by the model of runs and stacks, and figures over runs. Pure.

Of what the model does not hold, such as response times, each run counts as one value.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from common.records.run import LoadRun
from common.records.summary import CellSummary, Controls, Interval, Pair, Summary, Verdict
from loadtests.analysis.across_runs import MACHINE, RecordedRun, conditions_of
from loadtests.analysis.comparison import decision, intervals, rank_ranges, ties
from loadtests.analysis.joint import Joint, estimate_in_run, joint
from loadtests.analysis.thresholds import ALPHA
from loadtests.analysis.verdicts import is_compared, is_valid
from loadtests.statistics.components import total
from loadtests.statistics.intervals import LogRatios, holm, log_interval, mean, mean_interval, scaled

OF_A_WHOLE_RUN = frozenset({Verdict.CONTROL_DIFFERS, Verdict.TOO_FEW_ROUNDS})
"""Verdicts that say nothing about one stack: a run with them is left out of what its repetitions say together."""
INTERVALS = ("requests_per_cpu_s", "median_requests_per_cpu_s", "throughput_rps", "p50_s", "p90_s", "p99_s", "p999_s",
             "knee", "sleeper_bytes", "database_s", "until_warm_s", "until_warm_requests")  # fmt: skip
COUNTS = ("requests", "errors", "windows_discarded", "slices", "slices_disturbed")
SHARES = ("server_utilisation", "generator_utilisation", "database_utilisation", "throttled", "foreign", "steal",
          "idle_cpu_share")  # fmt: skip
OF_CONTROLS = ("steal", "foreign", "load_average_max", "throttled", "generator_utilisation_max",
               "generator_waited")  # fmt: skip


def series_of(run: LoadRun) -> str:
    """Return a digest that runs share if they repeat each other: the same stacks, measured in the same way.

    Stacks are the same at the same versions, packages and sources. Runs of different revisions of this project, or of
    machines that differ, repeat nothing.
    """
    stacks = sorted(
        (cell.name, cell.version or "", cell.lock_sha256, cell.source_digest or "", cell.python,
         cell.conformance is not None)
        for cell in run.cells
        if cell.control_of is None
    )  # fmt: skip
    told = (run.revision, circumstances_of(run), run.slicing, stacks)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def circumstances_of(run: LoadRun) -> str:
    """Return what runs share that were made on the same machine in the same way, of whatever stacks."""
    machine = [getattr(run.machine, name) for name in (*MACHINE, "memory_bytes")]
    return repr((machine, sorted(conditions_of(run).items())))


def over_runs(values: Sequence[Interval | None]) -> Interval | None:
    """Return the geometric mean of what runs estimate, with Student's t interval over them; a single one as it is.

    ``None`` if any is ``None``.
    """
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return known[0] if len(known) == 1 else log_interval([value.estimate for value in known])


def trusted(summaries: Sequence[Summary]) -> Sequence[Summary]:
    """Return the summaries without those that are in doubt as a whole; the first one if all are."""
    return [summary for summary in summaries if not is_doubted(summary)] or summaries[:1]


def is_doubted(summary: Summary) -> bool:
    """Return whether a run is in doubt as a whole."""
    return all(not OF_A_WHOLE_RUN.isdisjoint(map(Verdict, row.doubts)) for row in summary.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A load test, or several that repeat each other with what they say together."""

    run: LoadRun
    """The first one."""
    summary: Summary
    ids: Sequence[str]

    @classmethod
    def of(cls, series: Sequence[RecordedRun]) -> "Repeated":
        """Return what runs that repeat each other say, without those that are in doubt as a whole, unless all are."""
        kept = trusted([recorded.summary for recorded in series])
        run = series[0].run
        return cls(run=run, summary=together(kept, run.stopping.margin), ids=[summary.run for summary in kept])


def _joint_of(summaries: Sequence[Summary]) -> Joint[str]:
    """Return the joint rates of repeated runs, the newest last, for the stacks with a valid rate in all of them."""
    runs = {
        summary.run: {
            row.cell: estimate_in_run(row.requests_per_cpu_s, row.error)
            for row in stack_rows(summary)
            if row.requests_per_cpu_s is not None and is_valid(row.verdict)
        }
        for summary in summaries
    }
    return joint(runs, summaries[-1].between_runs)


def together(summaries: Sequence[Summary], margin: float) -> Summary:
    """Return what trusted summaries of repeated runs say together, with the id of the first; a single one as it is.

    Rates are those of the model, and so are decisions; ranks follow from these, of the cells that every run ranks. In
    every other interval each run counts as one value. Controls, which each run chooses by its seed, are not among the
    cells.
    """
    first, *others = summaries
    if not others:
        return first
    rows, found = [{row.cell: row for row in stack_rows(summary)} for summary in summaries], _joint_of(summaries)
    names = [name for name in rows[0] if all(name in of for of in rows)]
    joined = {name: _joined([of[name] for of in rows], found) for name in names}
    compared = [name for name in found.rates if is_compared(joined[name])]
    ranked = [name for name in compared if all(of[name].rank is not None for of in rows)]
    pairs = list(_pairs(found, compared, margin))
    ranges, tied = rank_ranges(ranked, pairs), ties(ranked, pairs)
    cells = [
        replace(row, rank=ranges[name][0], rank_to=ranges[name][1], ties=tied[name]) if name in ranges else row
        for name, row in joined.items()
    ]
    controls = [summary.controls for summary in summaries if summary.controls is not None]
    return Summary(
        run=first.run,
        cells=sorted(cells, key=lambda row: (not is_compared(row), -_rate(row))),
        pairs=pairs,
        between_runs=found.between,
        controls=_controls(controls) if controls else None,
    )


def _rate(row: CellSummary) -> float:
    return 0.0 if row.requests_per_cpu_s is None else row.requests_per_cpu_s.estimate


def _joined(rows: Sequence[CellSummary], over_all: Joint[str]) -> CellSummary:
    """Return the row of one cell over runs, without ranks."""
    doubts = dict(_doubts([row.doubts for row in rows]))
    over_floor = [row.over_floor_s.estimate for row in rows if row.over_floor_s is not None]
    found: dict[str, Any] = {name: over_runs([getattr(row, name) for row in rows]) for name in INTERVALS}
    if (rate := over_all.rates.get(rows[0].cell)) is not None:
        found |= {"requests_per_cpu_s": rate.interval(over_all.of_mean), "error": rate.error}
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


def _pairs(over_all: Joint[str], compared: Sequence[str], margin: float) -> Iterator[Pair]:
    """Yield each pair of these cells with its ratio over runs, and what the runs decide together.

    A user may make another run and look again. So a look at 2, 3, 4 and more runs has 1 / 2, 1 / 6, 1 / 12 and so on of
    the level, which add up to the whole.
    """
    names, runs = [*itertools.combinations(compared, 2)], over_all.count
    if not names:
        return
    both = [(over_all.rates[a], over_all.rates[b]) for a, b in names]
    errors = [total(*(rate.error for rate in pair if rate.error is not None)) for pair in both]
    ratios = LogRatios(
        n=np.full(len(names), float(runs)),
        mean=np.array([a.mean - b.mean for a, b in both]),
        sd=np.array([error.sd for error in errors]) * math.sqrt(runs),
        freedom=np.array([error.freedom for error in errors]),
        between=over_all.of_mean,
    )
    looks = runs * (runs - 1)
    different = np.minimum(holm(ratios.different()) * looks, 1)
    equivalent = holm(ratios.equivalent(math.log1p(margin))) * looks
    for (a, b), ratio, p, q in zip(names, intervals(ratios), different.tolist(), equivalent.tolist(), strict=True):
        yield Pair(a=a, b=b, ratio=ratio, p_value=p, decision=decision(p, q, ALPHA))


def _controls(controls: Sequence[Controls]) -> Controls:
    """Return the copies of all runs, and the worst that any run saw."""
    seen = {name: [getattr(of_run, name) for of_run in controls] for name in OF_CONTROLS}
    worst: dict[str, Any] = {
        name: max((value for value in values if value is not None), default=None) for name, values in seen.items()
    }
    return Controls(same=[pair for of_run in controls for pair in of_run.same], **worst)


class RepeatedRate(Struct, frozen=True, kw_only=True):
    """The results of several runs for one stack, by the model of runs and stacks."""

    cell: str
    requests_per_cpu_s: Interval
    relative: Interval
    """The same over the geometric mean of all stacks."""


def repeated_rates(summaries: Sequence[Summary]) -> list[RepeatedRate]:
    """Return the rates of stacks over repeated runs, the fastest first.

    Those that lack a valid rate in any run are left out.
    """
    over_all = _joint_of(summaries)
    level = math.exp(-(mean(rate.mean for rate in over_all.rates.values()) or 0.0))
    rates = {cell: rate.interval(over_all.of_mean) for cell, rate in over_all.rates.items()}
    found = [
        RepeatedRate(cell=cell, requests_per_cpu_s=rate, relative=scaled(rate, level)) for cell, rate in rates.items()
    ]
    return sorted(found, key=lambda row: -row.requests_per_cpu_s.estimate)


def stack_rows(summary: Summary) -> list[CellSummary]:
    """Return the rows of a summary without those of controls, which each run chooses by its seed."""
    copies = {pair.b for pair in summary.controls.same} if summary.controls is not None else set[str]()
    return [row for row in summary.cells if row.cell not in copies]
