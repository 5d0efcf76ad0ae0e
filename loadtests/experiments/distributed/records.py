"""The records of a window that workers on several machines measure together."""

from typing import Annotated

from common.records.load import Setup
from common.records.run import Run
from common.records.schema import Count, RunSummary, says
from common.records.window import Load


class DistributedRun(Run, frozen=True, kw_only=True, tag="master"):
    """One window on a server elsewhere, led by a master and made by workers that joined it."""

    url: Annotated[str, says("Where the server answers.")]
    workers: Annotated[Count, says("Workers that had to join first.")]
    setup: Setup


class DistributedSummary(RunSummary, frozen=True, kw_only=True):
    """The results of the workers (``summary.json``)."""

    load: Annotated[Load | None, says("The load; null if the window could not run.")]
    problems: Annotated[list[str], says("What makes the window doubtful.")]
