"""The newest valid figure of each stack, over the runs that repeat its run. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from common.records.figure import Conditions, Figure, Metric, Subject
from loadtests.analysis.joint import Joint, estimate_in_run, joint
from loadtests.analysis.together import OF_A_WHOLE_RUN, over_runs
from loadtests.analysis.verdicts import is_valid

Series = tuple[str, str | None, Conditions]
"""The digests of a machine and of what repeated runs share, and the conditions of their rates."""


def newest_figures(figures: Iterable[Figure]) -> list[Figure]:
    """Return the newest valid figure of each stack, metric and conditions: over the runs that repeat its run.

    It is of its run alone if one of these has a number for the stack that is not valid: those that are may be so by
    chance.
    """
    alike = defaultdict[tuple[object, ...], dict[str, Figure]](dict)
    for figure in sorted(figures, key=lambda figure: figure.measured_at):
        if figure.verdict not in OF_A_WHOLE_RUN:
            alike[figure.machine, figure.subject, figure.metric, figure.conditions][figure.run] = figure
    every = [[*by_run.values()] for by_run in alike.values()]
    rates = _rates_of_series(figure for of_stack in every for figure in of_stack)
    found = (_newest(of_stack, rates) for of_stack in every)
    return [figure for figure in found if figure is not None]


def _newest(figures: Sequence[Figure], rates: Mapping[Series, Joint[Subject]]) -> Figure | None:
    newest = next((figure for figure in reversed(figures) if is_valid(figure.verdict)), None)
    if newest is None or newest.series is None:
        return newest
    series = [figure for figure in figures if figure.series == newest.series]
    if len(series) == 1 or not all(is_valid(figure.verdict) for figure in series):
        return newest
    pooled = replace(
        newest, value=over_runs([figure.value for figure in series]), pooled=[figure.run for figure in series]
    )
    if newest.metric is not Metric.REQUESTS_PER_CPU_S:
        return pooled
    over_all = rates[_series_of(newest)]
    if (rate := over_all.rates.get(newest.subject)) is None:
        return newest
    value = rate.interval(over_all.of_mean)
    return replace(pooled, value=value, error=rate.error, between_runs=over_all.between)


def _series_of(figure: Figure) -> Series:
    return figure.machine, figure.series, figure.conditions


def _rates_of_series(figures: Iterable[Figure]) -> dict[Series, Joint[Subject]]:
    """Return the joint rates of each series of runs that repeat each other."""
    series = defaultdict[Series, dict[str, list[Figure]]](lambda: defaultdict(list))
    for figure in sorted(figures, key=lambda figure: figure.measured_at):
        if figure.metric is Metric.REQUESTS_PER_CPU_S and figure.series is not None:
            series[_series_of(figure)][figure.run].append(figure)
    return {key: _joint_of_figures(by_run) for key, by_run in series.items() if len(by_run) > 1}


def _joint_of_figures(by_run: Mapping[str, Sequence[Figure]]) -> Joint[Subject]:
    runs = {
        run: {
            figure.subject: estimate_in_run(figure.value, figure.error)
            for figure in figures
            if is_valid(figure.verdict)
        }
        for run, figures in by_run.items()
    }
    newest = [*by_run.values()][-1][0]
    return joint(runs, newest.between_runs)
