"""Fargate's task sizes, the cost of tasks at the dated prices, and the ceiling that ``MAX_DOLLARS=`` puts on it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from common.aws.calls import CannotContinueError
from common.aws.clock import boot_time_s
from common.catalog.prices import BYTES_PER_GB, load_prices
from common.catalog.prices import TABLE as PRICES
from common.catalog.sizes import Size, bytes_of, vcpus_of
from common.errors import UsageError
from common.words import counted

TABLE = "fargate"
MIB = 1024**2
HOUR_S = 3600
STOP_S = 30.0
"""The longest time for which a task is still billed after a request to stop it, or after its container has ended."""
UNPLANNED_LIFETIME_S = 3600.0
"""The longest lifetime of a task that no plan was approved for."""


@cache
def valid_sizes() -> Mapping[float, tuple[int, ...]]:
    """Return the memory choices in bytes, smallest first, for each number of vCPUs."""
    rows = sorted(load_prices().sizes[TABLE], key=lambda row: row.vcpu)
    return {row.vcpu: tuple(size.memory_bytes or 0 for size in row.sizes()) for row in rows}


def parse_fargate_size(vcpu: str, memory: str | None) -> Size:
    """Return the size that ``VCPU=`` and ``MEMORY=`` name, by default with the least memory that goes with the vCPUs.

    ``UsageError`` lists the valid values.
    """
    if (vcpus := vcpus_of(vcpu)) not in valid_sizes():
        accepted = ", ".join(f"{choice:g}" for choice in valid_sizes())
        raise UsageError(f"invalid VCPU={vcpu}: must be one of Fargate's sizes, {accepted} ({_as_of()})")
    choices = valid_sizes()[vcpus]
    memory_bytes = choices[0] if memory is None else bytes_of(memory)
    if memory_bytes not in choices:
        accepted = ", ".join(f"{choice // MIB}m" for choice in choices)
        raise UsageError(f"invalid MEMORY={memory}: on Fargate, VCPU={vcpus:g} goes with {accepted} ({_as_of()})")
    return Size(vcpu=vcpus, memory_bytes=memory_bytes)


def parse_fargate_sizes(vcpu: str, memory: str | None) -> tuple[Size, ...]:
    """Return the sizes that ``VCPU=`` lists, each with ``MEMORY=``; errors as ``parse_fargate_size``."""
    return tuple(dict.fromkeys(parse_fargate_size(choice.strip(), memory) for choice in vcpu.split(",")))


def with_minimum_memory(size: Size) -> Size:
    """Return ``size``, with the least memory that goes with its vCPUs if it has none.

    ``UsageError`` as ``parse_fargate_size``.
    """
    if size.memory_bytes is not None:
        return size
    return replace(size, memory_bytes=parse_fargate_size(f"{size.vcpu:g}", None).memory_bytes)


def _as_of() -> str:
    return f"as of {load_prices().sizes_as_of[TABLE]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPrices:
    """Prices in dollars per hour; ``minimum_s`` is the shortest time that is billed."""

    vcpu: float
    gb: float
    public_ipv4: float
    minimum_s: float
    dated: str
    """The region and date of the prices, for messages."""

    @classmethod
    def find(cls, architecture: str, region: str | None, table: Path = PRICES, *, public: bool = True) -> "TaskPrices":
        """Return the newest prices of a region for an architecture as ECS names it: ``X86_64`` or ``ARM64``.

        ``public`` says whether tasks get a public IPv4 address, which is billed as well. Without a region, in which no
        task can start, the prices are those of the table's first one. Raise ``UsageError`` if the table has no row for
        the region.
        """
        name = {"X86_64": "x86_64", "ARM64": "aarch64"}[architecture]
        rows = [row for row in load_prices(table).compute if row.sizes == TABLE and row.architecture == name]
        priced_region = rows[0].region if region is None else region
        offer = max((row for row in rows if row.region == priced_region), key=lambda row: row.as_of, default=None)
        if offer is None:
            raise UsageError(
                f"invalid REGION={region}: {table.name} has no Fargate prices for {name} there, so MAX_DOLLARS= could "
                f"not be kept; must be one of {', '.join(sorted({row.region for row in rows}))}. To add it, copy "
                f"{rows[0].name} in common/catalog/{table.name} and fill in region, name, as_of and the three prices "
                "from Amazon's pricing page"
            )
        return cls(
            vcpu=offer.vcpu_hour,
            gb=offer.gb_hour,
            public_ipv4=offer.public_ipv4_hour if public else 0.0,
            minimum_s=offer.minimum_s,
            dated=f"{offer.name} in {offer.region} as of {offer.as_of}",
        )

    def per_hour(self, size: Size) -> float:
        """Return the cost of an hour of one task."""
        assert size.memory_bytes is not None
        return size.vcpu * self.vcpu + size.memory_bytes / BYTES_PER_GB * self.gb + self.public_ipv4

    def dollars(self, size: Size, lifetime_s: float) -> float:
        """Return the cost of one task that lives for ``lifetime_s``."""
        return max(lifetime_s, self.minimum_s) * self.per_hour(size) / HOUR_S


@dataclass(slots=True, kw_only=True, eq=False)
class Charge:
    """A task's share of the ceiling: reserved for its whole lifetime, and settled for what it took once it is gone."""

    prices: TaskPrices
    size: Size
    lifetime_s: float
    """After how long its container ends by itself."""
    over: str
    """The message for the end of the lifetime."""
    started_s: float = field(default_factory=boot_time_s)
    _cost: float | None = None

    def begin(self) -> None:
        """Count the lifetime from now: the task is about to be requested."""
        self.started_s = boot_time_s()

    @property
    def elapsed_s(self) -> float:
        """The time since the task was requested."""
        return boot_time_s() - self.started_s

    @property
    def reserved(self) -> float:
        """The most that the task can cost, because its container ends by itself."""
        return self.prices.dollars(self.size, self.lifetime_s + STOP_S)

    @property
    def cost(self) -> float:
        """The cost of the task if it is known to be gone, otherwise the most that it can cost."""
        return self.reserved if self._cost is None else self._cost

    def settle(self, *, started: bool) -> None:
        """Charge for the time until now, once the task is known to be gone; nothing if it never ``started``."""
        self._cost = self.prices.dollars(self.size, min(self.elapsed_s, self.lifetime_s) + STOP_S) if started else 0.0


