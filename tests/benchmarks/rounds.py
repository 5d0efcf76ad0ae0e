"""The servers of a load test in slices, for benchmarks that measure them in ways of their own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from common.catalog.sizes import Size
from common.cli.parameters import StackParameters
from common.console import Terminal
from common.host.run_lock import hold_run_lock
from common.records.load import Setup
from common.records.run import Design, LoadRun, Stopping
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from common.tables import markdown_table
from loadtests.analysis.formatting import bounds, estimate
from loadtests.campaign.manifest import RunIdentity
from loadtests.campaign.parameters import LoadParameters
from loadtests.experiments.loadtest.command import begin_loadtest
from loadtests.experiments.loadtest.experiment import LoadTest
from loadtests.statistics.intervals import log_interval

SEED = 1


@contextmanager
def prepared(
    name: str, asked: StackParameters, rounds: int, terminal: Terminal
) -> Iterator[tuple[LoadTest[LoadRun], Mapping[str, Candidate]]]:
    """Hold the run lock and yield a load test of so many rounds, with its candidates, of which nothing is measured."""
    size, runtime = Size(vcpu=1.0), asked.parse_runtime()
    begin = partial(
        begin_loadtest,
        asked.candidates(runtime),
        load=LoadParameters().parse(),
        size=size,
        runtime=runtime,
        design=Design.SLICED,
        rounds=rounds,
        stopping=Stopping(fewest_rounds=rounds),
        messages=terminal.messages,
    )
    identity = RunIdentity.new(name, SEED)
    with hold_run_lock(identity.id):
        yield begin(identity)


@contextmanager
def servers_up(subjects: Mapping[str, Candidate], setup: Setup) -> Iterator[dict[str, RunningServer]]:
    """Bring up fresh servers of all stacks."""
    with ExitStack() as servers:
        running = {
            name: servers.enter_context(one.start(setup.size, cores=setup.server_cores))
            for name, one in subjects.items()
        }
        for server in running.values():
            server.wait_until_ready()
        yield running


def ratio_table(ratios: Mapping[str, Sequence[float]], ratio: str, times: str) -> str:
    """Return the mean ratio of each stack with its interval, as a table in Markdown with these headings."""
    found = {name: log_interval(values) for name, values in ratios.items()}
    rows = [(name, estimate(one, digits=3), bounds(one, digits=3), str(one.n)) for name, one in found.items() if one]
    return markdown_table(("stack", ratio, "95 % interval", times), rows, left={"stack"})
