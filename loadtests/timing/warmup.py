"""The rule by which a server is warm: its rate no longer rises.

A just-in-time compiler makes a server faster for seconds or for minutes, and nothing says beforehand for how long. The
rule therefore has no time of its own: it compares quarters of the whole load so far, which is looked at again whenever
it has become about half as long again. What still rises by ``MOST_RISE`` from one quarter to the next goes on.

Before such a compiler begins, the rate does not rise either: PyPy compiles a function once it has been called 1,619
times, and the rate of Falcon on it was flat for 1,400 requests before it rose sixfold. So a server that may compile its
code is not looked at before ``FEWEST_REQUESTS``.

The first look is after ``least_s``, and each of the next after a third or half as much time again. A server is warm if
neither of the last two quarters has a rate over 2 % above the quarter before; it counts as warm from the middle on.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

from common.records.window import Warmup
from loadtests.analysis.thresholds import MOST_RISE
from loadtests.timing.reading import Reading

SPELL_S = 0.08
"""The time from one reading to the next: a whole number of the kernel's ticks, so that CPU times are equally old."""
FEWEST_RESPONSES = 64
"""With fewer responses in a quarter, what was sent before it and answered in it distorts its rate."""
FEWEST_REQUESTS = 10_000
"""The requests before which a server that may compile its code is not taken to be warm."""
MOST_STEADY_S = 2.56
QUARTERS = 4


def warm_up(
    read: Callable[[], Reading],
    load_until: Callable[[float], None],
    *,
    least_s: float,
    most_s: float,
    may_compile: bool = False,
) -> tuple[Warmup, float]:
    """Load a server for ``least_s``, and longer until its rate no longer rises, at most for ``most_s``.

    A server that cannot compile its code is loaded for ``MOST_STEADY_S`` at most: what seems to rise then is chance.
    Return the record, and the responses per second of the last quarter.
    """
    readings = [read()]
    warm: bool | None = None
    for spells in looks(least_s, most_s if may_compile else min(most_s, MOST_STEADY_S)):
        while len(readings) <= spells:
            load_until(readings[0].at_s + len(readings) * SPELL_S)
            readings.append(read())
        too_soon = may_compile and readings[-1].answered - readings[0].answered < FEWEST_REQUESTS
        warm = not too_soon and is_warm(readings)
        if warm:
            break
    third, last = readings[(len(readings) - 1) * (QUARTERS - 1) // QUARTERS], readings[-1]
    latest_rps = (last.answered - third.answered) / (last.at_s - third.at_s)
    return _record(readings, warm=warm if most_s and (warm or may_compile) else None), latest_rps


def looks(least_s: float, most_s: float) -> Iterator[int]:
    """Yield the numbers of spells after which to look whether a server is warm: each a half or a third more.

    The first lasts ``least_s`` at least, the others at most ``most_s``. All can be cut into quarters.
    """
    first = QUARTERS * max(1, math.ceil(round(least_s / SPELL_S / QUARTERS, 6)))
    yield first
    for doubled in itertools.count():
        for number in (first * 3 // 2, 2 * first):
            spells = (number << doubled) // QUARTERS * QUARTERS
            if spells * SPELL_S > most_s:
                return
            if spells > first:
                yield spells


def is_warm(readings: Sequence[Reading]) -> bool | None:
    """Return whether the rate rose neither to the last quarter of the load nor to the one before.

    ``None`` if a quarter has too few responses for that to be known. Rates are per second of the server's CPU time, so
    that nothing else on the machine changes them, or by the clock where that cannot be read.
    """
    ends = [readings[(len(readings) - 1) * quarter // QUARTERS] for quarter in range(1, QUARTERS + 1)]
    counts = [later.answered - earlier.answered for earlier, later in itertools.pairwise(ends)]
    if min(counts) < FEWEST_RESPONSES:
        return None
    cpu_s = [end.server.cpu_s for end in ends if end.server is not None]
    times_s = cpu_s if len(cpu_s) == len(ends) else [end.at_s for end in ends]
    spans_s = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    costs = [span_s / count for span_s, count in zip(spans_s, counts, strict=True)]
    return all(later * (1 + MOST_RISE) >= earlier for earlier, later in itertools.pairwise(costs))


def _record(readings: Sequence[Reading], *, warm: bool | None) -> Warmup:
    """Return the record of a warm-up; a server that is warm at its end has been so from its middle on."""
    first, middle, last = readings[0], readings[(len(readings) - 1) // 2], readings[-1]
    return Warmup(
        duration_s=last.at_s - first.at_s,
        requests=last.answered - first.answered,
        until_warm_s=middle.at_s - first.at_s if warm else None,
        until_warm_requests=middle.answered - first.answered if warm else None,
        warm=warm,
    )
