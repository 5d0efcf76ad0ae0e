"""The ``sleepers`` scenario."""

from common.records.load import Objective
from loadtests.scenarios.base import Climb
from loadtests.scenarios.sleep import Sleep

MARGIN = 1.1
"""By how much the 99th percentile may exceed the delay."""


class Sleepers(Sleep):
    """``/sleep`` on more and more connections, until the 99th percentile exceeds the delay by a tenth."""

    climbs = Climb.CONNECTIONS

    @classmethod
    def default_objective(cls, delay_ms: int) -> Objective:
        """Hold a 99th percentile below the delay plus a tenth."""
        return Objective(fraction=0.99, limit_s=delay_ms / 1000 * MARGIN)
