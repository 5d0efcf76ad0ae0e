"""From ratios between surroundings to sentences. Pure."""

from collections.abc import Iterator, Sequence

from common.records.latency import CauseRatio, LatencyRun
from loadtests.reports.formatting import with_bounds
from loadtests.reports.latency import label


def sentences(run: LatencyRun, ratios: Sequence[CauseRatio]) -> Iterator[str]:
    """Yield each ratio in words."""
    points = {point.name: point for point in run.points}
    for one in ratios:
        against = " and ".join(label(points[name]) for name in one.against)
        tail = "" if one.p99_ratio is None else f", p99 x {with_bounds(one.p99_ratio, digits=2)}"
        yield (
            f"{label(points[one.point])}, {one.traffic}: mean x {with_bounds(one.mean_ratio, digits=2)}{tail}, "
            f"relative to {against}"
        )
