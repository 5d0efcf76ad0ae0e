"""From a bill to tables for a terminal, and what has to be known beside them. Pure."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table

from common.catalog.prices import BYTES_PER_GB, Prices
from common.records.cost import Bill, Choice, Price
from common.records.run import Run
from common.records.summary import Interval

MOST_VCPU = 2.0
"""The largest size that the table shows; the record has all."""


def tables(bill: Bill) -> Iterator[Table]:
    """One of prices by size, and one of the cheapest fleets where a rate was asked for."""
    offers = list(bill.prices_of)
    headings = (
        "stack",
        "size",
        "req/s",
        *(f"{offer}\n{what}" for offer in offers for what in ("$/million", "$/idle month")),
    )
    yield _table(f"dollars, at {bill.utilisation:.0%} of capacity", headings, price_rows(bill))
    if bill.choices:
        title = f"cheapest for {bill.rate_rps:g} req/s"
        title += "" if bill.p99_s is None else f" within a p99 of {bill.p99_s * 1000:g} ms"
        yield _table(title, ("stack", "offer", "size", "tasks", "busy", "$/month"), choice_rows(bill), text=3)


def price_rows(bill: Bill) -> Iterator[tuple[str, ...]]:
    """A row for each cell and size; ``~`` marks a size that is modelled from the one measured."""
    by_size: dict[tuple[str, float], list[Price]] = {}
    for price in bill.prices:
        if price.vcpu <= MOST_VCPU:
            by_size.setdefault((price.cell, price.vcpu), []).append(price)
    for (cell, _), prices in by_size.items():
        first = prices[0]
        mark = "~" if first.modelled else ""
        amounts = (text for price in prices for text in (_spread(price.per_million), f"{price.idle_month:.2f}"))
        yield (cell, _size(first.vcpu, first.memory_bytes), f"{mark}{first.capacity_rps.estimate:,.0f}", *amounts)


def choice_rows(bill: Bill) -> Iterator[tuple[str, ...]]:
    """A row for each cell and offer."""
    for one in bill.choices:
        yield one.cell, one.offer, *_fleet(one)


def notes(bill: Bill, run: Run, prices: Prices) -> Iterator[str]:
    """What a reader has to know beside the tables, one sentence each."""
    dates = ", ".join(f"{offer.name} {offer.region} {offer.as_of}" for offer in prices.compute)
    yield f"prices: {dates}; before discounts, taxes, load balancers and traffic."
    yield (
        f"carried over: requests per CPU-second were measured on {run.machine.cpu_model} "
        f"({run.machine.architecture or 'architecture not recorded'}) at {run.vcpu:g} vCPU, on no cloud's processor."
    )
    if others := [one.name for one in prices.compute if one.architecture != run.machine.architecture]:
        yield f"{', '.join(others)}: another architecture than the one measured on."
    yield "~: capacity modelled as vCPUs x requests per CPU-second of the measured size."
    yield "$/million: with the 95 % interval of the requests per CPU-second. $/idle month: a task, without its image."
    if bill.choices:
        yield "cheapest: by the lower end of that interval; no task is added for availability."
    yield from (f"storage of {name}: ${month:.4f} a month." for name, month in bill.storage_month.items())
    yield from _gaps(bill)


def _gaps(bill: Bill) -> Iterator[str]:
    """What is missing, each reason once."""
    about: dict[str, list[str]] = {}
    for name, reason in bill.missing.items():
        about.setdefault(reason, []).append(name)
    for reason, names in about.items():
        yield f"missing: {', '.join(names)}, because {reason}."


def _fleet(one: Choice) -> tuple[str, str, str, str]:
    if one.vcpu is None or one.utilisation is None:
        return f"missing, because {one.missing}", "-", "-", "-"
    return _size(one.vcpu, one.memory_bytes or 0), f"{one.tasks}", f"{one.utilisation:.0%}", f"{one.month:,.2f}"


def _spread(amount: Interval) -> str:
    if amount.low is None or amount.high is None:
        return _amount(amount.estimate)
    return f"{_amount(amount.estimate)} ({_amount(amount.low)} to {_amount(amount.high)})"


def _amount(dollars: float) -> str:
    """Three significant digits: amounts for a million requests go from a thousandth of a dollar to dollars."""
    return f"{dollars:#.3g}"


def _size(vcpu: float, memory_bytes: int) -> str:
    return f"{vcpu:g} vCPU / {memory_bytes / BYTES_PER_GB:g} GB"


def _table(title: str, headings: tuple[str, ...], rows: Iterator[tuple[str, ...]], text: int = 2) -> Table:
    """A table whose first ``text`` columns are words and the others figures."""
    found = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, heading in enumerate(headings):
        found.add_column(heading, justify="left" if place < text else "right", no_wrap=place >= text)
    for row in rows:
        found.add_row(*row)
    return found
