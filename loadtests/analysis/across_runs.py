"""Compares two finished runs cell by cell, unpaired since they share no round. Pure."""

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import structs
from scipy.special import stdtr

from common.errors import UsageError
from common.records.run import LoadRun
from common.records.summary import CellSummary, Component, Interval, Pair, Summary, Verdict
from common.records.window import Window
from common.words import counted
from loadtests.analysis.between_runs import FEW, between_runs_of
from loadtests.analysis.comparison import decision
from loadtests.analysis.limits import held_against
from loadtests.analysis.thresholds import ALPHA
from loadtests.analysis.values import by_cell, values_of
from loadtests.analysis.verdicts import is_sound, sentences
from loadtests.statistics.intervals import CONFIDENCE, geometric, holm, student_t
from loadtests.statistics.spread import Values, adjusted

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
    "memory_bytes": "MEMORY",
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
FEWEST_TO_TEST = 2
"""The fewest rounds of each run in which a cell needs a value: one round gives no spread."""
FEWEST_RELATIVE = 5
"""The fewest cells in common that are compared relative to each other: the median of four others bears one change."""
CARRY_OVER = 0.6
"""The correlation of what a machine does to a round with what it does to the next one, as docs/method.md assumes it."""


class RecordedRun(NamedTuple):
    """The manifest of a load test, its windows and its summary."""

    run: LoadRun
    windows: Sequence[Window]
    summary: Summary


def across_runs(
    a: RecordedRun, b: RecordedRun, margin: float, limit: float | None = None
) -> tuple[tuple[Pair, ...], list[str]]:
    """Compare every cell that both runs have, with Holm's adjustment over all cells; ratios are ``a`` over ``b``.

    With a ``limit``, each pair is held against it as well, at a level divided over all cells.

    With enough cells in common, each is compared relative to the others, which cancels what a run does to all of them.
    With fewer, anything that changed on the machine between the two runs is part of every difference.

    Return the pairs, and sentences: how the runs differ as wholes, and the cells that are left out since a run has no
    sound number for them, or one of a single round. Raise ``UsageError`` if the runs were made in different ways, if
    the controls of one differ, or if they have no cell in common.
    """
    _require_same_conditions(a.run, b.run)
    for recorded in (a, b):
        _require_trusted(recorded)
    first, second = _values(a), _values(b)
    common = [name for name in first if name in second]
    faults = [(side.run.id, _faults(side.summary, values, common)) for side, values in ((a, first), (b, second))]
    left_out = [
        f"left out because of run {run}: {sentence}" for run, of_run in faults for sentence in sentences(of_run.items())
    ]
    names = [name for name in common if not any(of_run[name] for _, of_run in faults)]
    if not names:
        why = "".join(f" {sentence}" for sentence in left_out)
        ids = f"runs {a.run.id} and {b.run.id}"
        raise UsageError(f"{ids} have no cell in common with a sound value in two rounds of each.{why}")
    of_a, of_b = ({name: values[name] for name in names} for values in (first, second))
    stack = _between_runs(a.run, b.run)
    change, tests = _tests(of_a, of_b, stack, math.log1p(margin), CONFIDENCE)
    wide = tests
    if limit is not None:  # its intervals hold for all names together
        _, wide = _tests(of_a, of_b, stack, math.log1p(margin), 1 - ALPHA / len(names))
    if change is not None:
        left_out.append(
            f"each stack is compared relative to the other {len(names) - 1}; in run {b.run.id}, rates are "
            f"{math.expm1(-change):+.1%} against run {a.run.id} in the median, which is left out of all differences"
        )
    different = holm(np.array([p for _, p, _ in tests]))
    equivalent = holm(np.array([p for _, _, p in tests]))
    pairs = tuple(
        Pair(
            a=f"{name} of {a.run.id}",
            b=f"{name} of {b.run.id}",
            ratio=ratio,
            p_value=float(p),
            decision=decision(float(p), float(q), ALPHA),
            against_limit=None if limit is None else held_against(limit, for_all),
        )
        for name, (ratio, _, _), (for_all, _, _), p, q in zip(names, tests, wide, different, equivalent, strict=True)
    )
    return pairs, left_out


def _tests(
    a: Values, b: Values, stack: Component, band: float, confidence: float
) -> tuple[float | None, list[tuple[Interval, float, float]]]:
    """Return the median change of the cells, ``None`` if there are too few, and the test of each."""
    if len(a) < FEWEST_RELATIVE:
        return None, [welch([*a[name].values()], [*b[name].values()], band, confidence=confidence) for name in a]
    return relative(a, b, stack, band, confidence)


def _between_runs(*runs: LoadRun) -> Component:
    """Return how much a stack varies between runs, from the run whose estimate is best."""
    known = [component for run in runs if (component := between_runs_of(run)) is not None]
    return max(known, key=lambda component: component.freedom, default=FEW)


def _require_trusted(recorded: RecordedRun) -> None:
    """Raise ``UsageError`` if the controls of a run put all of its numbers in doubt."""
    controls = recorded.summary.controls
    if controls is not None and controls.warnings:
        why = " ".join(f"{verdict}: {seen}" for verdict, seen in controls.warnings.items())
        raise UsageError(f"run {recorded.run.id} cannot be compared: {why}")


