"""The rate of each cell with its interval, as tables show it. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence

from common.records.run import LoadRun
from common.records.summary import Interval, Verdict
from common.records.window import Window
from loadtests.analysis.values import by_cell, values_of
from loadtests.analysis.verdicts import is_sound, load_test_verdicts
from loadtests.statistics.intervals import geometric, log_interval, student_t
from loadtests.statistics.spread import Adjusted, Values, adjusted, are_connected

Verdicts = Mapping[str, Collection[Verdict]]
"""The verdicts on each cell."""


def rates(run: LoadRun, windows: Sequence[Window]) -> dict[str, Interval]:
    """Return the interval of each cell that has values."""
    windows_of = by_cell(windows)
    return rates_of(run, values_of(run.cells, windows_of), load_test_verdicts(run, windows_of))


def rates_of(run: LoadRun, values: Values, seen: Verdicts) -> dict[str, Interval]:
    """Return the interval of each cell that has ``values``, by round; ``seen`` are the verdicts on each cell.

    The cells of a sliced round are measured together, so the intervals leave out what a round does to all of them. In
    other designs the intervals include it, and the estimates are adjusted if some cells missed rounds of others.

    The values of a cell that is not sound adjust no other, and are taken as they are; but a verdict on all cells, such
    as that of a generator on the server's cores, says nothing against one of them. Unless common rounds link all cells
    that are left, all values are taken as they are.
    """
    plain = {name: one for name in values if (one := log_interval(list(values[name].values()))) is not None}
    of_all = frozenset[Verdict]().union(*seen.values()).intersection(*(seen[name] for name in plain))
    together = {name: values[name] for name in plain if is_sound(set(seen[name]) - of_all)}
    if not are_connected(together) or (run.slicing is None and len(set(map(frozenset, together.values()))) <= 1):
        return plain
    fitted = adjusted(together)
    if run.slicing is not None:
        return plain | {name: one.interval() for name, one in fitted.items()}
    return plain | {name: _moved(plain[name], one) for name, one in fitted.items()}


def _moved(plain: Interval, fitted: Adjusted) -> Interval:
    """Return an interval around the adjusted mean, wider by what is not known of the rounds that the cell missed."""
    if plain.low is None or plain.high is None or not math.isfinite(fitted.error):
        return geometric(fitted.mean, math.inf, plain.n)
    of_rounds = math.sqrt(max(0.0, fitted.error**2 - fitted.variance / fitted.n))
    half = math.hypot(math.log(plain.high / plain.low) / 2, student_t(fitted.freedom) * of_rounds)
    return geometric(fitted.mean, half, plain.n)
