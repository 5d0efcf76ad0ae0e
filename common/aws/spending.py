"""What tasks cost, at the dated prices, and the ceiling that a user puts on it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from common.aws.calls import CannotContinueError
from common.aws.sizes import TABLE
from common.catalog.prices import BYTES_PER_GB, load_prices
from common.catalog.sizes import Size
from common.errors import UsageError

HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPrices:
    """Dollars an hour; ``minimum_s`` is the shortest time that is billed."""

    vcpu: float
    gb: float
    public_ipv4: float
    minimum_s: float
    dated: str
    """Where and when the prices held, for people."""

    @classmethod
    def parse(cls, architecture: str) -> "TaskPrices":
        """The rates of an architecture as ECS names it: ``X86_64`` or ``ARM64``."""
        name = {"X86_64": "x86_64", "ARM64": "aarch64"}[architecture]
        offer = next(one for one in load_prices().compute if one.sizes == TABLE and one.architecture == name)
        return cls(
            vcpu=offer.vcpu_hour,
            gb=offer.gb_hour,
            public_ipv4=offer.public_ipv4_hour,
            minimum_s=offer.minimum_s,
            dated=f"{offer.name} in {offer.region} as of {offer.as_of}",
        )

    def dollars(self, size: Size, lifetime_s: float) -> float:
        """What one task of ``size`` costs that lives so long, a public address included."""
        assert size.memory_bytes is not None
        an_hour = size.vcpu * self.vcpu + size.memory_bytes / BYTES_PER_GB * self.gb + self.public_ipv4
        return max(lifetime_s, self.minimum_s) * an_hour / HOUR_S


@dataclass(slots=True, kw_only=True)
class SpendingLimit:
    """What may be spent, and what is: of tasks that ended, and of those that run."""

    rates: TaskPrices
    max_dollars: float
    spent: float = 0.0
    _running: dict[int, tuple[Size, float]] = field(default_factory=dict)

    @classmethod
    def parse(cls, max_dollars: float | None, *, architecture: str, dry_run: bool = False) -> "SpendingLimit":
        """The budget that ``MAX_DOLLARS=`` sets; nothing is spent in a dry run, which needs none."""
        if max_dollars is not None and not 0 < max_dollars < float("inf"):
            raise UsageError(f"MAX_DOLLARS={max_dollars} is no ceiling. Accepted: a positive number of dollars.")
        ceiling = float("inf") if dry_run else max_dollars or 0.0
        return cls(rates=TaskPrices.parse(architecture), max_dollars=ceiling)

    def approve(self, tasks: Sequence[tuple[Size, float]], report: Callable[[str], None]) -> None:
        """Say what the tasks (size, longest lifetime in seconds) cost at most; ``UsageError`` above the ceiling."""
        most = sum(self.rates.dollars(size, lifetime_s) for size, lifetime_s in tasks)
        least = sum(self.rates.dollars(size, 0) for size, _ in tasks)
        cost = f"{len(tasks)} tasks cost ${least:.4f} to ${most:.4f} ({self.rates.dated})"
        report(f"{cost}; data transfer, registry and endpoints not counted")
        if most > self.max_dollars:
            raise UsageError(f"{cost}, and MAX_DOLLARS={self._ceiling}. Accepted: {_cents(most)} or more.")

    def approve_open_end(self, size: Size, report: Callable[[str], None]) -> None:
        """Say what a task costs an hour, and when the ceiling ends it; ``UsageError`` where there is no ceiling."""
        an_hour = self.rates.dollars(size, HOUR_S)
        cost = f"a task costs ${an_hour:.4f} an hour ({self.rates.dated})"
        least = self.rates.dollars(size, 0)
        if least > self.max_dollars:
            raise UsageError(f"{cost}, and MAX_DOLLARS={self._ceiling}. Accepted: {_cents(least)} or more.")
        report(f"{cost}; MAX_DOLLARS ends it after {self.max_dollars / an_hour:.1f} hours")

    @contextmanager
    def charged(self, size: Size) -> Iterator[None]:
        """Count a task while the block lasts; ``CannotContinueError`` where the ceiling leaves nothing for it."""
        if self.total + self.rates.dollars(size, 0) > self.max_dollars:
            raise CannotContinueError(f"MAX_DOLLARS={self.max_dollars:g} leaves nothing for another task.")
        begun_s = time.monotonic()
        self._running[id(begun := object())] = (size, begun_s)
        try:
            yield
        finally:
            del self._running[id(begun)]
            self.spent += self.rates.dollars(size, time.monotonic() - begun_s)

    @property
    def _ceiling(self) -> str:
        return f"{self.max_dollars:g}" if self.max_dollars else " is not set"

    @property
    def total(self) -> float:
        """Dollars until now."""
        now_s = time.monotonic()
        return self.spent + sum(self.rates.dollars(size, now_s - begun_s) for size, begun_s in self._running.values())

    @property
    def exceeded(self) -> str | None:
        """That the ceiling is reached, in words; ``None`` until it is."""
        return f"MAX_DOLLARS={self.max_dollars:g} is spent" if self.total > self.max_dollars else None


def _cents(dollars: float) -> str:
    """Rounded up, so that the value works."""
    return f"{int(dollars * 100) / 100 + 0.01:.2f}"
