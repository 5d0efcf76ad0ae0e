"""Compares two finished runs cell by cell, unpaired since they share no round, and joins repeated runs. Pure."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct, structs
from scipy.special import stdtr, stdtrit

from common.errors import UsageError
from common.records.run import Cell, LoadRun
from common.records.summary import CellSummary, Interval, Pair, Summary, Verdict
from common.records.window import Window
from loadtests.analysis.comparison import ALPHA, decision
from loadtests.analysis.dropping import is_alone
from loadtests.analysis.values import by_cell, values_by_round
from loadtests.analysis.verdicts import is_valid, permits_ranking, verdicts
from loadtests.statistics.intervals import CONFIDENCE, holm, log_interval

MACHINE = (
    "cpu_model", "cpu_identity", "cores", "cgroup_version", "governor", "irq_time_accounting", "python_pgo",
    "python_lto",
)  # fmt: skip
"""The properties that two machines must share, as far as they are known of both."""
CARRY_OVER = 0.6
"""The correlation of what a machine does to a round with what it does to the next one, as docs/method.md assumes it."""


class RecordedRun(NamedTuple):
    """The manifest of a load test and its windows."""

    run: LoadRun
    windows: Sequence[Window]


def across_runs(a: RecordedRun, b: RecordedRun, margin: float) -> tuple[Pair, ...]:
    """Compare every cell that both runs have, with Holm's adjustment over all cells; ratios are ``a`` over ``b``.

    Raise ``UsageError`` if the runs were made in different ways or have no cell in common. Anything that changed on the
    machine between the two runs is part of every difference; only a comparison within one run cancels it.
    """
    _require_same_conditions(a.run, b.run)
    first, second, unsound = _values(a), _values(b), left_out(a, b)
    names = [name for name, values in first.items() if min(len(values), len(second.get(name, ()))) > 1]
    if not (names := [name for name in names if name not in unsound]):
        why = "".join(f" {sentence}" for sentence in unsound.values())
        ids = f"runs {a.run.id} and {b.run.id}"
        raise UsageError(f"{ids} have no cell in common with a sound value in two rounds of each.{why}")
    tests = [welch(first[name], second[name], math.log1p(margin)) for name in names]
    different = holm(np.array([p for _, p, _ in tests]))
    equivalent = holm(np.array([p for _, _, p in tests]))
    return tuple(
        Pair(
            a=f"{name} of {a.run.id}",
            b=f"{name} of {b.run.id}",
            ratio=ratio,
            p_value=float(p),
            decision=decision(float(p), float(q), ALPHA),
        )
        for name, (ratio, _, _), p, q in zip(names, tests, different, equivalent, strict=True)
    )


def left_out(a: RecordedRun, b: RecordedRun) -> dict[str, str]:
    """Return the cells of both runs that are not compared, since one has no sound number, each with the reason."""
    common = {cell.name for cell in a.run.cells} & {cell.name for cell in b.run.cells}
    return {
        cell.name: f"{cell.name} of {run.id} is left out: {reason}"
        for run, windows_of in ((b.run, by_cell(b.windows)), (a.run, by_cell(a.windows)))
        for cell in run.cells
        if cell.name in common and (reason := _fault(run, cell, windows_of[cell.name])) is not None
    }


def _fault(run: LoadRun, cell: Cell, windows: Sequence[Window]) -> str | None:
    """Return why a cell's number is not sound, whatever the number of its rounds, which a test takes into account."""
    seen = verdicts(cell, windows, run.setup, run.runtime, alone=is_alone(run))
    serious = [verdict for verdict in seen if not permits_ranking({verdict} - {Verdict.TOO_FEW_ROUNDS})]
    return f"{serious[0]}: {seen[serious[0]]}" if serious else None


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
    mean, error = float(x.mean() - y.mean()), math.sqrt(parts.sum())
    if not error:
        estimate = math.exp(mean)
        exact = Interval(estimate=estimate, low=estimate, high=estimate, n=min(len(x), len(y)))
        return exact, float(mean == 0), float(abs(mean) >= band)
    freedom = parts.sum() ** 2 / float((parts**2 / np.array([len(x) - 1, len(y) - 1])).sum())
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    ratio = Interval(
        estimate=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half), n=min(len(x), len(y))
    )
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
                f"run {a.id} has {name}={value}, but run {b.id} has {second[name]}. Compare runs made in the same way."
            )
    for name in MACHINE:
        was, now = getattr(a.machine, name), getattr(b.machine, name)
        if was != now and None not in (was, now):
            raise UsageError(
                f"run {a.id} was made with {name}={was}, run {b.id} with {now}: any difference may come from that. "
                "Compare runs of one machine."
            )


def _conditions(run: LoadRun) -> dict[str, object]:
    """Return what two runs must have in common, so that a difference is not one of how they were measured."""
    setup = run.setup
    own = {"runtime": run.runtime, "design": run.design, "slicing": run.slicing, "load_path": setup.load_path}
    return own | dataclasses.asdict(setup.size) | structs.asdict(setup.load)


def _values(recorded: RecordedRun) -> Mapping[str, list[float]]:
    windows = by_cell(recorded.windows)
    return {
        cell.name: list(values_by_round(windows[cell.name]).values())
        for cell in recorded.run.cells
        if cell.control_of is None
    }
