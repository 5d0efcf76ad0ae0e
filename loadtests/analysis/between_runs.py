"""What a stack varies by from run to run on the machine of a run: as its earlier runs say, or by default. Pure."""

import math

from common.records.figure import Figure
from common.records.run import Design, LoadRun
from common.records.summary import BetweenRuns, Component, Interval
from loadtests.statistics.components import Estimate

MANY_STACKS = 20
"""A run of more stacks lasts for a quarter of an hour, in which they drift further apart."""
FEW = BetweenRuns(sd=0.0035, freedom=10)
MANY = BetweenRuns(sd=0.006, freedom=10)
"""What a stack varies by from run to run, relative to the others, in published runs of few and of many stacks; and the
degrees of freedom that this counts for, as other machines may vary more or less."""
LEVEL = Component(sd=0.015, freedom=10)
"""What all stacks of a run vary by alike, from run to run: it is in no comparison, but in dollars and times."""


def between_runs_of(run: LoadRun) -> BetweenRuns | None:
    """Return what a stack varies by from run to run; ``None`` for a comparison, which is about its own rounds.

    What the manifest holds counts, so that the run can be summarised again at any time.
    """
    return run.between_runs or default_between_runs(run)


def default_between_runs(run: LoadRun) -> BetweenRuns | None:
    """Return what is taken to be so until a machine holds runs that say more; ``None`` for a comparison."""
    if run.design not in {Design.SLICED, Design.ALONE}:
        return None
    return FEW if sum(cell.control_of is None for cell in run.cells) <= MANY_STACKS else MANY


def in_another_run(rate: Figure) -> Interval:
    """Return a stack's rate with the interval in which it lies in another run on this machine.

    It includes what a run does to all stacks alike, which an interval for comparing stacks leaves out. A rate whose
    error is unknown has the interval that it came with.
    """
    if rate.error is None or rate.between_runs is None:
        return rate.value
    more = math.sqrt(1 + 1 / (len(rate.pooled) or 1))
    parts = (Component(sd=part.sd * more, freedom=part.freedom) for part in (rate.between_runs, LEVEL))
    return Estimate(mean=math.log(rate.value.estimate), error=rate.error, n=rate.value.n).interval(*parts)
