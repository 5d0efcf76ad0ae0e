"""Histograms of response times: plain lists of counts whose buckets are at most 1/128 of their value wide.

The unit is a tick of 100 ns. Below 128 ticks every value has its own bucket; above, each power of two is divided into
128 equal buckets (the layout of Tene's HdrHistogram). A bucket reports its middle, so a value read back is off by at
most half a tick or 0.4 %, whichever is more. Histograms of connections, seconds or workers are merged by addition.
"""

from collections.abc import Iterable, Sequence

TICKS_PER_S = 10_000_000
PRECISION_BITS = 7
LINEAR = 1 << PRECISION_BITS
LONGEST_BITS = 40
"""2**40 ticks are 30 hours, longer than any request can last."""
BUCKETS = (LONGEST_BITS - PRECISION_BITS + 1) << PRECISION_BITS


def empty() -> list[int]:
    """Return an empty histogram."""
    return [0] * BUCKETS


def index(ticks: int) -> int:
    """Return the bucket of a time in ticks; times that are too long share the last one."""
    shift = ticks.bit_length() - PRECISION_BITS - 1
    return min((shift << PRECISION_BITS) + (ticks >> shift), BUCKETS - 1) if shift > 0 else ticks


def value_s(bucket: int) -> float:
    """Return the time in seconds that a bucket stands for."""
    shift = max(0, (bucket >> PRECISION_BITS) - 1)
    lowest = (bucket - (shift << PRECISION_BITS)) << shift
    return (lowest + (1 << shift) / 2) / TICKS_PER_S


def record(counts: list[int], duration_s: float) -> None:
    """Count one duration. ``ClosedLoop._handle`` has this written out inline, since a call costs too much there."""
    counts[index(int(duration_s * TICKS_PER_S))] += 1


def merge(histograms: Iterable[Sequence[int]]) -> list[int]:
    """Return the sum of histograms."""
    total, *others = [*histograms] or [empty()]
    return [sum(column) for column in zip(total, *others, strict=True)] if others else list(total)


def difference(later: Sequence[int], earlier: Sequence[int]) -> list[int]:
    """Return what was counted between two copies of one histogram, skipping the stretches that did not change."""
    counted = empty()
    for start in range(0, BUCKETS, LINEAR):
        after, before = later[start : start + LINEAR], earlier[start : start + LINEAR]
        if after != before:
            counted[start : start + LINEAR] = [a - b for a, b in zip(after, before, strict=True)]
    return counted


def percentile_s(counts: Sequence[int], fraction: float) -> float | None:
    """Return the shortest time in seconds that at least ``fraction`` of the counts do not exceed; ``None`` without any.

    This is the inverse of the empirical distribution function (type 1 of Hyndman and Fan, 1996).
    """
    wanted = max(1, -int(-sum(counts) * fraction // 1))
    passed = 0
    for bucket, count in enumerate(counts):
        passed += count
        if passed >= wanted:
            return value_s(bucket)
    return None


def sparse(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return the non-empty buckets as pairs of index and count."""
    starts = [start for start in range(0, BUCKETS, LINEAR) if any(counts[start : start + LINEAR])]
    return [
        (start + offset, count)
        for start in starts
        for offset, count in enumerate(counts[start : start + LINEAR])
        if count
    ]


def dense(pairs: Iterable[Sequence[int]]) -> list[int]:
    """Return the histogram that ``sparse`` was given."""
    counts = empty()
    for bucket, count in pairs:
        counts[bucket] += count
    return counts
