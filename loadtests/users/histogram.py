"""Response times counted in a plain list whose buckets are never wider than 1/128 of their value.

The unit is the tick, 100 ns. Below 128 ticks every value has a bucket of its own; above, each power of two is cut into
128 equal ones (Tene's HdrHistogram has this layout). A bucket reports its middle, so that a value read back is wrong by
half a tick or by 0.4 %, whichever is more. Histograms of several connections, seconds or workers merge by adding up.
"""

from collections.abc import Iterable, Sequence

TICKS_PER_S = 10_000_000
PRECISION_BITS = 7
LINEAR = 1 << PRECISION_BITS
LONGEST_BITS = 40
"""2**40 ticks are 30 hours, longer than any request may last."""
BUCKETS = (LONGEST_BITS - PRECISION_BITS + 1) << PRECISION_BITS


def empty() -> list[int]:
    """A histogram without a count."""
    return [0] * BUCKETS


def index(ticks: int) -> int:
    """The bucket of a time in ticks; times that are too long for any share the last one."""
    shift = ticks.bit_length() - PRECISION_BITS - 1
    return min((shift << PRECISION_BITS) + (ticks >> shift), BUCKETS - 1) if shift > 0 else ticks


def value_s(bucket: int) -> float:
    """The time in seconds that a bucket stands for."""
    shift = max(0, (bucket >> PRECISION_BITS) - 1)
    lowest = (bucket - (shift << PRECISION_BITS)) << shift
    return (lowest + (1 << shift) / 2) / TICKS_PER_S


def record(counts: list[int], duration_s: float) -> None:
    """Count one duration. The engine has these two lines written out in its loop."""
    counts[index(int(duration_s * TICKS_PER_S))] += 1


def merge(histograms: Iterable[Sequence[int]]) -> list[int]:
    """The sum of histograms."""
    return [sum(column) for column in zip(empty(), *histograms, strict=True)]


def difference(later: Sequence[int], earlier: Sequence[int]) -> list[int]:
    """What was counted between two copies of one histogram. Most stretches have not changed, and are passed over."""
    found = empty()
    for start in range(0, BUCKETS, LINEAR):
        after, before = later[start : start + LINEAR], earlier[start : start + LINEAR]
        if after != before:
            found[start : start + LINEAR] = [a - b for a, b in zip(after, before, strict=True)]
    return found


def percentile_s(counts: Sequence[int], fraction: float) -> float | None:
    """The shortest time, in seconds, that at least ``fraction`` of the counts do not exceed; ``None`` without counts.

    This is the inverse of the empirical distribution function (type 1 of Hyndman and Fan, 1996).
    """
    wanted = max(1, -int(-sum(counts) * fraction // 1))
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return value_s(bucket)
    return None


def sparse(counts: Sequence[int]) -> list[tuple[int, int]]:
    """The buckets that hold something, as pairs of index and count."""
    starts = [start for start in range(0, BUCKETS, LINEAR) if any(counts[start : start + LINEAR])]
    return [
        (start + offset, count)
        for start in starts
        for offset, count in enumerate(counts[start : start + LINEAR])
        if count
    ]


def dense(pairs: Iterable[Sequence[int]]) -> list[int]:
    """The histogram that ``sparse`` was made from."""
    counts = empty()
    for bucket, count in pairs:
        counts[bucket] += count
    return counts
