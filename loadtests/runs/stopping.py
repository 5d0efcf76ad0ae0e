"""When a run ends: after so many rounds, once all is resolved or precise, or when its time is spent."""

import re
from dataclasses import dataclass

from common.errors import UsageError
from loadtests.analysis.comparison import LOOKS, MARGIN

DEFAULT_BUDGET = "7m"
"""Keeps a run of every framework on its default server under ten minutes on two cores, conformance included."""
FEWEST_TO_RANK = LOOKS[0]
MOST_PRECISE_ROUNDS = 100
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """The rule that ends a run."""

    rounds: int
    """The most that are made."""
    fewest_rounds: int
    """Made even where the budget is spent."""
    looks: tuple[int, ...] = ()
    budget_s: float | None = None
    precision: float | None = None
    margin: float = MARGIN

    @classmethod
    def parse(
        cls,
        *,
        rounds: int | None,
        budget: str | None,
        precision: str | None,
        margin: str,
        looks: tuple[int, ...] = LOOKS,
    ) -> "Stopping":
        """What ``ROUNDS=``, ``BUDGET=``, ``PRECISION=`` and ``MARGIN=`` ask for.

        ``ROUNDS`` is exactly that many. A budget that was not asked for leaves the rounds that a rank needs; one that
        was is kept.
        """
        band = share(margin, variable="MARGIN")
        if rounds is not None:
            if budget is not None or precision is not None:
                raise UsageError(f"ROUNDS={rounds} is exactly so many rounds: leave out BUDGET= and PRECISION=.")
            return cls(rounds=rounds, fewest_rounds=rounds, margin=band)
        fewest = FEWEST_TO_RANK if budget is None else 1
        budget_s = duration_s(budget or DEFAULT_BUDGET, variable="BUDGET")
        if precision is None:
            return cls(rounds=looks[-1], fewest_rounds=fewest, looks=looks, budget_s=budget_s, margin=band)
        narrow = share(precision, variable="PRECISION")
        return cls(
            rounds=MOST_PRECISE_ROUNDS, fewest_rounds=FEWEST_TO_RANK, budget_s=budget_s, precision=narrow, margin=band
        )


def duration_s(text: str, *, variable: str) -> float:
    """The seconds that a duration such as ``90s``, ``15m`` or ``1.5h`` names."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip().casefold())
    value_s = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if not value_s:
        raise UsageError(f"{variable}={text or '(empty)'} is no duration. Accepted: such as 90s, 15m or 1.5h.")
    return value_s


def share(text: str, *, variable: str) -> float:
    """The share that ``2%``, ``2`` or ``0.5%`` names: 0.02, 0.02, 0.005."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text.strip())
    value = float(found[1]) / 100 if found else 0.0
    if not 0 < value <= 0.5:  # noqa: PLR2004 -- beyond half, an interval or a band says nothing
        raise UsageError(
            f"{variable}={text or '(empty)'} is no share. Accepted: above 0 to 50, in per cent, such as 2%."
        )
    return value
