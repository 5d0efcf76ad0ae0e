"""A finished run's bill: what each cell costs on each size of each offer, and the cheapest fleet for a rate. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from common.catalog.prices import Compute, Prices
from common.catalog.sizes import Size
from common.records.cost import Bill, Choice, Price
from common.records.run import Cell, Run
from common.records.summary import CellSummary, Interval, Summary, Verdict
from loadtests.analysis.intervals import scaled
from loadtests.analysis.verdicts import REMARKS
from loadtests.money.amounts import LatencyPoint, busiest, cheapest, idle_month, least, per_million, storage_month

SOUND = REMARKS | {Verdict.VALID}
"""Verdicts of numbers that a fleet may be chosen by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the user wants to know of a run."""

    utilisation: float
    rate_rps: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What other records say of a cell."""

    compressed_bytes: int | None = None
    needed_bytes: Mapping[float, int] = field(default_factory=dict)
    """The memory that it needs, by vCPUs."""
    latencies: Mapping[float, Sequence[LatencyPoint]] = field(default_factory=dict)
    """p99 under open loops, by vCPUs."""


def make_bill(
    records: tuple[Run, Summary], facts: Mapping[str, Facts], prices: Prices, question: Question, *, now: datetime
) -> Bill:
    """The bill of every cell whose requests per CPU-second are known."""
    run, summary = records
    accounts = [
        _Account(row=row, rate=row.requests_per_cpu_s, facts=facts.get(row.cell, Facts()), prices=prices)
        for row in summary.cells
        if row.requests_per_cpu_s is not None
    ]
    both = [(account, offer) for account in accounts for offer in prices.compute]
    return Bill(
        run=run.id,
        made_at=now,
        prices_of={offer.name: offer.as_of for offer in prices.compute},
        utilisation=question.utilisation,
        rate_rps=question.rate_rps,
        p99_s=question.p99_s,
        prices=[price for account, offer in both for price in account.lines(offer, run.vcpu, question)],
        storage_month={name: month for account in accounts for name, month in account.storage()},
        choices=[account.choice(offer, question) for account, offer in both if question.rate_rps is not None],
        missing=dict(_missing(run, summary, facts)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """What is known of a cell, and what that costs."""

    row: CellSummary
    rate: Interval
    facts: Facts
    prices: Prices

    def lines(self, offer: Compute, measured_vcpu: float, question: Question) -> Iterator[Price]:
        for size in self._fitting(offer):
            yield Price(
                cell=self.row.cell,
                offer=offer.name,
                vcpu=size.vcpu,
                memory_bytes=size.memory_bytes or 0,
                modelled=size.vcpu != measured_vcpu,
                capacity_rps=scaled(self.rate, size.vcpu),
                per_million=per_million(offer, size, self.rate, question.utilisation),
                idle_month=idle_month(offer, size),
            )

    def storage(self) -> Iterator[tuple[str, float]]:
        """A month's storage where the image's size is known; by name of the cell and the store."""
        if self.facts.compressed_bytes is not None:
            for store in self.prices.storage:
                yield f"{self.row.cell} in {store.name}", storage_month(store, self.facts.compressed_bytes)

    def choice(self, offer: Compute, question: Question) -> Choice:
        assert question.rate_rps is not None
        none = Choice(cell=self.row.cell, offer=offer.name)
        if self.row.verdict not in SOUND:
            return replace(none, missing=f"its number is not valid: {self.row.verdict}")
        found = cheapest(
            offer,
            self._fitting(offer),
            rate_rps=question.rate_rps,
            requests_per_cpu_s=self.rate.estimate if self.rate.low is None else self.rate.low,
            utilisation=self._utilisation(offer, question),
        )
        if found is None:
            return replace(none, missing=_why_none(self.facts, question))
        return replace(
            none,
            vcpu=found.size.vcpu,
            memory_bytes=found.size.memory_bytes,
            tasks=found.tasks,
            utilisation=found.utilisation,
            month=found.month,
        )

    def _fitting(self, offer: Compute) -> list[Size]:
        """Of each number of vCPUs that an offer gives the size of least memory that holds the cell."""
        valid = self.prices.valid(offer)
        several = dict.fromkeys(size.vcpu for size in valid)
        found = (least(valid, vcpu, self.facts.needed_bytes.get(vcpu, 0)) for vcpu in several)
        return [size for size in found if size is not None]

    def _utilisation(self, offer: Compute, question: Question) -> dict[float, float]:
        """How busy a task may be kept, by vCPUs: as asked for, and no more than what a measured p99 allows."""
        if question.p99_s is None:
            return {size.vcpu: question.utilisation for size in self.prices.valid(offer)}
        allowed = {vcpu: busiest(points, question.p99_s) for vcpu, points in self.facts.latencies.items()}
        return {vcpu: min(most, question.utilisation) for vcpu, most in allowed.items() if most is not None}


def _why_none(facts: Facts, question: Question) -> str:
    if not facts.latencies or question.p99_s is None:
        return "its latency under an open loop was not measured"
    sizes = ", ".join(f"{vcpu:g}" for vcpu in sorted(facts.latencies))
    return f"no measured size ({sizes} vCPU) holds a p99 of {question.p99_s * 1000:g} ms at any measured load"


def _missing(run: Run, summary: Summary, facts: Mapping[str, Facts]) -> Iterator[tuple[str, str]]:
    cells = {cell.name: cell for cell in run.cells}
    for row in summary.cells:
        found = facts.get(row.cell, Facts())
        if row.requests_per_cpu_s is None:
            yield f"{row.cell}: every price", f"no requests per CPU-second: {row.verdict}"
        if found.compressed_bytes is None:
            yield f"{row.cell}: storage", _why_no_size(cells[row.cell])
        if not found.needed_bytes:
            yield (
                f"{row.cell}: memory needed",
                "it was not measured; the least memory that goes with the vCPUs is taken",
            )


def _why_no_size(cell: Cell) -> str:
    if cell.image is None:
        return "it ran in the process runtime, without an image"
    return f"no sizes.json holds it: make sizes FRAMEWORK={cell.framework} SERVER={cell.server} IMAGE={cell.image}"
