"""The ``ramp`` scenario."""

from common.records.load import Objective
from common.records.load import Rate as ArrivalRate
from loadtests.scenarios.base import Climb
from loadtests.scenarios.rate import Rate


class Ramp(Rate):
    """``/hello`` at a rate that rises until the objective breaks."""

    climbs = Climb.RATE
    default_rate = ArrivalRate(rps=500)

    @classmethod
    def default_objective(cls, delay_ms: int) -> Objective:  # noqa: ARG003 -- as the base class has it
        """Hold a 99th percentile below 50 ms."""
        return Objective(fraction=0.99, limit_s=0.050)
