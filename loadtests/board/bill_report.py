"""The report of a bill: a table and notes. Pure."""

from collections.abc import Iterator

from rich.table import Table

from common.catalog.prices import BYTES_PER_GB, Prices
from common.catalog.sizes import Size
from common.records.cost import Bill, Price
from common.records.run import Machine
from common.records.summary import Interval
from loadtests.reports.formatting import MISSING, estimate, number, plain_table

HEADINGS = ("stack", "prices", "req/s per vCPU", "$/million", "95 % interval", "task", "$/idle month", "$/month image")
FLEET_HEADINGS = ("tasks of", "tasks", "busy", "$/month")
LEFT = frozenset({"stack", "prices", "task", "tasks of"})


def table(bill: Bill) -> Table:
    """Return a row for each stack and price list, with the cheapest fleet if a rate was asked for."""
    headings = HEADINGS if bill.rate_rps is None else (*HEADINGS, *FLEET_HEADINGS)
    return plain_table(_title(bill), headings, [_row(row)[: len(headings)] for row in bill.rows], left=LEFT)


def notes(bill: Bill, prices: Prices, machine: Machine) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each."""
    dates = ", ".join(f"{offer.name} {offer.region} {offer.as_of}" for offer in prices.compute)
    yield f"prices: {dates}; before discounts, taxes, load balancers and traffic."
    yield (
        f"rates were measured on {machine.cpu_model} ({machine.architecture or 'architecture unknown'}), not on a "
        "cloud's processor; other sizes are modelled as vCPUs x req/s per vCPU."
    )
    yield "task: the cheapest size for a million requests that holds the stack. $/idle month: one such task, waiting."
    if others := [offer.name for offer in prices.compute if offer.architecture != machine.architecture]:
        yield f"{', '.join(others)}: another architecture than the one measured on."
    if bill.rate_rps is not None:
        yield "fleet: by the lower end of the rate's interval; no task is added for availability."
    if reasons := sorted({row.no_fleet for row in bill.rows if row.no_fleet}):
        yield f"no fleet: {'; '.join(reasons)}."
    if missing := list(_missing(bill)):
        yield f"missing: {'; '.join(missing)}."


def _missing(bill: Bill) -> Iterator[str]:
    if bill.unpriced:
        yield f"a valid rate of {_names(bill.unpriced)} (make loadtest)"
    if names := bill.unknown.get("image"):
        yield f"the bytes of {_names(names)} (make sizes)"
    if names := bill.unknown.get("memory"):
        yield f"the memory needed by {_names(names)} (make memory), for which the least on offer is taken"


def _names(names: list[str]) -> str:
    shown = 3
    return ", ".join(names) if len(names) <= shown else f"{', '.join(names[:shown])} and {len(names) - shown} more"


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
        row.prices,
        estimate(row.rate.value),
        dollars(row.per_million.estimate),
        _bounds(row.per_million),
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


def _bounds(amount: Interval) -> str:
    if amount.low is None or amount.high is None:
        return MISSING
    return f"{dollars(amount.low)} to {dollars(amount.high)}"
