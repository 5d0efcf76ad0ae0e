"""Compares two finished runs cell by cell, unpaired since they share no round, and joins repeated runs. Pure."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct, structs
from scipy.special import stdtr

from common.errors import UsageError
from common.records.run import LoadRun
from common.records.summary import CellSummary, Interval, Pair, Summary, Verdict
from common.records.window import Window
from loadtests.analysis.comparison import ALPHA, decision
from loadtests.analysis.values import by_cell, values_by_round
from loadtests.analysis.verdicts import is_sound, is_valid
from loadtests.statistics.intervals import geometric, holm, log_interval, student_t

MACHINE = (
    "cpu_model", "cpu_identity", "cores", "cgroup_version", "governor", "irq_time_accounting", "python_pgo",
    "python_lto",
)  # fmt: skip
"""The properties that two machines must share, as far as they are known of both."""
VARIABLES = {
    "arrivals": "ARRIVALS",
    "delay_ms": "DELAY",
    "design": "DESIGN",
    "generator_workers": "GENERATOR_WORKERS",
    "objective": "OBJECTIVE",
    "rate": "RATE",
    "runtime": "RUNTIME",
    "scenario": "SCENARIO",
    "tool": "TOOL",
    "users": "USERS",
    "vcpu": "VCPU",
    "worker_count": "WORKERS",
}
"""The variables that set what two runs must have in common, by their names in the records."""
CARRY_OVER = 0.6
"""The correlation of what a machine does to a round with what it does to the next one, as docs/method.md assumes it."""


class RecordedRun(NamedTuple):
    """The manifest of a load test, its windows and its summary."""

    run: LoadRun
    windows: Sequence[Window]
    summary: Summary


def across_runs(a: RecordedRun, b: RecordedRun, margin: float) -> tuple[tuple[Pair, ...], list[str]]:
    """Compare every cell that both runs have, with Holm's adjustment over all cells; ratios are ``a`` over ``b``.

    Return the pairs, and a sentence for each cell that is left out since a run has no sound number for it. Raise
    ``UsageError`` if the runs were made in different ways or have no cell in common. Anything that changed on the
    machine between the two runs is part of every difference; only a comparison within one run cancels it.
    """
    _require_same_conditions(a.run, b.run)
    first, second, left_out = _values(a), _values(b), _left_out(a, b)
    names = [name for name, values in first.items() if min(len(values), len(second.get(name, ()))) > 1]
    if not (names := [name for name in names if name not in left_out]):
        why = "".join(f" {sentence}" for sentence in left_out.values())
        ids = f"runs {a.run.id} and {b.run.id}"
        raise UsageError(f"{ids} have no cell in common with a sound value in two rounds of each.{why}")
    tests = [welch(first[name], second[name], math.log1p(margin)) for name in names]
    different = holm(np.array([p for _, p, _ in tests]))
    equivalent = holm(np.array([p for _, _, p in tests]))
    pairs = tuple(
        Pair(
            a=f"{name} of {a.run.id}",
            b=f"{name} of {b.run.id}",
            ratio=ratio,
            p_value=float(p),
            decision=decision(float(p), float(q), ALPHA),
        )
        for name, (ratio, _, _), p, q in zip(names, tests, different, equivalent, strict=True)
    )
    return pairs, list(left_out.values())


def _left_out(a: RecordedRun, b: RecordedRun) -> dict[str, str]:
    """Return the cells of both runs for which one of them has no sound number, each with the reason."""
    rows = [(recorded.run.id, row) for recorded in (b, a) for row in stack_rows(recorded.summary)]
    common = {row.cell for row in a.summary.cells} & {row.cell for row in b.summary.cells}
    return {
        row.cell: f"{row.cell} of {name} is left out: {reason}"
        for name, row in rows
        if row.cell in common and (reason := _fault(row)) is not None
    }


def _fault(row: CellSummary) -> str | None:
    """Return why a cell's number is not sound, whatever the number of its rounds, which a test takes into account."""
    return next((f"{name}: {seen}" for name, seen in row.doubts.items() if not is_sound({Verdict(name)})), None)


class RepeatedRate(Struct, frozen=True, kw_only=True):
    """The results of several runs for one stack. In its intervals each run counts as one value."""

    cell: str
    requests_per_cpu_s: Interval
    relative: Interval
    """The same over the geometric mean of all stacks of its run."""


