"""Response times in a record, from a histogram. Pure."""

from collections.abc import Sequence

from common.records.window import Latency
from loadtests.users import histogram


def latency(counts: Sequence[int], *, longest_s: float | None = None, mean_s: float | None = None) -> Latency | None:
    """What the counts say; ``None`` without any. Maximum and mean are the buckets' where none were kept exactly."""
    p50, p90, p99, p999, last = (histogram.percentile_s(counts, part) for part in (0.5, 0.9, 0.99, 0.999, 1.0))
    if p50 is None or p90 is None or p99 is None or p999 is None or last is None:
        return None
    if mean_s is None:
        mean_s = sum(histogram.value_s(bucket) * count for bucket, count in histogram.sparse(counts)) / sum(counts)
    return Latency(p50=p50, p90=p90, p99=p99, p999=p999, max=last if longest_s is None else longest_s, mean=mean_s)