def _faults(summary: Summary, values: Values, names: Collection[str]) -> dict[str, dict[str, str]]:
    """Return, by cell, the verdict that keeps it from being compared and its reason; an empty dict if none does."""
    return {row.cell: _fault(row, len(values[row.cell])) for row in summary.cells if row.cell in names}


def _fault(row: CellSummary, rounds: int) -> dict[str, str]:
    """Return why a cell's number is not sound, or stands on fewer rounds than a test needs."""
    for name, seen in row.doubts.items():
        if not is_sound({Verdict(name)}):
            return {name: seen}
    if rounds >= FEWEST_TO_TEST:
        return {}
    return {Verdict.TOO_FEW_ROUNDS: f"{counted(rounds, 'round')}; {FEWEST_TO_TEST} are the fewest to compare runs by."}


def relative(
    a: Values, b: Values, stack: Component, band: float, confidence: float = CONFIDENCE
) -> tuple[float, list[tuple[Interval, float, float]]]:
    """Return the median log ratio of ``a`` to ``b``, and each cell's ratio relative to that of the other cells.

    Each ratio comes with the p-values of no difference and of a log ratio beyond ``band``, as ``welch`` gives them;
    ``stack`` is what each varies by from run to run. A difference in differences: what a run does to all of its cells
    cancels. The median of the others is the reference, since a few of them may have changed; its variance is that of a
    normal sample, pi / 2 times that of the mean.
    """
    first, second = adjusted(a), adjusted(b)
    pairs = [(first[name], second[name]) for name in a]
    changes = np.array([x.mean - y.mean for x, y in pairs])
    parts = np.array([[x.error**2, y.error**2, 2 * stack.sd**2] for x, y in pairs])
    freedoms = np.array([[x.freedom, y.freedom, stack.freedom] for x, y in pairs])
    variances, tests = parts.sum(axis=1), []
    for place, (x, y) in enumerate(pairs):
        others = np.delete(np.arange(len(pairs)), place)
        variance = variances[place] + math.pi / 2 * variances[others].mean() / len(others)
        freedom = float(variances[place] ** 2 / (parts[place] ** 2 / freedoms[place]).sum())
        mean = float(changes[place] - np.median(changes[others]))
        tests.append(_tested(mean, math.sqrt(variance), freedom, band, min(x.n, y.n), confidence=confidence))
    return float(np.median(changes)), tests


def _tested(
    mean: float, error: float, freedom: float, band: float, count: int, *, confidence: float
) -> tuple[Interval, float, float]:
    """Return a ratio, and the p-values of no difference and of a log ratio beyond ``band``."""
    ratio = geometric(mean, student_t(freedom, confidence) * error, count)
    return ratio, 2 * float(stdtr(freedom, -abs(mean) / error)), float(stdtr(freedom, (abs(mean) - band) / error))


def welch(
    a: Sequence[float],
    b: Sequence[float],
    band: float,
    *,
    correlation: float = CARRY_OVER,
    confidence: float = CONFIDENCE,
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
    return _tested(mean, error, freedom, band, rounds, confidence=confidence)


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
    first, second = conditions_of(a), conditions_of(b)
    if first.pop("requests") != second.pop("requests"):
        raise UsageError(
            f"runs {a.id} and {b.id} sent different requests of PATHS=. Compare runs made in the same way."
        )
    for name, value in first.items():
        if value != second[name]:
            was, now = (_shown(name, setting) for setting in (value, second[name]))
            raise UsageError(
                f"run {a.id} has {VARIABLES.get(name, name)}={was}, but run {b.id} has {now}. "
                "Compare runs made in the same way."
            )
    for name in MACHINE:
        was, now = getattr(a.machine, name), getattr(b.machine, name)
        if was != now and None not in (was, now):
            raise UsageError(
                f"run {a.id} was made with {name}={was}, run {b.id} with {now}: any difference may come from that. "
                "Compare runs of one machine."
            )


def conditions_of(run: LoadRun) -> dict[str, object]:
    """Return what two runs must have in common, so that a difference is not one of how they were measured.

    What a user sets comes before what follows from it, such as the length of a slice from the vCPUs. The number of
    slices depends on how many stacks a run has: it makes a rate more precise, not another one.
    """
    setup, slicing = run.setup, run.slicing
    load = structs.asdict(setup.load.redacted())
    del load["headers_digest"]  # the salt of each run is its own
    own = {
        "design": run.design,
        "load_path": setup.load_path,
        "slice_s": slicing and slicing.slice_s,
        "skipped_s": slicing and slicing.skipped_s,
    }
    return {"runtime": run.runtime} | dataclasses.asdict(setup.size) | load | own


def _shown(name: str, value: object) -> object:
    return f"{value / 1024**2:.0f} MB" if name == "memory_bytes" and isinstance(value, int) else value


def _values(recorded: RecordedRun) -> dict[str, dict[int, float]]:
    """Return the values of each cell but the controls, in the order of its rounds."""
    return values_of([cell for cell in recorded.run.cells if cell.control_of is None], by_cell(recorded.windows))
