"""``make history``: the newest releases of a framework's last minor versions in one load test."""

from collections.abc import Iterable, Mapping

from msgspec.structs import asdict
from rich.console import RenderableType
from typing_extensions import override

from common.records.run import HistoryRun
from common.records.summary import Summary
from common.runtimes.candidates import Candidate
from loadtests.campaign.loop import Begin
from loadtests.campaign.manifest import RunIdentity
from loadtests.experiments.history import report
from loadtests.experiments.loadtest.experiment import LoadTest


class History(LoadTest[HistoryRun]):
    """A load test of the versions of one framework, which ends in the releases that changed its speed."""

    command = "history"
    run_type = HistoryRun

    @override
    def tables(self, summary: Summary) -> Iterable[RenderableType]:
        return (*super().tables(summary), report.table(self.run, summary.pairs))

    @override
    def conclusions(self, summary: Summary) -> Iterable[str]:
        return report.sentences(self.run, summary.pairs)


def begin_history(
    title: str, versions: Mapping[str, str], begin_load: Begin[Summary], identity: RunIdentity
) -> tuple[History, Mapping[str, Candidate]]:
    """Prepare a history of the framework ``title``, given the one for its load test.

    ``versions`` are its versions by the names of their cells, the oldest first.
    """
    test, subjects = begin_load(identity)
    return History(HistoryRun(**asdict(test.run), title=title, versions=dict(versions))), subjects
