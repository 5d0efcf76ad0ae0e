"""When requests of an open loop are to be sent, whatever has become of those before. Pure."""

import math
import random
from collections.abc import Callable, Iterator
from enum import StrEnum

MOST_RPS = 1_000_000

Gap = Callable[[float], float]
"""The seconds from one arrival to the next at a rate per second; for ever at a rate of 0."""


class Arrivals(StrEnum):
    """How arrivals follow each other."""

    CONSTANT = "constant"
    POISSON = "poisson"


def gaps(kind: Arrivals, randomness: random.Random) -> Gap:
    """The gap function of a kind: always the same gap, or independent exponential ones (a Poisson process)."""
    draw = (lambda rate_rps: 1 / rate_rps) if kind is Arrivals.CONSTANT else randomness.expovariate
    return lambda rate_rps: draw(rate_rps) if rate_rps > 0 else math.inf


class Schedule:
    """The arrivals of one process, each once, in order; the rate may change at any time."""

    def __init__(self, kind: Arrivals, seed: int | None = None) -> None:
        self.rate_rps = 0.0
        self.next_s = math.inf
        """When the next arrival is due."""
        self._gap_s = gaps(kind, random.Random(seed))  # noqa: S311 -- not cryptography

    def pace(self, rate_rps: float, now_s: float) -> None:
        """Go on at another rate. What is left of the gap is stretched, which keeps either kind what it is."""
        left_s = self.next_s - now_s
        if not (self.rate_rps > 0 and rate_rps > 0):
            self.next_s = now_s + self._gap_s(rate_rps)
        elif left_s > 0:
            self.next_s = now_s + left_s * self.rate_rps / rate_rps
        self.rate_rps = rate_rps

    def due(self, now_s: float) -> Iterator[float]:
        """The arrivals up to now that have not been given yet."""
        while self.next_s <= now_s:
            intended_s = self.next_s
            self.next_s += self._gap_s(self.rate_rps)
            yield intended_s