def repeated_rates(summaries: Sequence[Summary]) -> list[RepeatedRate]:
    """Return the rates of stacks over repeated runs, the fastest first, without those that lack a valid one in any run.

    Builds, boots and hours vary too, and no interval of a single run knows of that.
    """
    rates = [
        {
            row.cell: row.requests_per_cpu_s.estimate
            for row in stack_rows(summary)
            if row.requests_per_cpu_s is not None and is_valid(row.verdict)
        }
        for summary in summaries
    ]
    common = [cell for cell in rates[0] if all(cell in run for run in rates)]
    level = [math.exp(sum(math.log(run[cell]) for cell in common) / len(common)) if common else 1.0 for run in rates]
    found = []
    for cell in common:
        absolute = log_interval([run[cell] for run in rates])
        relative = log_interval([run[cell] / mean for run, mean in zip(rates, level, strict=True)])
        assert absolute is not None
        assert relative is not None
        found.append(RepeatedRate(cell=cell, requests_per_cpu_s=absolute, relative=relative))
    return sorted(found, key=lambda row: -row.requests_per_cpu_s.estimate)


def stack_rows(summary: Summary) -> list[CellSummary]:
    """Return the rows of a summary without those of controls, which each run chooses by its seed."""
    copies = {pair.b for pair in summary.controls.same} if summary.controls is not None else set[str]()
    return [row for row in summary.cells if row.cell not in copies]


def welch(
    a: Sequence[float], b: Sequence[float], band: float, *, correlation: float = CARRY_OVER
) -> tuple[Interval, float, float]:
    """Return the ratio of ``a`` to ``b``, and the p-values of no difference and of a log ratio beyond ``band``.

    Welch's t test on logarithms, with Satterthwaite's degrees of freedom; two one-sided tests for the band. Each run's
    values are in the order of its rounds, whose neighbours resemble each other by ``correlation``.
    """
    x, y = np.log(a), np.log(b)
    parts = np.array([values.var(ddof=1) / len(values) * inflation(len(values), correlation) for values in (x, y)])
    mean, error, rounds = float(x.mean() - y.mean()), math.sqrt(parts.sum()), min(len(x), len(y))
    if not error:
        return geometric(mean, 0.0, rounds), float(mean == 0), float(abs(mean) >= band)
    freedom = parts.sum() ** 2 / float((parts**2 / np.array([len(x) - 1, len(y) - 1])).sum())
    ratio = geometric(mean, student_t(freedom) * error, rounds)
    different = 2 * float(stdtr(freedom, -abs(mean) / error))
    return ratio, different, float(stdtr(freedom, (abs(mean) - band) / error))


def inflation(count: int, correlation: float) -> float:
    """Return how many times larger the variance of the mean of so many rounds is than independent values would suggest.

    What a machine does to a round carries over to the next one. So the mean varies more, and the values around it less,
    than if rounds were independent (of an autoregressive process of order 1; G. E. P. Box and others, Time Series
    Analysis, chapter 2).
    """
    lags = np.arange(1, count)
    of_mean = (1 + 2 * float(((1 - lags / count) * correlation**lags).sum())) / count
    of_values = (1 - of_mean) * count / (count - 1)
    return of_mean * count / of_values


def _require_same_conditions(a: LoadRun, b: LoadRun) -> None:
    first, second = _conditions(a), _conditions(b)
    if first.pop("requests") != second.pop("requests"):
        raise UsageError(
            f"runs {a.id} and {b.id} sent different requests of PATHS=. Compare runs made in the same way."
        )
    for name, value in first.items():
        if value != second[name]:
            raise UsageError(
                f"run {a.id} has {VARIABLES.get(name, name)}={value}, but run {b.id} has {second[name]}. "
                "Compare runs made in the same way."
            )
    for name in MACHINE:
        was, now = getattr(a.machine, name), getattr(b.machine, name)
        if was != now and None not in (was, now):
            raise UsageError(
                f"run {a.id} was made with {name}={was}, run {b.id} with {now}: any difference may come from that. "
                "Compare runs of one machine."
            )


def _conditions(run: LoadRun) -> dict[str, object]:
    """Return what two runs must have in common, so that a difference is not one of how they were measured.

    The number of slices depends on how many stacks a run has: it makes a rate more precise, not another one.
    """
    setup, slicing = run.setup, run.slicing
    own = {
        "runtime": run.runtime,
        "design": run.design,
        "load_path": setup.load_path,
        "slice_s": slicing and slicing.slice_s,
        "skipped_s": slicing and slicing.skipped_s,
    }
    return own | dataclasses.asdict(setup.size) | structs.asdict(setup.load)


def _values(recorded: RecordedRun) -> Mapping[str, list[float]]:
    windows = by_cell(recorded.windows)
    return {
        cell.name: list(values_by_round(windows[cell.name]).values())
        for cell in recorded.run.cells
        if cell.control_of is None
    }
