"""When a load test ends: after a number of rounds, once all is resolved or precise, or when its time is spent."""

import re

from common.errors import UsageError
from common.records.run import Stopping
from loadtests.analysis.comparison import LOOKS, MARGIN

DEFAULT_BUDGET = "6m"
"""Holds the rounds that a rank needs of the default frameworks, on two cores."""
FEWEST_TO_RANK = LOOKS[0]
MOST_PRECISE_ROUNDS = 100
MOST_SHARE = 0.5
"""A wider interval, or a wider band of equivalence, says nothing."""
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


def parse_stopping(
    *,
    rounds: int | None,
    budget: str | None = None,
    precision: str | None = None,
    margin: str = f"{MARGIN:.0%}",
    looks: tuple[int, ...] = LOOKS,
) -> tuple[int, Stopping]:
    """Return the most rounds, and the rule that ``ROUNDS=``, ``BUDGET=``, ``PRECISION=`` and ``MARGIN=`` ask for.

    ``ROUNDS`` is exactly that many. The default budget leaves time for the rounds that a rank needs; one that was asked
    for is kept. ``UsageError`` where a value is invalid or does not go with another.
    """
    band = parse_share(margin, variable="MARGIN")
    if rounds is not None:
        if budget is not None or precision is not None:
            raise UsageError(f"ROUNDS={rounds} is exactly that many rounds. Leave out BUDGET= and PRECISION=.")
        return rounds, Stopping(fewest_rounds=rounds, margin=band)
    budget_s = parse_duration(budget or DEFAULT_BUDGET, variable="BUDGET")
    if precision is not None:
        narrow = parse_share(precision, variable="PRECISION")
        rule = Stopping(fewest_rounds=FEWEST_TO_RANK, budget_s=budget_s, precision=narrow, margin=band)
        return MOST_PRECISE_ROUNDS, rule
    fewest = FEWEST_TO_RANK if budget is None else 1
    return looks[-1], Stopping(fewest_rounds=fewest, looks=list(looks), budget_s=budget_s, margin=band)


def exactly(rounds: int) -> Stopping:
    """Return the rule of a run that makes exactly ``rounds`` rounds."""
    return Stopping(fewest_rounds=rounds)


def parse_duration(text: str, *, variable: str) -> float:
    """Return the seconds that a duration such as ``90s``, ``15m`` or ``1.5h`` names; ``UsageError`` otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip().casefold(), re.ASCII)
    value_s = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if not value_s:
        raise UsageError(f"invalid {variable}={text or '(empty)'}: must be a duration such as 90s, 15m or 1.5h.")
    return value_s


def parse_share(text: str, *, variable: str) -> float:
    """Return the share that ``2%``, ``2`` or ``0.5%`` names: 0.02, 0.02, 0.005; ``UsageError`` otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text.strip(), re.ASCII)
    value = float(found[1]) / 100 if found else 0.0
    if not 0 < value <= MOST_SHARE:
        raise UsageError(f"invalid {variable}={text or '(empty)'}: must be above 0 and at most 50 %, such as 2%.")
    return value
