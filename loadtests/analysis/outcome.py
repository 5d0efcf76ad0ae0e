"""The outcome of comparing two cells: a decision and one sentence. Pure."""

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from scipy.special import stdtrit

from common.records.run import LoadRun
from common.records.summary import Decision, Interval, Pair
from common.words import counted
from loadtests.analysis.comparison import ALPHA, looks_of, looks_taken, pairs, up_to
from loadtests.analysis.verdicts import FEWEST_ROUNDS

LOOKS = (5, 10, 18, 30, 48)
"""The numbers of rounds after which a comparison decides; small differences need more of them than rankings do."""


def pair_of(run: LoadRun, values: Mapping[str, Mapping[int, float]]) -> Pair:
    """Return the pair of the two cells of a comparison at its latest look.

    Each look tests afresh at its share of the level, so that two cells that were equivalent may later prove to differ.
    Fewer than ``FEWEST_ROUNDS`` rounds decide nothing.
    """
    looks = looks_of(run)
    made = max((number for by_round in values.values() for number in by_round), default=0)
    latest = max(looks_taken(looks, made), default=0)
    (pair,) = pairs(up_to(latest, values), margin=run.stopping.margin, looks=len(looks))
    if (n := pair.ratio.n if pair.ratio else 0) < FEWEST_ROUNDS:
        return replace(pair, decision=Decision.UNDECIDED, rounds_needed=FEWEST_ROUNDS - n)
    return pair


def between(pairs: Sequence[Pair], a: str, b: str) -> Pair | None:
    """Return the comparison of two cells with ``a`` first, whichever way round it was made."""
    for pair in pairs:
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            return replace(pair, a=a, b=b, ratio=None if pair.ratio is None else pair.ratio.inverse())
    return None


def settled(run: LoadRun, pair: Pair) -> bool:
    """Return whether more rounds would change nothing: different, or so alike that no later look would differ."""
    match pair.decision:
        case Decision.DIFFERENT:
            return True
        case Decision.EQUIVALENT:
            return pair.ratio is None or not _may_prove_different(pair.ratio, looks_of(run))
        case Decision.UNDECIDED:
            return False


def _may_prove_different(ratio: Interval, looks: tuple[int, ...]) -> bool:
    """Return whether the estimated difference, if it is the true one, would be significant at the last look."""
    if ratio.low is None or ratio.high is None:
        return True
    half_width = math.log(ratio.high / ratio.low) / 2
    sd = half_width / float(stdtrit(ratio.n - 1, 0.975)) * math.sqrt(ratio.n)
    needed = float(stdtrit(looks[-1] - 1, 1 - ALPHA / len(looks) / 2)) * sd / math.sqrt(looks[-1])
    return abs(math.log(ratio.estimate)) > needed


def sentence(pair: Pair, margin: float) -> str:
    """Return the outcome for ``b`` against ``a`` in one line."""
    if pair.ratio is None:
        return f"undecided: {pair.a} and {pair.b} have no round in common."
    change = speed(pair.ratio)
    match pair.decision:
        case Decision.DIFFERENT if change.estimate > 0:
            return f"{pair.b} is faster than {pair.a} by {change.estimate:.1%} ({_bounds(change)})."
        case Decision.DIFFERENT:
            return f"{pair.b} is slower than {pair.a} by {-change.estimate:.1%} ({_bounds(_negative(change))})."
        case Decision.EQUIVALENT:
            return (
                f"{pair.b} and {pair.a} are equivalent within {margin:.0%}: "
                f"the difference is {change.estimate:+.1%} ({_bounds(change, sign='+')})."
            )
        case Decision.UNDECIDED:
            left = pair.rounds_needed
            more = "" if left is None else f"; needs about {counted(left, 'more round')}"
            seen = f"{change.estimate:+.1%} ({_bounds(change, sign='+')})"
            return f"undecided: {pair.b} against {pair.a} is {seen}{more}."


def speed(ratio: Interval) -> Interval:
    """Return by how much ``b`` serves more than ``a``, given the ratio a / b: 0.03 is 3 % more, -0.03 is 3 % less."""
    return Interval(
        estimate=1 / ratio.estimate - 1,
        low=None if ratio.high is None else 1 / ratio.high - 1,
        high=None if ratio.low is None else 1 / ratio.low - 1,
        n=ratio.n,
    )


def slower_by(pair: Pair) -> float:
    """Return by how much ``b`` is slower than ``a`` at least, by the nearer bound of the interval; 0 if undecided."""
    if pair.decision is not Decision.DIFFERENT or pair.ratio is None:
        return 0.0
    return max(0.0, -(speed(pair.ratio).high or 0.0))


def _negative(interval: Interval) -> Interval:
    low, high = interval.low, interval.high
    return Interval(
        estimate=-interval.estimate,
        low=None if high is None else -high,
        high=None if low is None else -low,
        n=interval.n,
    )


def _bounds(interval: Interval, sign: str = "") -> str:
    if interval.low is None or interval.high is None:
        return "no interval from one round"
    return f"{interval.low:{sign}.1%} to {interval.high:{sign}.1%}"
