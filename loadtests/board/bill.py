"""The cost of stacks by each price list, the cheapest fleet for a rate, and the table of both. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table

from common.catalog.prices import BYTES_PER_GB, Compute, Prices
from common.catalog.sizes import Size
from common.catalog.stacks import can_run_several
from common.records.bill import Bill, Fleet, Price
from common.records.figure import Figure, Metric, Subject
from common.records.run import Machine
from common.records.summary import Interval
from common.words import first_names
from loadtests.analysis.between_runs import in_another_run
from loadtests.analysis.formatting import MISSING, estimate, limits, number, over_what, plain_table
from loadtests.board.prices import LatencyPoint, busiest, cheapest, idle_month, least, per_million, storage_month

DEFAULT_UTILISATION = 0.5
SCENARIO = "hello"
NAMED = 3
"""The largest number of stacks that a sentence names."""

HEADINGS = ("stack", "runtime", "prices", "req/s per vCPU", "$/million", "95 % interval", "task", "$/idle month",
            "$/month image")  # fmt: skip
FLEET_HEADINGS = ("tasks of", "tasks", "busy", "$/month")
LEFT = frozenset({"stack", "runtime", "prices", "task", "tasks of"})


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
    unknown: dict[str, list[str]] = {"image": [], "memory": [], "size": [], "latency": []}
    for subject in subjects:
        own = [figure for figure in figures if figure.subject == subject]
        rate = newest(own, Metric.REQUESTS_PER_CPU_S, scenario=SCENARIO)  # at whatever size: it is a rate per vCPU
        if rate is None:
            unpriced.append(subject.name)
            continue
        if subject.image is not None and newest(own, Metric.COMPRESSED_BYTES) is None:
            unknown["image"].append(subject.name)
        if not needed_bytes(own):
            unknown["memory"].append(subject.name)
        if question.p99_s is not None and not _latencies(own):
            unknown["latency"].append(subject.name)
        priced = list(_prices_of(rate, own, prices, question))
        if len(priced) < len(prices.compute):
            unknown["size"].append(subject.name)
        rows += priced
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
    """Return the memory that a stack needs by number of workers: its smallest limit, or what it held after load.

    The newest counts, at whatever vCPUs it was measured.
    """
    by_date = sorted(figures, key=lambda figure: figure.measured_at)
    held = {
        figure.conditions.workers: figure.value.high or figure.value.estimate
        for figure in by_date
        if figure.metric is Metric.LOADED_BYTES
    }
    limits = {
        figure.conditions.workers: figure.value.estimate for figure in by_date if figure.metric is Metric.LIMIT_BYTES
    }
    return {workers: round(size_bytes) for workers, size_bytes in (held | limits).items() if workers is not None}


def cheapest_size(
    offer: Compute, prices: Prices, rate: Interval, needed: Mapping[int, int], *, several: bool = True
) -> Size | None:
    """Return the size on which a million requests cost least; among equals, the one with the fewest vCPUs."""
    sizes = fitting_sizes(offer, prices, needed, several=several)
    return min(sizes, key=lambda size: (round(per_million(offer, size, rate, 1).estimate, 9), size.vcpu), default=None)


def fitting_sizes(offer: Compute, prices: Prices, needed: Mapping[int, int], *, several: bool = True) -> list[Size]:
    """Return, for each number of vCPUs on offer, the size with the least memory that holds the stack.

    Unless the stack can run ``several`` processes, no size has more than one vCPU, since it would leave the rest idle.
    """
    valid = prices.sizes_of(offer)
    vcpus = dict.fromkeys(size.vcpu for size in valid if several or size.vcpu <= 1)
    smallest = (least(valid, vcpu, _needed_by(Size(vcpu=vcpu).workers, needed)) for vcpu in vcpus)
    return [size for size in smallest if size is not None]


def _needed_by(workers: int, needed: Mapping[int, int]) -> int:
    """Return the memory that this many workers need; if it was not measured, what the most of fewer workers need.

    If only more workers were measured, the least that any of those need is enough. 0 if nothing is known.
    """
    if workers in needed:
        return needed[workers]
    fewer = [some for count, some in needed.items() if count < workers]
    return max(fewer) if fewer else min(needed.values(), default=0)


def newest(figures: Sequence[Figure], metric: Metric, **conditions: object) -> Figure | None:
    """Return the newest figure of a metric under these conditions, whatever the others."""
    fitting = [
        figure
        for figure in figures
        if figure.metric is metric
        and all(getattr(figure.conditions, name) == value for name, value in conditions.items())
    ]
    return max(fitting, key=lambda figure: figure.measured_at, default=None)


def _prices_of(rate: Figure, figures: Sequence[Figure], prices: Prices, question: Question) -> Iterator[Price]:
    needed, image = needed_bytes(figures), newest(figures, Metric.COMPRESSED_BYTES)
    several = can_run_several(rate.subject.framework, rate.subject.server)
    for offer in prices.compute:
        if (size := cheapest_size(offer, prices, rate.value, needed, several=several)) is None:
            continue
        storage = prices.storage_of(offer)
        fleet = _fleet(offer, rate, fitting_sizes(offer, prices, needed, several=several), figures, question)
        yield Price(
            rate=rate,
            prices=offer.name,
            size=size,
            per_million=per_million(offer, size, in_another_run(rate), question.utilisation),
            idle_month=idle_month(offer, size),
            storage_month=None if storage is None or image is None else storage_month(storage, image.value.estimate),
            fleet=fleet,
            no_fleet=_why_no_fleet(figures, question) if fleet is None and question.rate_rps is not None else None,
        )


def _fleet(
    offer: Compute, rate: Figure, sizes: Sequence[Size], figures: Sequence[Figure], question: Question
) -> Fleet | None:
    if question.rate_rps is None:
        return None
    return cheapest(
        offer,
        sizes,
        rate_rps=question.rate_rps,
        requests_per_cpu_s=in_another_run(rate).low or rate.value.estimate,
        utilisation=_allowed_utilisation(sizes, figures, question),
    )


def _allowed_utilisation(sizes: Sequence[Size], figures: Sequence[Figure], question: Question) -> dict[float, float]:
    """Return the highest allowed utilisation by vCPUs: the one asked for, or less if a measured p99 demands it."""
    if question.p99_s is None:
        return {size.vcpu: question.utilisation for size in sizes}
    allowed = {vcpu: busiest(points, question.p99_s) for vcpu, points in _latencies(figures).items()}
    return {vcpu: min(most, question.utilisation) for vcpu, most in allowed.items() if most is not None}


def _latencies(figures: Sequence[Figure]) -> dict[float, list[LatencyPoint]]:
    found: dict[float, list[LatencyPoint]] = {}
    for figure in figures:
        vcpu, share = figure.conditions.vcpu, figure.conditions.load_share
        if figure.metric is Metric.P99_S and vcpu is not None and share is not None:
            p99_s = figure.value.estimate if figure.value.high is None else figure.value.high
            found.setdefault(vcpu, []).append(LatencyPoint(utilisation=share, p99_s=p99_s))
    return found


def _why_no_fleet(figures: Sequence[Figure], question: Question) -> str:
    latencies = _latencies(figures)
    if not latencies or question.p99_s is None:
        return "its latency at shares of its capacity was not measured"
    sizes = ", ".join(f"{vcpu:g}" for vcpu in sorted(latencies))
    return f"no measured size ({sizes} vCPU) holds a p99 of {question.p99_s * 1000:g} ms at any measured load"


def bill_table(bill: Bill) -> Table:
    """Return a row for each stack and price list, with the cheapest fleet if a rate was asked for."""
    headings = HEADINGS if bill.rate_rps is None else (*HEADINGS, *FLEET_HEADINGS)
    return plain_table(_title(bill), headings, [_row(row)[: len(headings)] for row in bill.rows], left=LEFT)


def bill_notes(bill: Bill, prices: Prices, machine: Machine, latency_command: str | None = None) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each.

    ``latency_command`` measures the response times that a fleet within a 99th percentile needs, where they are missing.
    """
    dates = ", ".join(f"{offer.name} {offer.region} {offer.as_of}" for offer in prices.compute)
    yield f"prices: {dates}; before discounts, taxes, load balancers and traffic."
    yield (
        f"rates were measured on {machine.cpu_model} ({machine.architecture or 'architecture unknown'}), not on a "
        "cloud's processor; other sizes are modelled as vCPUs x req/s per vCPU."
    )
    if rates := [row.rate for row in bill.rows]:
        yield f"95 % interval: of another run on this machine, by rates {over_what(rates)}."
    yield "task: the cheapest size for a million requests that holds the stack. $/idle month: one such task, waiting."
    if others := [offer.name for offer in prices.compute if offer.architecture != machine.architecture]:
        yield f"{', '.join(others)}: another architecture than the one measured on."
    if bill.rate_rps is not None:
        yield "fleet: by the lower end of the rate's interval; no task is added for availability."
    if reasons := sorted({row.no_fleet for row in bill.rows if row.no_fleet}):
        yield f"no fleet: {'; '.join(reasons)}."
    if latency_command is not None:
        yield f"to measure that latency: {latency_command}"
    if missing := list(_missing(bill)):
        yield f"missing: {'; '.join(missing)}."


