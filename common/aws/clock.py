"""How far AWS's clock is from this machine's, as far as the dates of its answers tell."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any


@dataclass(slots=True, kw_only=True)
class Clock:
    """Bounds on *AWS's time minus ours*, which every answer narrows.

    An answer's ``Date`` is cut to the second, so AWS's clock read between it and one second later at some instant
    between our question and our reading.
    """

    at_least_s: float = -math.inf
    at_most_s: float = math.inf

    def compare(self, metadata: Mapping[str, Any], *, asked_at_s: float, answered_at_s: float) -> None:
        """Narrow the bounds by one answer (``ResponseMetadata``), with Unix times of ours; no ``Date``, no news."""
        if (date := metadata.get("HTTPHeaders", {}).get("date")) is not None:
            theirs_s = parsedate_to_datetime(date).timestamp()
            self.at_least_s = max(self.at_least_s, theirs_s - answered_at_s)
            self.at_most_s = min(self.at_most_s, theirs_s + 1 - asked_at_s)

    @property
    def offset(self) -> timedelta:
        """What to add to our times: the least correction that all answers agree with, none where they allow none."""
        nearest_s = min(max(0.0, self.at_least_s), self.at_most_s)
        return timedelta(seconds=nearest_s if math.isfinite(nearest_s) else 0.0)

    @property
    def uncertainty_s(self) -> float | None:
        """Half the width of the bounds; ``None`` where no answer was dated."""
        half_s = (self.at_most_s - self.at_least_s) / 2
        return max(0.0, half_s) if math.isfinite(half_s) else None
