"""What ``RATE=`` asks for. Pure."""

import re
from dataclasses import dataclass

from common.errors import UsageError
from common.records.window import Load
from loadtests.users.arrivals import MOST_RPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Arrivals per second, or a share of what the server can do; one of the two is ``None``."""

    rps: float | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """The rate that ``RATE=`` names; ``UsageError`` says what is accepted."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text.strip())
        value = float(found[1]) if found else 0.0
        if found and found[2] and 0 < value <= 100:  # noqa: PLR2004 -- per cent
            return cls(share=value / 100)
        if found and not found[2] and 0 < value <= MOST_RPS:
            return cls(rps=value)
        raise UsageError(
            f"RATE={text} is not accepted: requests per second up to {MOST_RPS}, or a share of the stack's own "
            "capacity such as 50%, are."
        )


def capacity_rps(load: Load, vcpu: float) -> float:
    """Requests per second that ``vcpu`` carry, by what they cost in CPU time, or by the clock where that is unknown."""
    if load.server_cpu_s:
        return load.requests / load.server_cpu_s * vcpu
    return load.requests / load.duration_s if load.duration_s else 0.0
