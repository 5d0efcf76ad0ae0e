"""One row per stack with everything known about it, joined from the figures of all experiments. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from common.catalog.prices import Prices
from common.catalog.sizes import Size
from common.records.figure import Figure, Metric, Subject
from common.records.summary import Interval
from loadtests.board.bill import DEFAULT_UTILISATION, cheapest_size, needed_bytes
from loadtests.board.prices import per_million

SCENARIO = "hello"
HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """Everything known about a stack; ``None`` for what is not."""

    subject: Subject
    rate: Figure | None
    """Requests per CPU-second of the server: requests per second per vCPU."""
    compressed: Figure | None
    start: Figure | None
    idle: Figure | None
    limit: Figure | None
    p99: Figure | None
    """Under arrivals at half of the stack's own capacity."""
    per_million: Interval | None
    """Dollars for a million requests by the first price list."""
    lock_sha256: str | None = None
    """Digest of the framework's present lock; ``None`` if it is unknown."""

    def is_outdated(self, figure: Figure | None) -> bool:
        """Return whether a figure was measured with packages other than those in the framework's present lock."""
        return figure is not None and self.lock_sha256 not in {None, figure.lock_sha256}

    @property
    def missing(self) -> list[Metric]:
        """The metrics without a figure; a stack without an image has no image size to miss."""
        known = {
            Metric.REQUESTS_PER_CPU_S: self.rate,
            Metric.COMPRESSED_BYTES: self.compressed,
            Metric.START_S: self.start,
            Metric.IDLE_BYTES: self.idle,
            Metric.P99_S: self.p99,
        }
        return [
            metric
            for metric, figure in known.items()
            if figure is None and not (metric is Metric.COMPRESSED_BYTES and self.subject.image is None)
        ]


def board_rows(
    subjects: Iterable[Subject],
    figures: Sequence[Figure],
    prices: Prices,
    *,
    vcpu: float,
    locks: Mapping[str, str] | None = None,
) -> list[BoardRow]:
    """Return a row for each stack at a size, the fastest first; those without a rate come last.

    ``locks`` are the digests of the frameworks' present locks, by their names.
    """
    rows = [
        replace(
            _row(subject, [figure for figure in figures if figure.subject == subject], prices, vcpu),
            lock_sha256=(locks or {}).get(subject.framework),
        )
        for subject in subjects
    ]
    return sorted(rows, key=_order)


def _order(row: BoardRow) -> tuple[bool, float, str]:
    return row.rate is None, -row.rate.value.estimate if row.rate else 0.0, row.subject.name


def find(figures: Sequence[Figure], metric: Metric, **conditions: object) -> Figure | None:
    """Return the newest figure of a metric under these conditions, whatever the others."""
    fitting = [
        one
        for one in figures
        if one.metric is metric and all(getattr(one.conditions, name) == value for name, value in conditions.items())
    ]
    return max(fitting, key=lambda one: one.measured_at, default=None)


def _row(subject: Subject, figures: Sequence[Figure], prices: Prices, vcpu: float) -> BoardRow:
    rate = find(figures, Metric.REQUESTS_PER_CPU_S, scenario=SCENARIO, vcpu=vcpu)
    workers = Size(vcpu=vcpu).workers
    return BoardRow(
        subject=subject,
        rate=rate,
        compressed=find(figures, Metric.COMPRESSED_BYTES),
        start=find(figures, Metric.START_S, vcpu=vcpu),
        idle=find(figures, Metric.IDLE_BYTES, workers=workers),
        limit=find(figures, Metric.LIMIT_BYTES, workers=workers),
        p99=find(figures, Metric.P99_S, vcpu=vcpu, load_share=HALF),
        per_million=None if rate is None else _per_million(rate, figures, prices),
    )


def _per_million(rate: Figure, figures: Sequence[Figure], prices: Prices) -> Interval | None:
    offer = prices.compute[0]
    size = cheapest_size(offer, prices, rate.value, needed_bytes(figures))
    return None if size is None else per_million(offer, size, rate.value, DEFAULT_UTILISATION)
