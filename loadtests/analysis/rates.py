"""The rate of each cell with its interval, as tables show it. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence

from common.records.run import LoadRun
from common.records.summary import Component, Interval, Verdict
from common.records.window import Window
from loadtests.analysis.between_runs import between_runs_of
from loadtests.analysis.values import by_cell, values_of
from loadtests.analysis.verdicts import is_sound, load_test_verdicts
from loadtests.statistics.components import Estimate, estimate_of, total
from loadtests.statistics.spread import Adjusted, Values, adjusted, are_connected

Verdicts = Mapping[str, Collection[Verdict]]
"""The verdicts on each cell."""


def rates(run: LoadRun, windows: Sequence[Window]) -> dict[str, Interval]:
    """Return the interval of each cell that has values, which holds in other runs on this machine."""
    between = between_runs_of(run)
    return {name: estimate.interval(between) for name, estimate in estimates(run, windows).items()}


def estimates(run: LoadRun, windows: Sequence[Window]) -> dict[str, Estimate]:
    """Return the estimate of each cell that has values, with the error of this run alone."""
    windows_of = by_cell(windows)
    return estimates_of(run, values_of(run.cells, windows_of), load_test_verdicts(run, windows_of))


def estimates_of(run: LoadRun, values: Values, seen: Verdicts) -> dict[str, Estimate]:
    """Return the estimate of each cell that has ``values``, by round; ``seen`` are the verdicts on each cell.

    The cells of a sliced round are measured together, so the errors leave out what a round does to all of them. In
    other designs the errors include it, and the estimates are adjusted if some cells missed rounds of others.

    The values of a cell that is not sound adjust no other, and are taken as they are; but a verdict on all cells, such
    as that of a generator on the server's cores, says nothing against one of them. Unless common rounds link all cells
    that are left, all values are taken as they are.
    """
    plain = {name: estimate for name in values if (estimate := estimate_of(list(values[name].values()))) is not None}
    of_all = frozenset[Verdict]().union(*seen.values()).intersection(*(seen[name] for name in plain))
    together = {name: values[name] for name in plain if is_sound(set(seen[name]) - of_all)}
    if not are_connected(together) or (run.slicing is None and len(set(map(frozenset, together.values()))) <= 1):
        return plain
    fitted = adjusted(together)
    if run.slicing is not None:
        return plain | {name: cell.estimate for name, cell in fitted.items()}
    return plain | {name: _moved(plain[name], cell) for name, cell in fitted.items()}


def _moved(plain: Estimate, fitted: Adjusted) -> Estimate:
    """Return the adjusted mean; its error includes the uncertainty about the rounds that the cell missed."""
    if plain.error is None or not math.isfinite(fitted.error):
        return Estimate(mean=fitted.mean, error=None, n=plain.n)
    of_rounds = math.sqrt(max(0.0, fitted.error**2 - fitted.variance / fitted.n))
    error = total(plain.error, Component(sd=of_rounds, freedom=fitted.freedom))
    return Estimate(mean=fitted.mean, error=error, n=plain.n)
