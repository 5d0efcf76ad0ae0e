"""Decides which cells differ, which are equivalent, which the data cannot separate yet, and how they rank. Pure.

Cells are compared within rounds by paired log ratios, which cancels whatever a round has in common. The plan is
sequential: each look tests at level alpha / looks with Holm's adjustment over all pairs, and a decision is final.
Why this controls the family-wise error rate: until the first false "different", every pair called different truly
differs, so the pairs not yet called different number at least as many as the true null hypotheses. Each of those is
tested at no more than alpha / looks / (that number) at each look, so the chance of any false "different" is at most
alpha (Bonferroni over looks: Maurer & Bretz, Statistics in Biopharmaceutical Research 5, 2013). The same argument
holds for "equivalent".
"""

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.records.run import LoadRun
from common.records.summary import Component, Decision, Interval, Pair
from loadtests.analysis.thresholds import ALPHA, LOOKS, MARGIN
from loadtests.statistics.intervals import CONFIDENCE, POWER, Array, LogRatios, holm
from loadtests.statistics.spread import Values, adjusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """What is known of how values vary, besides those that are compared."""

    steadied_by: Values | None = None
    """The values, of these cells and others, whose common spread moderates that of each cell; ``None`` for none."""
    between: Component | None = None
    """What a cell varies by from run to run; ``None`` if decisions are about this run alone."""

    def up_to(self, look: int) -> "Variation":
        """Return what is known at a look."""
        return self if self.steadied_by is None else replace(self, steadied_by=up_to(look, self.steadied_by))


NOTHING_KNOWN = Variation()


def pairs(
    values: Values,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    looks: int = len(LOOKS),
    decided: Iterable[Pair] = (),
    variation: Variation = NOTHING_KNOWN,
    power: float = POWER,
) -> tuple[Pair, ...]:
    """Return every pair of cells at one of ``looks`` looks, in the order of ``values``.

    ``decided`` are the pairs of the previous look; their decisions stand, whatever the values say now. A pair that is
    both different and equivalent is called different. Decisions hold in other runs as far as ``variation`` says what
    cells vary by between them; ``power`` is the probability of a decision that ``rounds_needed`` promises.
    """
    known = {frozenset((pair.a, pair.b)): pair for pair in decided if pair.decision is not Decision.UNDECIDED}
    every = [*itertools.combinations(values, 2)]
    every += [(pair.a, pair.b) for pair in known.values() if not {pair.a, pair.b} <= values.keys()]
    undecided = [names for names in every if frozenset(names) not in known]
    fresh = _tested(values, undecided, known.values(), variation, margin=margin, alpha=alpha, looks=looks, power=power)
    return tuple(known.get(frozenset(names)) or fresh[names] for names in every)


def compared(
    values: Values, names: Sequence[tuple[str, str]], *, margin: float = MARGIN, variation: Variation = NOTHING_KNOWN
) -> tuple[Pair, ...]:
    """Return these pairs of cells, which are all that is asked, at a single look."""
    tested = _tested(values, names, (), variation, margin=margin, alpha=ALPHA, looks=1, power=POWER)
    return tuple(tested[pair] for pair in names)


def decide(
    values: Values,
    looks: Sequence[int] = LOOKS,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    variation: Variation = NOTHING_KNOWN,
    power: float = POWER,
) -> tuple[Pair, ...]:
    """Return every pair after all the looks that the completed rounds allow, each look building on the previous one.

    If the run ended between two looks, its last round takes the place of the next planned look.
    """
    compared: tuple[Pair, ...] = ()
    for look in looks_taken(looks, max((number for rounds in values.values() for number in rounds), default=0)):
        compared = pairs(
            up_to(look, values),
            margin=margin,
            alpha=alpha,
            looks=len(looks),
            decided=compared,
            variation=variation.up_to(look),
            power=power,
        )
    return compared


def up_to(look: int, values: Values) -> dict[str, dict[int, float]]:
    """Return the values of the rounds up to a look."""
    return {cell: {n: value for n, value in by_round.items() if n <= look} for cell, by_round in values.items()}


def looks_of(run: LoadRun) -> tuple[int, ...]:
    """Return the numbers of rounds after which ``run`` makes decisions; only its last round if no cell drops out."""
    return tuple(run.stopping.looks) or (run.rounds,)


def looks_taken(looks: Sequence[int], made: int) -> tuple[int, ...]:
    """Return the looks of a plan after ``made`` rounds, including one at the last round if the run ended early."""
    passed = [look for look in looks if look <= made]
    ended_between = made > 0 and passed != list(looks) and made not in passed
    return (*passed, made) if ended_between else tuple(passed)


def worth_continuing(active: Collection[str], compared: Iterable[Pair], *, rounds_left: int) -> frozenset[str]:
    """Return the ``active`` cells with an undecided pair that ``rounds_left`` more rounds may decide.

    The probability is the one that the pairs' ``rounds_needed`` promises. A pair whose other cell has dropped out gets
    no more values, so it keeps no cell in the run. Testing a pair less often cannot call it different more often, so
    the error rate still holds.
    """
    names = frozenset(active)
    hopeful = [
        pair
        for pair in compared
        if pair.decision is Decision.UNDECIDED
        and {pair.a, pair.b} <= names
        and pair.rounds_needed is not None
        and pair.rounds_needed <= rounds_left
    ]
    return frozenset(name for pair in hopeful for name in (pair.a, pair.b))


