"""The outcome of comparing two cells: a decision and one sentence. Pure."""

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from scipy.special import stdtrit

from common.records.run import CompareRun, LoadRun
from common.records.summary import AgainstLimit, Decision, Interval, LimitDecision, Pair
from common.words import counted
from loadtests.analysis.comparison import log_ratios, looks_of, looks_taken, pairs, up_to
from loadtests.analysis.limits import at_look, speed
from loadtests.analysis.thresholds import ALPHA, FEWEST_ROUNDS
from loadtests.statistics.intervals import LogRatios


def pair_of(run: LoadRun, values: Mapping[str, Mapping[int, float]]) -> Pair:
    """Return the pair of the two cells of a comparison at its latest look.

    Each look tests afresh at its share of the level, so that two cells that were equivalent may later prove to differ.
    Fewer than ``FEWEST_ROUNDS`` rounds decide nothing.
    """
    looks = looks_of(run)
    made = max((number for by_round in values.values() for number in by_round), default=0)
    seen = up_to(max(looks_taken(looks, made), default=0), values)
    (pair,) = pairs(seen, margin=run.stopping.margin, looks=_tests(run))
    missing = FEWEST_ROUNDS - (pair.ratio.n if pair.ratio else 0)
    if missing > 0:
        pair = replace(pair, decision=Decision.UNDECIDED, rounds_needed=missing)
    if not isinstance(run, CompareRun) or run.fail_if_slower is None:
        return pair
    found = at_look(LogRatios.of(log_ratios(seen, [(pair.a, pair.b)])), run.fail_if_slower, _tests(run))
    if found is not None and missing > 0:
        found = replace(found, decision=LimitDecision.UNDECIDED, rounds_needed=missing)
    return replace(pair, against_limit=found)


def between(pairs: Sequence[Pair], a: str, b: str) -> Pair | None:
    """Return the comparison of two cells with ``a`` first, whichever way round it was made."""
    for pair in pairs:
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            ratio, this_run = (interval and interval.inverse() for interval in (pair.ratio, pair.this_run))
            return replace(pair, a=a, b=b, ratio=ratio, this_run=this_run)
    return None


def settled(run: LoadRun, pair: Pair) -> bool:
    """Return whether more rounds would change nothing: different, or so alike that no later look would differ.

    With a limit, nothing counts but whether that is decided: two cells that differ may do so by less or by more.
    """
    if pair.against_limit is not None:
        return not pair.is_undecided
    match pair.decision:
        case Decision.DIFFERENT:
            return True
        case Decision.EQUIVALENT:
            return pair.ratio is None or not _may_prove_different(pair.ratio, looks_of(run)[-1], _tests(run))
        case Decision.UNDECIDED:
            return False


def _tests(run: LoadRun) -> int:
    """Return how many tests of the same question share the level of 5 %."""
    return len(looks_of(run)) * (run.comparisons if isinstance(run, CompareRun) else 1)


def _may_prove_different(ratio: Interval, last_look: int, tests: int) -> bool:
    """Return whether the estimated difference, if it is the true one, would be significant at the last look."""
    if ratio.low is None or ratio.high is None:
        return True
    half_width = math.log(ratio.high / ratio.low) / 2
    sd = half_width / float(stdtrit(ratio.n - 1, 0.975)) * math.sqrt(ratio.n)
    needed = float(stdtrit(last_look - 1, 1 - ALPHA / tests / 2)) * sd / math.sqrt(last_look)
    return abs(math.log(ratio.estimate)) > needed


def sentences(pair: Pair, margin: float) -> list[str]:
    """Return the outcome for ``b`` against ``a``: what was decided about the limit, if there is one, and about both."""
    if pair.against_limit is None:
        return [sentence(pair, margin)]
    decided = [] if pair.decision is Decision.UNDECIDED else [sentence(pair, margin)]
    return [_limit_sentence(pair, pair.against_limit), *decided]


def _limit_sentence(pair: Pair, against: AgainstLimit) -> str:
    """Return what was decided about a limit in one line."""
    change = against.change
    seen = f"the difference is {change.estimate:+.1%} ({_bounds(change, sign='+')})"
    match against.decision:
        case LimitDecision.SLOWER:
            return f"{pair.b} is slower than {pair.a} by more than {against.limit:.1%}: {seen}."
        case LimitDecision.NOT_SLOWER:
            return f"{pair.b} is not slower than {pair.a} by more than {against.limit:.1%}: {seen}."
        case LimitDecision.UNDECIDED:
            return (
                f"undecided whether {pair.b} is slower than {pair.a} by more than {against.limit:.1%}: {seen}"
                f"{_more_rounds(pair)}."
            )


def _more_rounds(pair: Pair) -> str:
    return "" if pair.rounds_left is None else f"; needs about {counted(pair.rounds_left, 'more round')}"


def sentence(pair: Pair, margin: float) -> str:
    """Return what was decided about ``b`` against ``a`` in one line."""
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
            seen = f"{change.estimate:+.1%} ({_bounds(change, sign='+')})"
            return f"undecided: {pair.b} against {pair.a} is {seen}{_more_rounds(pair)}."


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
