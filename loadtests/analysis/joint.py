"""The model of runs and stacks: rates over runs that repeat each other, and what stacks vary by between these. Pure."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.records.summary import BetweenRuns, Component, Interval
from loadtests.analysis.between_runs import FEW
from loadtests.statistics.components import Estimate, between_runs, over

Stack = TypeVar("Stack", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint(Generic[Stack]):
    """The rates of stacks over several runs."""

    rates: Mapping[Stack, Estimate]
    """Their errors are those within the runs."""
    between: BetweenRuns
    """What a stack varies by from run to run."""
    count: int
    """The number of runs."""

    @property
    def of_mean(self) -> Component:
        """What the mean of the runs varies by."""
        return Component(sd=self.between.sd / math.sqrt(self.count), freedom=self.between.freedom)


def joint(runs: Mapping[str, Mapping[Stack, Estimate]], known: BetweenRuns | None) -> Joint[Stack]:
    """Return what repeated runs, by their ids, say of the stacks that all of them have.

    What stacks vary by is what was ``known`` from earlier runs when the newest began, or else what these runs show.
    """
    first, *others = runs.values()
    names = [name for name in first if all(name in of_run for of_run in others)]
    between = known or FEW
    if not between.runs:
        shown = between_runs([[{str(name): of_run[name] for name in names} for of_run in runs.values()]], between)
        between = BetweenRuns(sd=shown.sd, freedom=shown.freedom, runs=[*runs])
    rates = {name: over([of_run[name] for of_run in runs.values()]) for name in names}
    return Joint(rates=rates, between=between, count=len(runs))


def estimate_in_run(rate: Interval, error: Component | None) -> Estimate:
    """Return a run's estimate; the error of a single round is unknown, and taken to be part of what runs vary by."""
    return Estimate(mean=math.log(rate.estimate), error=error or Component(sd=0.0, freedom=1.0), n=rate.n)
