"""The times at which an open loop sends requests, whether or not earlier ones have been answered. Pure."""

import math
import random
from collections.abc import Callable, Iterator
from enum import StrEnum

MOST_RPS = 1_000_000

Gap = Callable[[float], float]
"""Returns the seconds to the next arrival at a rate per second; infinite at a rate of 0."""


class Arrivals(StrEnum):
    """The kind of gaps between arrivals."""

    CONSTANT = "constant"
    POISSON = "poisson"


def gaps(kind: Arrivals, randomness: random.Random) -> Gap:
    """Return the gap function of a kind: constant gaps, or independent exponential ones (a Poisson process)."""
    draw = (lambda rate_rps: 1 / rate_rps) if kind is Arrivals.CONSTANT else randomness.expovariate
    return lambda rate_rps: draw(rate_rps) if rate_rps > 0 else math.inf


class Schedule:
    """The arrivals of one process, each returned once and in order; the rate may change at any time."""

    def __init__(self, kind: Arrivals, seed: int | None = None) -> None:
        self.rate_rps = 0.0
        self.next_s = math.inf
        """The time at which the next arrival is due."""
        self._gap_s = gaps(kind, random.Random(seed))  # noqa: S311 -- not cryptography

    def pace(self, rate_rps: float, now_s: float) -> None:
        """Change the rate. The rest of the current gap is scaled, so that arrivals stay constant or Poisson."""
        left_s = self.next_s - now_s
        if not (self.rate_rps > 0 and rate_rps > 0):
            self.next_s = now_s + self._gap_s(rate_rps)
        elif left_s > 0:
            self.next_s = now_s + left_s * self.rate_rps / rate_rps
        self.rate_rps = rate_rps

    def due(self, now_s: float) -> Iterator[float]:
        """Yield the intended times of the arrivals that have fallen due since the last call."""
        while self.next_s <= now_s:
            intended_s = self.next_s
            self.next_s += self._gap_s(self.rate_rps)
            yield intended_s
