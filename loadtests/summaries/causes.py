"""What each change did to response times: ratios to plain surroundings within rounds. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from common.records.latency import CauseRatio, LatencyRun, LatencySummary, Point, TrafficVisit
from common.records.summary import Interval
from common.records.window import Latency
from loadtests.analysis.paired import paired_ratio
from loadtests.summaries import latency
from loadtests.summaries.workers import ByRound

FEWEST_FOR_TAIL = 400
"""Answers of each server below which its own 99th percentile is no figure; above, intervals over servers hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """What is read off a server's response times, where it has given so many answers."""

    of: Callable[[Latency], float]
    fewest: int


MEAN = _Figure(of=lambda latency: latency.mean, fewest=1)
TAIL = _Figure(of=lambda latency: latency.p99, fewest=FEWEST_FOR_TAIL)


def summarise(run: LatencyRun, visits: Sequence[TrafficVisit]) -> LatencySummary:
    """Return the summary of a run of visits, with ratios to plain surroundings."""
    return replace(latency.summarise(run, visits), ratios=cause_ratios(run, visits))


def cause_ratios(run: LatencyRun, visits: Sequence[TrafficVisit]) -> list[CauseRatio]:
    """Each point against the plain ones beside it, for every traffic that both have.

    A changed point is set against the plain ones of its size, a plain size against the largest one, and one memory
    limit against the first of that size. Where several points are the reference, it is their geometric mean.
    """
    return [
        CauseRatio(
            point=point.name,
            against=[one.name for one in reference],
            traffic=traffic.name,
            mean_ratio=_ratio(visits, point, reference, traffic.name, MEAN),
            p99_ratio=_ratio(visits, point, reference, traffic.name, TAIL),
        )
        for point, reference in _compared([point for point in run.points if point.missing is None])
        for traffic in point.traffic
        if all(traffic in one.traffic for one in reference)
    ]


def _compared(points: Sequence[Point]) -> Iterator[tuple[Point, list[Point]]]:
    for point in points:
        plain = [one for one in points if one.stack == point.stack and not _changed(one)]
        beside = [one for one in plain if one.size.vcpu == point.size.vcpu]
        if _changed(point):
            if beside:
                yield point, beside
            continue
        if beside[0] is not point:
            yield point, beside[:1]
        most = max(one.size.vcpu for one in plain)
        if point.size.vcpu < most:
            yield point, [one for one in plain if one.size.vcpu == most]


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
    to = [_by_round(visits, one, traffic, figure) for one in reference]
    rounds = set(values).intersection(*to)
    return paired_ratio(values, {number: math.prod(one[number] for one in to) ** (1 / len(to)) for number in rounds})


def _by_round(visits: Sequence[TrafficVisit], point: Point, traffic: str, figure: _Figure) -> ByRound:
    loads = {one.round: one.loads[traffic] for one in visits if one.cell == point.name and traffic in one.loads}
    return {
        number: figure.of(load.latency_s)
        for number, load in loads.items()
        if load.latency_s is not None and load.requests >= figure.fewest
    }
