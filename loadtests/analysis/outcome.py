"""What a comparison of two ends in: the decision, and its sentence. Pure."""

import math
from collections.abc import Mapping

from msgspec.structs import replace
from scipy.special import stdtrit

from common.records.run import LoadRun
from common.records.summary import Decision, Interval, Pair
from loadtests.analysis.comparison import ALPHA, looks_of, pairs, taken, up_to
from loadtests.analysis.verdicts import FEWEST_ROUNDS

LOOKS = (5, 10, 18, 30, 48)
"""After how many pairs a comparison is looked at: small differences need more of them than rankings do."""


def pair_of(run: LoadRun, values: Mapping[str, Mapping[int, float]]) -> Pair:
    """What is known of the two cells of a comparison at its latest look.

    Each look tests anew at its share of the level: of two that are equivalent, one may yet be told to be slower.
    Too few rounds decide nothing.
    """
    looks = looks_of(run)
    made = max((number for by_round in values.values() for number in by_round), default=0)
    latest = max(taken(looks, made), default=0)
    (pair,) = pairs(up_to(latest, values), margin=run.stopping.margin, looks=len(looks))
    if (n := pair.ratio.n if pair.ratio else 0) < FEWEST_ROUNDS:
        return replace(pair, decision=Decision.UNDECIDED, rounds_needed=FEWEST_ROUNDS - n)
    return pair


def settled(run: LoadRun, pair: Pair) -> bool:
    """Whether more rounds would change nothing: different, or equivalent and so alike that no look would differ."""
    match pair.decision:
        case Decision.DIFFERENT:
            return True
        case Decision.EQUIVALENT:
            return pair.ratio is None or not _promising(pair.ratio, looks_of(run))
        case Decision.UNDECIDED:
            return False


def _promising(ratio: Interval, looks: tuple[int, ...]) -> bool:
    """Whether the difference seen so far, if it is true, would be told at the last look."""
    if ratio.low is None or ratio.high is None:
        return True
    half_width = math.log(ratio.high / ratio.low) / 2
    sd = half_width / float(stdtrit(ratio.n - 1, 0.975)) * math.sqrt(ratio.n)
    needed = float(stdtrit(looks[-1] - 1, 1 - ALPHA / len(looks) / 2)) * sd / math.sqrt(looks[-1])
    return abs(math.log(ratio.estimate)) > needed


def sentence(pair: Pair, margin: float) -> str:
    """The outcome for ``b`` against ``a`` in one line."""
    if pair.ratio is None:
        return f"undecided: {pair.a} and {pair.b} have no round in common."
    seen = speed(pair.ratio)
    match pair.decision:
        case Decision.DIFFERENT if seen.estimate > 0:
            return f"{pair.b} is faster than {pair.a} by {seen.estimate:.1%} ({_bounds(seen)})."
        case Decision.DIFFERENT:
            return f"{pair.b} is slower than {pair.a} by {-seen.estimate:.1%} ({_bounds(_negative(seen))})."
        case Decision.EQUIVALENT:
            return (
                f"{pair.b} and {pair.a} are equivalent within {margin:.0%}: "
                f"the difference is {seen.estimate:+.1%} ({_bounds(seen, sign='+')})."
            )
        case Decision.UNDECIDED:
            more = "more rounds than can be told" if pair.rounds_needed is None else f"about {pair.rounds_needed} more"
            return (
                f"undecided: {pair.b} against {pair.a} is {seen.estimate:+.1%} ({_bounds(seen, sign='+')}); "
                f"needs {more}{' rounds' if pair.rounds_needed is not None else ''}."
            )


def speed(ratio: Interval) -> Interval:
    """By how much ``b`` serves more than ``a``, from the ratio of a to b: 0.03 is 3 % more, -0.03 is 3 % less."""
    return Interval(
        estimate=1 / ratio.estimate - 1,
        low=None if ratio.high is None else 1 / ratio.high - 1,
        high=None if ratio.low is None else 1 / ratio.low - 1,
        n=ratio.n,
    )


def slower_by(pair: Pair) -> float:
    """By how much ``b`` is told to be slower than ``a``; 0 where it is not."""
    if pair.decision is not Decision.DIFFERENT or pair.ratio is None:
        return 0.0
    return max(0.0, -speed(pair.ratio).estimate)


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
