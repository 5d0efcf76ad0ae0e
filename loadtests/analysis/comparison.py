"""Which cells differ, which are equivalent, and which the data cannot tell apart yet: pure, numbers in, decisions out.

Cells are compared within rounds by paired log ratios, so what a round shares falls out. The plan is sequential: at
each look the level is alpha / looks, with Holm's adjustment over all pairs, and a decision once made stands. Before the
first false "different", every pair called different truly is, so the pairs not yet called so are at least as many as
the true hypotheses of no difference; each of those was tested at no more than alpha / looks / that many at each of
the looks, so the chance of any false one is at most alpha (Bonferroni over looks in Maurer & Bretz, Statistics in
Biopharmaceutical Research 5, 2013). The same holds for false "equivalent" ones.
"""

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.records.run import LoadRun
from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.intervals import CONFIDENCE
from loadtests.analysis.moderation import adjusted
from loadtests.analysis.paired import POWER, Array, LogRatios, holm

LOOKS = (5, 8, 12, 16, 20)
"""After how many rounds the data are looked at."""
SLICED_LOOKS = (5, 8, 12)
"""After how many rounds the data of a sliced run are looked at."""
MARGIN = 0.05
ALPHA = 0.05

Values = Mapping[str, Mapping[int, float]]
"""Each cell's value by round."""


def pairs(
    values: Values,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    looks: int = len(LOOKS),
    decided: Iterable[Pair] = (),
    steadied_by: Values | None = None,
    power: float = POWER,
) -> tuple[Pair, ...]:
    """Every pair of cells at one of ``looks`` looks, in the order of ``values``.

    ``decided`` are the pairs of the look before: what they have decided stands, whatever the values say now. A pair
    both different and equivalent is called different. ``steadied_by`` are
    the values, of these cells and others, whose common spread steadies that of each cell; ``power``
    is the chance of a decision that ``rounds_needed`` promises.
    """
    known = {frozenset((pair.a, pair.b)): pair for pair in decided if pair.decision is not Decision.UNDECIDED}
    every = [*itertools.combinations(values, 2)]
    every += [(pair.a, pair.b) for pair in known.values() if not {pair.a, pair.b} <= values.keys()]
    undecided = [names for names in every if frozenset(names) not in known]
    fresh = _tested(values, undecided, known.values(), _Rule(margin, alpha, looks, power), steadied_by)
    return tuple(known.get(frozenset(names)) or fresh[names] for names in every)


def decide(
    values: Values,
    looks: Sequence[int] = LOOKS,
    *,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    steadied_by: Values | None = None,
    power: float = POWER,
) -> tuple[Pair, ...]:
    """Every pair after all looks that the rounds made allow, each look building on the one before.

    The last round made is a look too, in the place of the next one planned, where a run ended between two.
    """
    found: tuple[Pair, ...] = ()
    for look in taken(looks, max((number for rounds in values.values() for number in rounds), default=0)):
        found = pairs(
            up_to(look, values),
            margin=margin,
            alpha=alpha,
            looks=len(looks),
            decided=found,
            steadied_by=None if steadied_by is None else up_to(look, steadied_by),
            power=power,
        )
    return found


def up_to(look: int, values: Values) -> dict[str, dict[int, float]]:
    """Return the values of the rounds up to a look."""
    return {cell: {n: value for n, value in by_round.items() if n <= look} for cell, by_round in values.items()}


def looks_of(run: LoadRun) -> tuple[int, ...]:
    """After how many rounds the pairs of ``run`` are looked at; once, at its end, where no cell drops out."""
    return tuple(run.stopping.looks) or (run.rounds,)


def taken(looks: Sequence[int], made: int) -> tuple[int, ...]:
    """The looks of a plan once so many rounds are made, the last round made among them."""
    passed = [look for look in looks if look <= made]
    ended_between = made > 0 and passed != list(looks) and made not in passed
    return (*passed, made) if ended_between else tuple(passed)


def compare_two(
    a: Mapping[int, float], b: Mapping[int, float], *, margin: float = MARGIN, alpha: float = ALPHA
) -> Pair:
    """The pair of ``a`` and ``b`` alone, at one look."""
    (pair,) = pairs({"a": a, "b": b}, margin=margin, alpha=alpha, looks=1)
    return pair


