"""Finds the commit that made a package slower by halving the commits between a fast and a slow one. Pure.

Commits have positions: 0 is the fast one that the user named, the last one the slow one. Each comparison is with
position 0, and decides whether a commit is slower than that by more than a limit between the two. So whatever happened
in between, the commit found is slower by more than the limit, and the one before it is not.
"""

import math
from collections.abc import Mapping

from common.records.summary import Interval, LimitDecision
from loadtests.analysis.thresholds import ALPHA

Found = Mapping[int, LimitDecision | None]
"""What was decided of a commit, by its position; ``None`` for one that cannot be built or measured."""


def comparisons_needed(last: int) -> int:
    """Return how many comparisons find a commit: that of both ends, and one for each halving."""
    return 1 + math.ceil(math.log2(last))


def limit_between(change: Interval) -> float:
    """Return the slowdown that tells slow commits from fast ones, given the change from the first to the last.

    A change of -0.1 is a slowdown of 10 %. The limit is half of it, or as much of it as is certain if that is less.
    """
    assert change.high is not None
    return min(1 - math.sqrt(1 + change.estimate), -change.high)


def narrowed(found: Found, last: int) -> tuple[int, int]:
    """Return the last commit that is known to be fast, and the first one after it that is known to be slow."""
    slow = min((at for at, decision in found.items() if decision is LimitDecision.SLOWER), default=last)
    fast = (at for at, decision in found.items() if decision is LimitDecision.NOT_SLOWER and at < slow)
    return max(fast, default=0), slow


def next_position(found: Found, last: int) -> int | None:
    """Return the commit to compare next: the middle one, or the nearest to it; ``None`` once none is left."""
    fast, slow = narrowed(found, last)
    left = [at for at in range(fast + 1, slow) if at not in found]
    return min(left, key=lambda at: abs(2 * at - fast - slow), default=None)


def chance_of_error(found: Found, last: int) -> float:
    """Return the most that the chance of a wrong result can be, after the comparison of both ends and these."""
    made = 1 + sum(decision is not None for decision in found.values())
    return ALPHA * made / comparisons_needed(last)
