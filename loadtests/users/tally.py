"""The counters of one request name. They are never reset, so that any two moments can be subtracted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import histogram


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counters since the process started. ``lost`` requests got no response; they are among ``failures`` as well."""

    method: str
    name: str
    counts: list[int] = field(default_factory=histogram.empty)
    """Times of good responses, as ``histogram`` keeps them."""
    total_s: float = 0.0
    longest_s: float = 0.0
    """The longest time of a good response since ``ClosedLoop.forget_extremes``."""
    body_bytes: int = 0
    wrong: int = 0
    lost: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> int:
        """The number of good responses."""
        return sum(self.counts)

    def count_good(self, elapsed_s: float, body_bytes: int) -> None:
        """Count a good response."""
        histogram.record(self.counts, elapsed_s)
        self.total_s += elapsed_s
        self.longest_s = max(self.longest_s, elapsed_s)
        self.body_bytes += body_bytes

    def count_wrong(self, reason: str) -> None:
        """Count a wrong response."""
        self.wrong += 1
        self.failures[reason] += 1

    def count_lost(self, reason: str) -> None:
        """Count a request without a response."""
        self.lost += 1
        self.failures[reason] += 1

    def copy(self) -> "Tally":
        """Return a copy of the counters."""
        return Tally(
            method=self.method,
            name=self.name,
            counts=self.counts.copy(),
            total_s=self.total_s,
            longest_s=self.longest_s,
            body_bytes=self.body_bytes,
            wrong=self.wrong,
            lost=self.lost,
            failures=self.failures.copy(),
        )

    def since(self, earlier: "Tally") -> "Tally":
        """Return what was counted since ``earlier``, a copy of this tally, was made."""
        return Tally(
            method=self.method,
            name=self.name,
            counts=histogram.difference(self.counts, earlier.counts),
            total_s=self.total_s - earlier.total_s,
            longest_s=self.longest_s,
            body_bytes=self.body_bytes - earlier.body_bytes,
            wrong=self.wrong - earlier.wrong,
            lost=self.lost - earlier.lost,
            failures=self.failures - earlier.failures,
        )


def added_up(tallies: Iterable[Tally]) -> Tally:
    """Return the sum over all request names, with an empty name."""
    parts = tuple(tallies)
    return Tally(
        method="",
        name="",
        counts=histogram.merge(part.counts for part in parts),
        total_s=sum(part.total_s for part in parts),
        longest_s=max((part.longest_s for part in parts), default=0.0),
        body_bytes=sum(part.body_bytes for part in parts),
        wrong=sum(part.wrong for part in parts),
        lost=sum(part.lost for part in parts),
        failures=sum((part.failures for part in parts), Counter()),
    )


def counted_between(earlier: Iterable[Tally], later: Iterable[Tally]) -> Tally:
    """Return what was counted under all request names from one reading, of copies, to a later one."""
    known = {(tally.method, tally.name): tally for tally in earlier}
    nothing = Tally(method="", name="")
    return added_up(tally.since(known.get((tally.method, tally.name), nothing)) for tally in later)
