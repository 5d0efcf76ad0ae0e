"""The rate of each cell with its interval, as tables show it. Pure."""

import math
from collections.abc import Collection, Sequence

from scipy.special import stdtrit

from common.records.run import LoadRun
from common.records.summary import Interval
from common.records.window import Window
from loadtests.analysis.values import by_cell, values_by_round
from loadtests.analysis.verdicts import is_sound, load_test_verdicts
from loadtests.statistics.intervals import CONFIDENCE, log_interval
from loadtests.statistics.spread import Adjusted, Values, adjusted, are_connected


def rates(run: LoadRun, windows: Sequence[Window]) -> dict[str, Interval]:
    """Return the interval of each cell that has values."""
    windows_of = by_cell(windows)
    values = {cell.name: values_by_round(windows_of[cell.name]) for cell in run.cells}
    sound = {cell.name for cell in run.cells if is_sound(load_test_verdicts(run, cell, windows_of[cell.name]))}
    return rates_of(run, values, sound)


def rates_of(run: LoadRun, values: Values, sound: Collection[str]) -> dict[str, Interval]:
    """Return the interval of each cell that has ``values``, by round; those that are not ``sound`` adjust no other.

    The cells of a sliced round are measured together, so the intervals leave out what a round does to all of them. In
    other designs the intervals include it, and the estimates are adjusted if some cells missed rounds of others. The
    values of a cell that is not sound, or of cells that share no rounds, are taken as they are.
    """
    plain = {name: one for name in values if (one := log_interval(list(values[name].values()))) is not None}
    together = {name: values[name] for name in plain if name in sound}
    if not are_connected(together) or (run.slicing is None and _share_all_rounds(together)):
        return plain
    fitted = adjusted(together)
    if run.slicing is not None:
        return plain | {name: one.interval() for name, one in fitted.items()}
    return plain | {name: _moved(plain[name], one) for name, one in fitted.items()}


def _share_all_rounds(values: Values) -> bool:
    return len({frozenset(by_round) for by_round in values.values()}) <= 1


def _moved(plain: Interval, fitted: Adjusted) -> Interval:
    """Return an interval around the adjusted mean, wider by what is not known of the rounds that the cell missed."""
    estimate = math.exp(fitted.mean)
    if plain.low is None or plain.high is None or not math.isfinite(fitted.error):
        return Interval(estimate=estimate, low=None, high=None, n=plain.n)
    of_rounds = max(0.0, fitted.error**2 - fitted.variance / fitted.n)
    added = float(stdtrit(fitted.freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(of_rounds)
    half = math.hypot(math.log(plain.high / plain.low) / 2, added)
    return Interval(estimate=estimate, low=estimate * math.exp(-half), high=estimate * math.exp(half), n=plain.n)
