"""``make pings``."""

from collections.abc import Mapping

from common.catalog.sizes import Runtime
from common.runtimes.candidates import Candidate
from loadtests.campaign.loop import start
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.campaign.parameters import Rounds, RunParameters
from loadtests.campaign.resume import resumable
from tests.support.here import real_cell

from .experiment import Pings
from .records import PingRun


@resumable
def pings(*, rounds: Rounds = 3, run: RunParameters = RunParameters()) -> None:
    """Measure how long servers take to answer a ping."""

    def begin(identity: RunIdentity) -> tuple[Pings, Mapping[str, Candidate]]:
        made = PingRun(**run_fields(identity, runtime=Runtime.PROCESS, rounds=rounds), cells=[real_cell()])
        return Pings(made), {}

    start("pings", begin, run, run.terminal())
