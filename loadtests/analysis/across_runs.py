"""Compares two finished runs cell by cell, unpaired since they share no round, and joins repeated runs. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from scipy.special import stdtr, stdtrit

from common.errors import UsageError
from common.records.run import LoadRun
from common.records.summary import CellSummary, Decision, Interval, Pair, Summary, Verdict
from common.records.window import Window
from loadtests.analysis.comparison import ALPHA
from loadtests.analysis.values import by_cell, values_by_round
from loadtests.analysis.verdicts import permits_ranking
from loadtests.statistics.intervals import CONFIDENCE, holm, log_interval

MACHINE = (
    "cpu_model", "cpu_identity", "cores", "cgroup_version", "governor", "irq_time_accounting", "python_pgo",
    "python_lto",
)  # fmt: skip
"""The properties that two machines must share, as far as they are known of both."""


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
    first, second = _values(a), _values(b)
    counts = {cell.name: min(len(first.get(cell.name, ())), len(second.get(cell.name, ()))) for cell in a.run.cells}
    names = [name for name, count in counts.items() if count > 1]
    if not names:
        raise UsageError(f"runs {a.run.id} and {b.run.id} have no cell in common that each measured at least twice.")
    tests = [welch(first[name], second[name], math.log1p(margin)) for name in names]
    different = holm(np.array([p for _, p, _ in tests]))
    equivalent = holm(np.array([p for _, _, p in tests]))
    return tuple(
        Pair(
            a=f"{name} of {a.run.id}",
            b=f"{name} of {b.run.id}",
            ratio=ratio,
            p_value=float(p),
            decision=_decision(float(p), float(q)),
        )
        for name, (ratio, _, _), p, q in zip(names, tests, different, equivalent, strict=True)
    )


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
            if row.requests_per_cpu_s is not None and permits_ranking({row.verdict} - {Verdict.VALID})
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


def welch(a: Sequence[float], b: Sequence[float], band: float) -> tuple[Interval, float, float]:
    """Return the ratio of ``a`` to ``b``, and the p-values of no difference and of a log ratio beyond ``band``.

    Welch's t test on logarithms, with Satterthwaite's degrees of freedom; two one-sided tests for the band.
    """
    x, y = np.log(a), np.log(b)
    parts = np.array([x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)])
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


def _decision(different: float, equivalent: float) -> Decision:
    if different < ALPHA:
        return Decision.DIFFERENT
    return Decision.EQUIVALENT if equivalent < ALPHA else Decision.UNDECIDED


def _require_same_conditions(a: LoadRun, b: LoadRun) -> None:
    first, second = _conditions(a), _conditions(b)
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
    load, size = run.setup.load, run.setup.size
    return {
        "scenario": load.scenario,
        "users": load.users,
        "delay_ms": load.delay_ms,
        "vcpu": size.vcpu,
        "memory_bytes": size.memory_bytes,
        "runtime": run.runtime,
        "design": run.design,
        "load_path": run.setup.load_path,
        "window_s": load.window_s,
        "warmup_s": load.warmup_s,
    }


def _values(recorded: RecordedRun) -> Mapping[str, list[float]]:
    windows = by_cell(recorded.windows)
    return {
        cell.name: list(values_by_round(windows[cell.name]).values())
        for cell in recorded.run.cells
        if cell.control_of is None
    }
