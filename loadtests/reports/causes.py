"""The effects of changed conditions on response times, in sentences. Pure."""

from collections.abc import Iterator, Sequence

from common.records.latency import CauseRatio, LatencyRun
from loadtests.reports.formatting import with_bounds
from loadtests.reports.latency import label


def sentences(run: LatencyRun, ratios: Sequence[CauseRatio]) -> Iterator[str]:
    """Yield a sentence for each ratio."""
    points = {point.name: point for point in run.points}
    for ratio in ratios:
        against = " and ".join(label(points[name]) for name in ratio.against)
        tail = "" if ratio.p99_ratio is None else f", p99 x {with_bounds(ratio.p99_ratio, digits=2)}"
        yield (
            f"{label(points[ratio.point])}, {ratio.traffic}: mean x {with_bounds(ratio.mean_ratio, digits=2)}{tail}, "
            f"relative to {against}"
        )