def going_on(active: Collection[str], found: Iterable[Pair], *, rounds_left: int) -> frozenset[str]:
    """Those of ``active`` with an undecided pair among them that ``rounds_left`` more rounds may decide.

    The chance is the one that the pairs' ``rounds_needed`` promise. A pair whose other cell has
    dropped out gets no more rounds, so it keeps nobody. A pair that is tested less often is not called different more
    often: the plan's error rate holds.
    """
    named = frozenset(active)
    hopeful = [
        pair
        for pair in found
        if pair.decision is Decision.UNDECIDED
        and {pair.a, pair.b} <= named
        and pair.rounds_needed is not None
        and pair.rounds_needed <= rounds_left
    ]
    return frozenset(name for pair in hopeful for name in (pair.a, pair.b))


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a test must reach."""

    margin: float
    alpha: float
    looks: int
    power: float


def _tested(
    values: Values,
    names: Sequence[tuple[str, str]],
    known: Collection[Pair],
    rule: _Rule,
    steadied_by: Values | None,
) -> dict[tuple[str, str], Pair]:
    """The undecided pairs, tested among all of them and those ``known``."""
    if not names:
        return {}
    found, band = LogRatios.of(_log_ratios(values, names)), math.log1p(rule.margin)
    if steadied_by is not None:
        found = _with_common_spread(found, steadied_by, names)
    left = {kind: len(names) + len(known) - sum(pair.decision is kind for pair in known) for kind in Decision}
    different = np.minimum(holm(found.different(), left[Decision.DIFFERENT]) * rule.looks, 1)
    equivalent = holm(found.equivalent(band), left[Decision.EQUIVALENT]) * rule.looks
    differ, equal = (rule.alpha / rule.looks / left[kind] for kind in (Decision.DIFFERENT, Decision.EQUIVALENT))
    more = found.rounds_needed(band, differ, equal, rule.power) - found.n
    return {
        (a, b): Pair(
            a=a,
            b=b,
            ratio=ratio,
            p_value=p,
            decision=(decision := _decision(p, q, rule.alpha)),
            rounds_needed=_more(rounds) if decision is Decision.UNDECIDED else None,
        )
        for (a, b), ratio, p, q, rounds in zip(
            names, _ratios(found), different.tolist(), equivalent.tolist(), more.tolist(), strict=True
        )
    }


def _with_common_spread(found: LogRatios, values: Values, names: Sequence[tuple[str, str]]) -> LogRatios:
    """Return the log ratios with moderated spreads; the degrees of freedom are Welch's (Biometrika 34, 1947)."""
    cells = adjusted(values)
    a, b = ([cells.get(name) for name in column] for column in zip(*names, strict=True))
    variances = [np.array([math.inf if one is None else one.variance for one in column]) for column in (a, b)]
    freedom = [np.array([1.0 if one is None else one.freedom for one in column]) for column in (a, b)]
    total = variances[0] + variances[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = total**2 / (variances[0] ** 2 / freedom[0] + variances[1] ** 2 / freedom[1])
    welch = np.where(np.isfinite(welch), np.maximum(welch, 1), 1)
    return replace(found, sd=np.sqrt(total), freedom=welch)


def _decision(different: float, equivalent: float, alpha: float) -> Decision:
    if different < alpha:
        return Decision.DIFFERENT
    return Decision.EQUIVALENT if equivalent < alpha else Decision.UNDECIDED


def _more(rounds: float) -> int | None:
    return max(1, math.ceil(rounds)) if math.isfinite(rounds) else None


def _ratios(found: LogRatios) -> Iterator[Interval | None]:
    low, high = found.bounds(CONFIDENCE)
    rows = zip(found.n.tolist(), np.exp(found.mean).tolist(), low.tolist(), high.tolist(), strict=True)
    for n, estimate, lowest, highest in rows:
        bounds = (None, None) if math.isnan(lowest) else (lowest, highest)
        yield Interval(estimate=estimate, low=bounds[0], high=bounds[1], n=int(n)) if n else None


def _log_ratios(values: Values, names: Sequence[tuple[str, str]]) -> Array:
    """Rounds in rows, pairs in columns; NaN where a cell has no value in a round."""
    rounds = sorted({number for by_round in values.values() for number in by_round})
    logs = {cell: np.log([by_round.get(number, np.nan) for number in rounds]) for cell, by_round in values.items()}
    return np.column_stack([logs[a] - logs[b] for a, b in names])