def _missing(bill: Bill) -> Iterator[str]:
    if bill.unpriced:
        yield f"a valid rate of {first_names(bill.unpriced, NAMED)} (make loadtest)"
    if names := bill.unknown.get("image"):
        yield f"the bytes of {first_names(names, NAMED)} (make sizes)"
    if names := bill.unknown.get("memory"):
        yield f"the memory needed by {first_names(names, NAMED)} (make memory), for which the least on offer is taken"
    if names := bill.unknown.get("size"):
        yield f"a size large enough for {first_names(names, NAMED)} on every price list"


def _title(bill: Bill) -> str:
    title = f"dollars, at {bill.utilisation:.0%} of capacity"
    if bill.rate_rps is None:
        return title
    p99 = "" if bill.p99_s is None else f" within a p99 of {bill.p99_s * 1000:g} ms"
    return f"{title}; the cheapest fleet for {bill.rate_rps:g} req/s{p99}"


def _row(row: Price) -> tuple[str, ...]:
    fleet = row.fleet
    return (
        row.rate.subject.name,
        row.rate.subject.runtime,
        row.prices,
        estimate(row.rate.value),
        dollars(row.per_million.estimate),
        limits(row.per_million, dollars),
        size_text(row.size),
        f"{row.idle_month:.2f}",
        number(row.storage_month, digits=4),
        *(
            (MISSING,) * len(FLEET_HEADINGS)
            if fleet is None
            else (size_text(fleet.size), f"{fleet.tasks}", f"{fleet.utilisation:.0%}", f"{fleet.month:,.2f}")
        ),
    )


def dollars(amount: float) -> str:
    """Return three significant digits, since amounts range from a thousandth of a dollar to dollars."""
    return f"{amount:#.3g}"


def size_text(size: Size) -> str:
    """Return a size as clouds name it."""
    return f"{size.vcpu:g} vCPU / {(size.memory_bytes or 0) / BYTES_PER_GB:g} GB"
