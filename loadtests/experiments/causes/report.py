"""The effect of each change on response times, as ratios to unchanged conditions within rounds. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from common.records.summary import Interval
from common.records.window import Latency
from loadtests.analysis.formatting import with_bounds
from loadtests.experiments.latency import report as latency
from loadtests.experiments.latency.records import CauseRatio, LatencyRun, LatencySummary, Point, TrafficVisit
from loadtests.experiments.workers.report import ByRound
from loadtests.statistics.intervals import paired_ratio

FEWEST_FOR_TAIL = 400
"""The fewest responses of a server from which its 99th percentile is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """A statistic of a server's response times, and the fewest responses that it needs."""

    of: Callable[[Latency], float]
    fewest: int


MEAN = _Figure(of=lambda latency: latency.mean, fewest=1)
TAIL = _Figure(of=lambda latency: latency.p99, fewest=FEWEST_FOR_TAIL)


def summarise(run: LatencyRun, visits: Sequence[TrafficVisit]) -> LatencySummary:
    """Return the summary of a run of visits, with the ratio of each change to unchanged conditions."""
    return replace(latency.summarise(run, visits), ratios=cause_ratios(run, visits))


def cause_ratios(run: LatencyRun, visits: Sequence[TrafficVisit]) -> list[CauseRatio]:
    """Return each point's ratios to its reference points, for every traffic that they have in common.

    A changed point is compared with the plain points of its size, a plain size with the largest one, and a memory limit
    with the first one of its size. Several reference points count as their geometric mean.
    """
    return [
        CauseRatio(
            point=point.name,
            against=[plain.name for plain in reference],
            traffic=traffic.name,
            mean_ratio=_ratio(visits, point, reference, traffic.name, MEAN),
            p99_ratio=_ratio(visits, point, reference, traffic.name, TAIL),
        )
        for point, reference in _compared([point for point in run.points if point.missing is None])
        for traffic in point.traffic
        if all(traffic in plain.traffic for plain in reference)
    ]


def _compared(points: Sequence[Point]) -> Iterator[tuple[Point, list[Point]]]:
    for point in points:
        plain = [other for other in points if other.stack == point.stack and not _changed(other)]
        same_size = [other for other in plain if other.size.vcpu == point.size.vcpu]
        if _changed(point):
            if same_size:
                yield point, same_size
            continue
        if same_size[0] is not point:
            yield point, same_size[:1]
        most = max(other.size.vcpu for other in plain)
        if point.size.vcpu < most:
            yield point, [other for other in plain if other.size.vcpu == most]


def _changed(point: Point) -> bool:
    return bool(
        point.size.period_s or point.neighbours or point.proxied or point.size.workers > max(1, int(point.size.vcpu))
    )


def _ratio(
    visits: Sequence[TrafficVisit],
    point: Point,
    reference: Sequence[Point],
    traffic: str,
    figure: _Figure,
) -> Interval | None:
    values = _by_round(visits, point, traffic, figure)
    references = [_by_round(visits, plain, traffic, figure) for plain in reference]
    rounds = set(values).intersection(*references)
    means = {number: math.prod(of[number] for of in references) ** (1 / len(references)) for number in rounds}
    return paired_ratio(values, means)


def _by_round(visits: Sequence[TrafficVisit], point: Point, traffic: str, figure: _Figure) -> ByRound:
    return {
        number: figure.of(load.latency_s)
        for number, load in latency.loads_by_round(visits, point.name, traffic).items()
        if load.latency_s is not None and load.requests >= figure.fewest
    }


def cause_sentences(run: LatencyRun, ratios: Sequence[CauseRatio]) -> Iterator[str]:
    """Yield a sentence for each ratio."""
    points = {point.name: point for point in run.points}
    for ratio in ratios:
        point, *against = (latency.label(points[name]) for name in (ratio.point, *ratio.against))
        tail = "" if ratio.p99_ratio is None else f", p99 x {with_bounds(ratio.p99_ratio, digits=2)}"
        yield (
            f"{point}, {ratio.traffic}: mean x {with_bounds(ratio.mean_ratio, digits=2)}{tail}, "
            f"relative to {' and '.join(against)}"
        )
