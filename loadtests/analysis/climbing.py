"""The search for the highest load at which an objective holds: raise it until it breaks, then bisect. Pure."""

import math
from collections.abc import Sequence

from common.records.load import Objective
from common.records.window import Load, LoadStep
from common.words import counted
from loadtests.users import histogram

GROWTH = 2.0
PRECISION = 0.1
"""The search ends once the lowest target that broke exceeds the highest that held by at most this share."""
MOST_STEPS = 40
DELAYS = 10
"""The window of a step of sleepers lasts at least this many delays."""
SETTLE_DELAYS = 2
"""The number of delays for which sleepers settle before the window of a step."""


def broken(objective: Objective, load: Load) -> str | None:
    """Return how a step breaks the objective, or ``None`` if the objective holds.

    Any failed request breaks it. Arrivals that were never sent count as slower than every response.
    """
    if load.server_gone:
        return load.server_gone
    if failed := sum(load.failures.values()):
        return f"{counted(failed, 'request')} failed"
    missing = unsent(load)
    if not load.requests:
        return "nothing was answered"
    of_answered = objective.fraction * (load.requests + missing) / load.requests
    if of_answered > 1:
        return f"{missing} of {load.requests + missing} arrivals were not sent"
    observed_s = histogram.percentile_s(histogram.dense(load.histogram), of_answered) or 0.0
    if observed_s <= objective.limit_s:
        return None
    return f"{objective.percentile} was {observed_s * 1000:.3g} ms, above {objective.limit_s * 1000:g} ms"


def unsent(load: Load) -> int:
    """Return the number of arrivals that had not been sent when the window ended."""
    return load.open_loop.never_sent + load.open_loop.waiting if load.open_loop else 0


def next_target(tried: Sequence[tuple[float, bool]], *, first: float, most: float, whole: bool = False) -> float | None:
    """Return the next target to try, given those tried and whether each held; ``None`` once the knee is known.

    A target counts as broken only after it has broken twice, so that one disturbance does not end the climb. With
    ``whole``, targets are whole numbers. The knee is known to within ``PRECISION``.
    """
    if not tried:
        return first
    held = {target for target, ok in tried if ok}
    lost = [target for target, _ in tried if target not in held]
    if lost.count(tried[-1][0]) == 1:
        return tried[-1][0]
    target = _between(max(held, default=None), min(lost, default=None), most) if len(tried) < MOST_STEPS else None
    if target is None or not whole:
        return target
    return None if round(target) in held.union(lost) or target < 1 else float(round(target))


def _between(best: float | None, worst: float | None, most: float) -> float | None:
    if worst is None:
        return None if best is None or best >= most else min(best * GROWTH, most)
    if best is None:
        return worst / GROWTH if worst >= GROWTH else None
    return math.sqrt(best * worst) if worst / best > 1 + PRECISION else None


def knee(steps: Sequence[LoadStep]) -> float | None:
    """Return the highest target that held, or ``None`` if none did."""
    return max((step.target for step in steps if step.broken is None), default=None)


def memory_per_target_bytes(steps: Sequence[LoadStep]) -> float | None:
    """Return the memory that each unit of the target adds, between the lowest and the highest step that held."""
    known = [
        (step.target, step.memory_bytes) for step in steps if step.broken is None and step.memory_bytes is not None
    ]
    (low, low_bytes), (high, high_bytes) = (min(known), max(known)) if known else ((0, 0), (0, 0))
    return (high_bytes - low_bytes) / (high - low) if high > low else None
