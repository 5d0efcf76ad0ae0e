"""Time as it is billed: AWS's own, known from the dates of its replies, and ours, which counts a laptop's sleep."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any


def boot_time_s() -> float:
    """Return the seconds since this machine's boot, including those for which it was suspended.

    Tasks go on costing money while a laptop sleeps, and ``time.monotonic`` stops then. Nobody sets this clock, either.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True, kw_only=True)
class Clock:
    """AWS's time, and bounds on AWS's time minus ours, which every dated reply narrows.

    A reply's ``Date`` is truncated to the second. AWS therefore read a time between that date and one second later,
    at some instant between our sending the request and our receiving the reply. If that contradicts the bounds, our
    clock has been set since: they start again from that reply.
    """

    at_least_s: float = -math.inf
    at_most_s: float = math.inf
    _booted_at_s: float | None = None
    """AWS's time at this machine's boot, by the latest reply."""

    def compare(self, metadata: Mapping[str, Any], *, asked_at_s: float, answered_at_s: float) -> None:
        """Adapt the bounds to one reply's ``ResponseMetadata``; it is ignored without a ``Date`` header.

        ``asked_at_s`` and ``answered_at_s`` are Unix times of this machine.
        """
        if (date := metadata.get("HTTPHeaders", {}).get("date")) is not None:
            dated_s = parsedate_to_datetime(date).timestamp()
            self._booted_at_s = dated_s - boot_time_s()
            newest = dated_s - answered_at_s, dated_s + 1 - asked_at_s
            narrowed = max(self.at_least_s, newest[0]), min(self.at_most_s, newest[1])
            self.at_least_s, self.at_most_s = narrowed if narrowed[0] <= narrowed[1] else newest

    def now(self) -> datetime | None:
        """Return AWS's time: the date of its latest reply and the time since, which is at most a second or so early.

        ``None`` before the first dated reply. This machine's own date is not used, as it may be wrong.
        """
        if self._booted_at_s is None:
            return None
        return datetime.fromtimestamp(self._booted_at_s + boot_time_s(), UTC)

    @property
    def offset(self) -> timedelta:
        """The smallest correction of our times that agrees with every reply; zero where none is needed or known."""
        nearest_s = min(max(0.0, self.at_least_s), self.at_most_s)
        return timedelta(seconds=nearest_s if math.isfinite(nearest_s) else 0.0)

    @property
    def uncertainty_s(self) -> float | None:
        """Half the distance between the bounds; ``None`` if no reply carried a date."""
        half_s = (self.at_most_s - self.at_least_s) / 2
        return max(0.0, half_s) if math.isfinite(half_s) else None