def _tested(
    values: Values,
    names: Sequence[tuple[str, str]],
    known: Collection[Pair],
    variation: Variation,
    *,
    margin: float,
    alpha: float,
    looks: int,
    power: float,
) -> dict[tuple[str, str], Pair]:
    """Return the undecided pairs after a test whose family includes the pairs ``known`` from earlier looks."""
    if not names:
        return {}
    ratios, band = LogRatios.of(log_ratios(values, names)), math.log1p(margin)
    if variation.steadied_by is not None:
        ratios = _with_common_spread(ratios, variation.steadied_by, names)
    this_run, ratios = intervals(ratios), replace(ratios, between=variation.between)
    left = {kind: len(names) + len(known) - sum(pair.decision is kind for pair in known) for kind in Decision}
    different = np.minimum(holm(ratios.different(), left[Decision.DIFFERENT]) * looks, 1)
    equivalent = holm(ratios.equivalent(band), left[Decision.EQUIVALENT]) * looks
    differ, equal = (alpha / looks / left[kind] for kind in (Decision.DIFFERENT, Decision.EQUIVALENT))
    more = ratios.rounds_needed(band, differ, equal, power) - ratios.n
    return {
        (a, b): Pair(
            a=a,
            b=b,
            ratio=ratio,
            this_run=None if variation.between is None else own,
            p_value=p,
            decision=(made := decision(p, q, alpha)),
            rounds_needed=whole_rounds(rounds) if made is Decision.UNDECIDED else None,
        )
        for (a, b), ratio, own, p, q, rounds in zip(
            names, intervals(ratios), this_run, different.tolist(), equivalent.tolist(), more.tolist(), strict=True
        )
    }


def _with_common_spread(ratios: LogRatios, values: Values, names: Sequence[tuple[str, str]]) -> LogRatios:
    """Return the log ratios with moderated spreads; the degrees of freedom are Welch's (Biometrika 34, 1947)."""
    cells = adjusted(values)
    a, b = ([cells.get(name) for name in column] for column in zip(*names, strict=True))
    variances = [np.array([math.inf if cell is None else cell.variance for cell in column]) for column in (a, b)]
    freedom = [np.array([1.0 if cell is None else cell.freedom for cell in column]) for column in (a, b)]
    total = variances[0] + variances[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = total**2 / (variances[0] ** 2 / freedom[0] + variances[1] ** 2 / freedom[1])
    welch = np.where(np.isfinite(welch), np.maximum(welch, 1), 1)
    return replace(ratios, sd=np.sqrt(total), freedom=welch)


def decision(different: float, equivalent: float, alpha: float) -> Decision:
    """Return what two adjusted p-values say at a level; a pair that is both different and equivalent is different."""
    if different < alpha:
        return Decision.DIFFERENT
    return Decision.EQUIVALENT if equivalent < alpha else Decision.UNDECIDED


def whole_rounds(rounds: float) -> int | None:
    """Return a number of additional rounds, at least 1; ``None`` if it is unknown or infinite."""
    return max(1, math.ceil(rounds)) if math.isfinite(rounds) else None


def intervals(ratios: LogRatios, confidence: float = CONFIDENCE) -> Iterator[Interval | None]:
    """Yield the interval of each ratio; ``None`` where no round has one."""
    low, high = ratios.bounds(confidence)
    rows = zip(ratios.n.tolist(), np.exp(ratios.mean).tolist(), low.tolist(), high.tolist(), strict=True)
    for n, estimate, lowest, highest in rows:
        bounds = (None, None) if math.isnan(lowest) else (lowest, highest)
        yield Interval(estimate=estimate, low=bounds[0], high=bounds[1], n=int(n)) if n else None


def log_ratios(values: Values, names: Sequence[tuple[str, str]]) -> Array:
    """Return log ratios with rounds in rows and pairs in columns; NaN if a cell has no value in a round."""
    rounds = sorted({number for by_round in values.values() for number in by_round})
    logs = {cell: np.log([by_round.get(number, np.nan) for number in rounds]) for cell, by_round in values.items()}
    return np.column_stack([logs[a] - logs[b] for a, b in names])


def rank_ranges(cells: Iterable[str], pairs: Iterable[Pair]) -> dict[str, tuple[int, int]]:
    """Return, for each cell, the first and the last rank that it may have.

    The first is 1 + the number of cells that are significantly better (of a higher value), the last is the number of
    cells less those that are significantly worse. Pairs with cells beyond ``cells`` do not count.
    """
    names = list(cells)
    better, worse = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for pair in _among(names, pairs):
        if winner := better_of(pair):
            better[pair.b if winner == pair.a else pair.a] += 1
            worse[winner] += 1
    return {name: (1 + better[name], len(names) - worse[name]) for name in names}


def ties(cells: Iterable[str], pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """Return, for each cell, the cells that are not significantly different from it.

    Ties do not carry over: a may tie with b and b with c where a and c differ.
    """
    tied: dict[str, list[str]] = {cell: [] for cell in cells}
    for pair in _among(tied, pairs):
        if pair.decision is not Decision.DIFFERENT:
            tied[pair.a].append(pair.b)
            tied[pair.b].append(pair.a)
    return tied


def _among(cells: Collection[str], pairs: Iterable[Pair]) -> Iterator[Pair]:
    return (pair for pair in pairs if pair.a in cells and pair.b in cells)


def better_of(pair: Pair) -> str:
    """Return the name of the cell that is significantly better; empty if neither is."""
    if pair.decision is not Decision.DIFFERENT or pair.ratio is None:
        return ""
    return pair.a if pair.ratio.estimate > 1 else pair.b