@dataclass(slots=True, kw_only=True)
class SpendingLimit:
    """The most that may be spent, and the cost so far of tasks that have ended and of those that run."""

    rates: TaskPrices
    max_dollars: float
    spent: float = 0.0
    """The cost of tasks that are gone; of one that may not be, the most that it can cost."""
    _running: list[Charge] = field(default_factory=list)
    _planned_s: dict[tuple[float, int | None], float] = field(default_factory=dict)
    """The longest lifetime that was approved, by vCPUs and memory."""

    @classmethod
    def parse(
        cls,
        max_dollars: float | None,
        *,
        architecture: str,
        region: str | None,
        public: bool = True,
        dry_run: bool = False,
    ) -> "SpendingLimit":
        """Return the limit that ``MAX_DOLLARS=`` sets; a dry run spends nothing and needs none."""
        if max_dollars is not None and not 0 < max_dollars < math.inf:
            raise UsageError(f"invalid MAX_DOLLARS={max_dollars}: must be a positive number of dollars")
        ceiling = math.inf if dry_run else max_dollars or 0.0
        return cls(rates=TaskPrices.find(architecture, region, public=public), max_dollars=ceiling)

    def approve(self, tasks: Sequence[tuple[Size, float]], report: Callable[[str], None]) -> None:
        """Report the least and the most that ``tasks`` cost; ``UsageError`` if the most is above the ceiling.

        Each task is its size and its longest lifetime in seconds, which is granted to tasks of that size from now on.
        """
        most = sum(self.rates.dollars(size, lifetime_s + STOP_S) for size, lifetime_s in tasks)
        least = sum(self.rates.dollars(size, 0) for size, _ in tasks)
        cost = f"running {counted(len(tasks), 'task')} costs ${least:.4f} to ${most:.4f} ({self.rates.dated})"
        report(f"{cost}; data transfer, registry and endpoints not counted")
        self._require(most, cost)
        for size, lifetime_s in tasks:
            self._planned_s[_key(size)] = max(lifetime_s, self._planned_s.get(_key(size), 0.0))

    def approve_open_end(self, size: Size, report: Callable[[str], None]) -> None:
        """Report a task's cost per hour and when the ceiling ends it; ``UsageError`` if it pays for no task at all."""
        cost = f"a task costs ${self.rates.per_hour(size):.4f} an hour ({self.rates.dated})"
        self._require(self.rates.dollars(size, STOP_S), cost)
        if math.isfinite(lifetime_s := self._affordable_s(size)):
            cost = f"{cost}; MAX_DOLLARS ends it after {lifetime_s / HOUR_S:.1f} hours"
            self._planned_s[_key(size)] = lifetime_s
        report(cost)

    @contextmanager
    def charged(self, size: Size) -> Iterator[Charge]:
        """Reserve a task's whole lifetime while the block runs; ``CannotContinueError`` if nothing is left for it.

        All reservations together stay below the ceiling, so that tasks which nobody can stop any more end by
        themselves before it is reached.
        """
        planned_s = self._planned_s.get(_key(size), UNPLANNED_LIFETIME_S)
        affordable_s = self._affordable_s(size)
        if affordable_s < max(0.0, self.rates.minimum_s - STOP_S):
            raise CannotContinueError(f"MAX_DOLLARS={self.max_dollars:g} leaves nothing for another task.")
        limited = affordable_s <= planned_s
        charge = Charge(
            prices=self.rates,
            size=size,
            lifetime_s=min(planned_s, affordable_s),
            over=f"MAX_DOLLARS={self.max_dollars:g} is spent"
            if limited
            else f"a task's planned {planned_s:.0f} s are over",
        )
        self._running.append(charge)
        try:
            yield charge
        finally:
            self._running.remove(charge)
            self.spent += charge.cost

    @property
    def total(self) -> float:
        """Dollars spent until now, by tasks that run too."""
        return self.spent + sum(self.rates.dollars(charge.size, charge.elapsed_s) for charge in self._running)

    @property
    def exceeded(self) -> str | None:
        """The reason why tasks have to end now: the ceiling is reached, or a lifetime is over; ``None`` before."""
        if self.total > self.max_dollars:
            return f"MAX_DOLLARS={self.max_dollars:g} is spent"
        return next((charge.over for charge in self._running if charge.elapsed_s > charge.lifetime_s), None)

    def _affordable_s(self, size: Size) -> float:
        """Return the longest lifetime of one more task that the ceiling pays for, its stop included."""
        unreserved = self.max_dollars - self.spent - sum(charge.reserved for charge in self._running)
        return unreserved / self.rates.per_hour(size) * HOUR_S - STOP_S

    def _require(self, dollars: float, cost: str) -> None:
        if dollars <= self.max_dollars:
            return
        # Rounded up to whole cents, so that the value suggested is accepted.
        needed = f"must be {math.floor(dollars * 100) / 100 + 0.01:.2f} or more, as {cost}"
        if not self.max_dollars:
            raise UsageError(f"MAX_DOLLARS= is not set; {needed}")
        raise UsageError(f"invalid MAX_DOLLARS={self.max_dollars:g}: {needed}")


def _key(size: Size) -> tuple[float, int | None]:
    return size.vcpu, size.memory_bytes
