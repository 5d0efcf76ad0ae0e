"""Whether what one machine decided holds on another, and how far relative rates differ between the two. Pure.

Rates of different machines are never joined: each is divided by the mean of the stacks that both machines have.
Machines count as one if their processors have the same name, vendor, family, model and stepping.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from common.catalog.pythons import python_series
from common.records.run import Cell, LoadRun, Run, is_load_test
from common.records.summary import Decision, Pair, Summary
from common.words import counted
from loadtests.analysis.across_runs import conditions_of
from loadtests.analysis.comparison import better_of
from loadtests.analysis.together import series_of, stack_rows
from loadtests.analysis.verdicts import is_valid

FEWEST_STACKS = 2
"""The fewest stacks in common with which another machine says anything about a decision."""


class LoadTest(Protocol):
    """A load test, or several that repeat each other."""

    @property
    def run(self) -> LoadRun:
        """The first one."""

    @property
    def summary(self) -> Summary:
        """What they say together."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What another machine says of the stacks that a load test shares with it."""

    processor: str
    pairs: Mapping[frozenset[str], Pair]
    """The pairs of these stacks that it compared."""
    moved: Mapping[str, float]
    """Each stack's relative rate there, divided by the one here."""

    @classmethod
    def of(cls, here: LoadTest, there: LoadTest) -> "Elsewhere":
        """Return what a load test says of the stacks of another one, which loaded them in the same way."""
        same = same_stacks(here.run, there.run)
        pairs = {frozenset((pair.a, pair.b)): pair for pair in there.summary.pairs}
        first, second = _rates(here.summary), _rates(there.summary)
        common = [name for name in first if name in second and name in same]
        moved = {}
        if len(common) >= FEWEST_STACKS:
            ours, theirs = (_relative({name: rates[name] for name in common}) for rates in (first, second))
            moved = {name: theirs[name] / ours[name] for name in common}
        return cls(
            processor=there.run.machine.processor,
            pairs={names: pair for names, pair in pairs.items() if names <= same},
            moved=moved,
        )

    def compared(self, pair: Pair) -> Pair | None:
        """Return what it says of a pair that was decided; ``None`` for others, and if it did not compare the two."""
        return None if pair.decision is Decision.UNDECIDED else self.pairs.get(frozenset((pair.a, pair.b)))


def _rates(summary: Summary) -> dict[str, float]:
    """Return the valid rates by stack."""
    return {
        row.cell: row.requests_per_cpu_s.estimate
        for row in stack_rows(summary)
        if row.requests_per_cpu_s is not None and is_valid(row.verdict)
    }


def _relative(rates: Mapping[str, float]) -> dict[str, float]:
    mean = statistics.geometric_mean(rates.values())
    return {name: rate / mean for name, rate in rates.items()}


def same_stacks(a: LoadRun, b: LoadRun) -> frozenset[str]:
    """Return the names of the stacks that two runs have at the same versions, locks, sources and series of Python."""
    first, second = ({_identity(cell) for cell in run.cells if cell.control_of is None} for run in (a, b))
    return frozenset(name for name, *_ in first & second)


def _identity(cell: Cell) -> tuple[str, str | None, str, str | None, str]:
    return cell.name, cell.version, cell.lock_sha256, cell.source_digest, python_series(cell.python)


def runs_elsewhere(here: LoadRun, runs: Iterable[Run]) -> list[LoadRun]:
    """Return the load test of each other processor, with its repetitions, that has the most stacks of ``here``.

    Only those count that loaded at least ``FEWEST_STACKS`` of them in the same way; of several, the newest does.
    """
    series: dict[str, dict[str, list[LoadRun]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if is_load_test(run) and run.machine.processor != here.machine.processor and _is_alike(here, run):
            series[run.machine.processor][series_of(run)].append(run)
    return [run for of in series.values() for run in max(of.values(), key=lambda runs: _precedence(here, runs))]


def _is_alike(here: LoadRun, run: LoadRun) -> bool:
    return conditions_of(run) == conditions_of(here) and len(same_stacks(here, run)) >= FEWEST_STACKS


def _precedence(here: LoadRun, runs: Sequence[LoadRun]) -> tuple[int, float]:
    return len(same_stacks(here, runs[0])), max(run.started_at.timestamp() for run in runs)


def holding(pair: Pair, elsewhere: Sequence[Elsewhere]) -> str:
    """Return on how many of the machines that compared two stacks a decision holds; empty if only this one did.

    A machine that left the pair undecided has compared it.
    """
    found = [other for machine in elsewhere if (other := machine.compared(pair)) is not None]
    return f"holds on {1 + sum(_says(pair, other) for other in found)} of {1 + len(found)} machines" if found else ""


def _says(pair: Pair, other: Pair) -> bool:
    return (other.decision, better_of(other)) == (pair.decision, better_of(pair))


def sentences(pairs: Sequence[Pair], elsewhere: Elsewhere) -> Iterator[str]:
    """Yield how many decisions hold on another machine, and how far relative rates differ there."""
    found = [(pair, other) for pair in pairs if (other := elsewhere.compared(pair)) is not None]
    if found:
        alike = sum(_says(pair, other) for pair, other in found)
        opposed = sum({better_of(pair), better_of(other)} == {pair.a, pair.b} for pair, other in found)
        yield (
            f"On another processor, {elsewhere.processor}, {alike} of {counted(len(found), 'pair')} decided here and "
            f"compared there came out alike, {opposed} the other way round."
        )
    if elsewhere.moved:
        shares = {name: abs(ratio - 1) for name, ratio in elsewhere.moved.items()}
        most = max(shares, key=lambda name: shares[name])
        yield (
            f"Relative to the mean of the {len(shares)} stacks that both machines have, rates there differ by "
            f"{statistics.median(shares.values()):.1%} in the median and by {shares[most]:.1%} at most ({most})."
        )
