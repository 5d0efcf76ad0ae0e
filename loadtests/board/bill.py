"""The cost of stacks by each price list, and the cheapest fleet for a rate. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.catalog.prices import Compute, Prices
from common.catalog.sizes import Size
from common.records.cost import Bill, Fleet, Price
from common.records.figure import Figure, Metric, Subject
from common.records.summary import Interval
from loadtests.board.prices import LatencyPoint, busiest, cheapest, idle_month, least, per_million, storage_month

DEFAULT_UTILISATION = 0.5
SCENARIO = "hello"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The utilisation, rate and response time that the user asked about."""

    utilisation: float = DEFAULT_UTILISATION
    rate_rps: float | None = None
    p99_s: float | None = None


def make_bill(
    subjects: Iterable[Subject], figures: Sequence[Figure], prices: Prices, question: Question, *, now: datetime
) -> Bill:
    """Return a row for each stack with a rate and each price list."""
    rows, unpriced = list[Price](), list[str]()
    unknown: dict[str, list[str]] = {"image": [], "memory": []}
    for subject in subjects:
        own = [figure for figure in figures if figure.subject == subject]
        rate = _rate(own)
        if rate is None:
            unpriced.append(subject.name)
            continue
        if subject.image is not None and _image_bytes(own) is None:
            unknown["image"].append(subject.name)
        if not needed_bytes(own):
            unknown["memory"].append(subject.name)
        rows += _prices_of(rate, own, prices, question)
    return Bill(
        made_at=now,
        prices_of={offer.name: offer.as_of for offer in prices.compute},
        utilisation=question.utilisation,
        rate_rps=question.rate_rps,
        p99_s=question.p99_s,
        rows=sorted(rows, key=lambda row: row.per_million.estimate),
        unpriced=unpriced,
        unknown={kind: names for kind, names in unknown.items() if names},
    )


def needed_bytes(figures: Sequence[Figure]) -> dict[int, int]:
    """Return the memory that a stack needs by number of workers: its smallest limit, or what it held after load."""
    held = {
        figure.conditions.workers: figure.value.high or figure.value.estimate
        for figure in figures
        if figure.metric is Metric.LOADED_BYTES
    }
    limits = {
        figure.conditions.workers: figure.value.estimate for figure in figures if figure.metric is Metric.LIMIT_BYTES
    }
    return {workers: round(size_bytes) for workers, size_bytes in (held | limits).items() if workers is not None}


def cheapest_size(offer: Compute, prices: Prices, rate: Interval, needed: Mapping[int, int]) -> Size | None:
    """Return the size on which a million requests cost least; among equals, the one with the fewest vCPUs."""
    sizes = fitting_sizes(offer, prices, needed)
    return min(sizes, key=lambda size: (round(per_million(offer, size, rate, 1).estimate, 9), size.vcpu), default=None)


def fitting_sizes(offer: Compute, prices: Prices, needed: Mapping[int, int]) -> list[Size]:
    """Return, for each number of vCPUs on offer, the size with the least memory that holds the stack."""
    valid = prices.sizes_of(offer)
    several = dict.fromkeys(size.vcpu for size in valid)
    smallest = (least(valid, vcpu, _needed_by(Size(vcpu=vcpu).workers, needed)) for vcpu in several)
    return [size for size in smallest if size is not None]


def _needed_by(workers: int, needed: Mapping[int, int]) -> int:
    """Return the memory that this many workers need; if it was not measured, what the most measured workers need."""
    return needed.get(workers) or max((some for count, some in needed.items() if count < workers), default=0)


def _prices_of(rate: Figure, figures: Sequence[Figure], prices: Prices, question: Question) -> Iterator[Price]:
    needed, image_bytes = needed_bytes(figures), _image_bytes(figures)
    for offer in prices.compute:
        if (size := cheapest_size(offer, prices, rate.value, needed)) is None:
            continue
        fleet = _fleet(offer, rate, figures, prices, question)
        yield Price(
            rate=rate,
            prices=offer.name,
            size=size,
            per_million=per_million(offer, size, rate.value, question.utilisation),
            idle_month=idle_month(offer, size),
            storage_month=None if image_bytes is None else storage_month(prices.storage_of(offer), image_bytes),
            fleet=fleet,
            no_fleet=_why_no_fleet(figures, question) if fleet is None and question.rate_rps is not None else None,
        )


def _rate(figures: Sequence[Figure]) -> Figure | None:
    """Return the stack's newest rate, whatever its size: it is a rate per vCPU."""
    fitting = [
        figure
        for figure in figures
        if figure.metric is Metric.REQUESTS_PER_CPU_S and figure.conditions.scenario == SCENARIO
    ]
    return max(fitting, key=lambda figure: figure.measured_at, default=None)


def _image_bytes(figures: Sequence[Figure]) -> int | None:
    sizes = [figure.value.estimate for figure in figures if figure.metric is Metric.COMPRESSED_BYTES]
    return round(sizes[-1]) if sizes else None


def _fleet(offer: Compute, rate: Figure, figures: Sequence[Figure], prices: Prices, question: Question) -> Fleet | None:
    if question.rate_rps is None:
        return None
    sizes = fitting_sizes(offer, prices, needed_bytes(figures))
    found = cheapest(
        offer,
        sizes,
        rate_rps=question.rate_rps,
        requests_per_cpu_s=rate.value.estimate if rate.value.low is None else rate.value.low,
        utilisation=_allowed_utilisation(sizes, figures, question),
    )
    if found is None:
        return None
    return Fleet(size=found.size, tasks=found.tasks, utilisation=found.utilisation, month=found.month)


def _allowed_utilisation(sizes: Sequence[Size], figures: Sequence[Figure], question: Question) -> dict[float, float]:
    """Return the highest allowed utilisation by vCPUs: the one asked for, or less if a measured p99 demands it."""
    if question.p99_s is None:
        return {size.vcpu: question.utilisation for size in sizes}
    allowed = {vcpu: busiest(points, question.p99_s) for vcpu, points in _latencies(figures).items()}
    return {vcpu: min(most, question.utilisation) for vcpu, most in allowed.items() if most is not None}


def _latencies(figures: Sequence[Figure]) -> dict[float, list[LatencyPoint]]:
    found: dict[float, list[LatencyPoint]] = {}
    for one in figures:
        vcpu, share = one.conditions.vcpu, one.conditions.load_share
        if one.metric is Metric.P99_S and vcpu is not None and share is not None:
            p99_s = one.value.estimate if one.value.high is None else one.value.high
            found.setdefault(vcpu, []).append(LatencyPoint(utilisation=share, p99_s=p99_s))
    return found


def _why_no_fleet(figures: Sequence[Figure], question: Question) -> str:
    latencies = _latencies(figures)
    if not latencies or question.p99_s is None:
        return "its latency at shares of its capacity was not measured"
    sizes = ", ".join(f"{vcpu:g}" for vcpu in sorted(latencies))
    return f"no measured size ({sizes} vCPU) holds a p99 of {question.p99_s * 1000:g} ms at any measured load"
