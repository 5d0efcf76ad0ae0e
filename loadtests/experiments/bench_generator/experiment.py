"""``make bench-generator``: the cost of a request for each installed load generator: ours, Locust's, wrk and h2load.

Every generator loads the same trivial server, pinned to the other core, in shuffled rounds. The server counts the
requests for all generators alike. The CPU time is that of the generator's process tree between two instants while it
runs, so start-up is not included.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from msgspec.structs import replace
from rich.console import Console, RenderableType
from typing_extensions import override

from common.catalog.sizes import Runtime
from common.errors import FailedError, UsageError
from common.host.cores import split_cores
from common.host.folders import temporary_folder
from common.host.meters import GONE, process_cpu_s
from common.host.readiness import wait_until
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, remaining_of
from loadtests.campaign.manifest import RunIdentity, run_fields
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.experiments.bench_generator import report
from loadtests.experiments.bench_generator.records import GeneratorCell, GeneratorRun, GeneratorSummary, GeneratorVisit
from loadtests.experiments.bench_generator.report import FAST_HTTP_USER, OURS, WRK
from loadtests.targets.counting_server import CLOSING, CountingServer, counting_server, server_name
from loadtests.timing.reading import Reading
from loadtests.windows.by_locust import LOCUST, isolated_locust

CONNECTIONS = (16, 64)
WARMUP_S = 1.0
REPORTED_AFTER_S = 1.0
"""How long a generator's exit status is waited for once its processes are gone."""
LOCUST_CLIENTS = (*LOCUST[:-1], f"--locustfile={Path(__file__).with_name('locust_clients.py')}")

CommandLine = Callable[[str, int], list[str]]
"""Returns a command line that runs until it is stopped, for a base URL and a number of connections."""


def _locust(*line: str, user: str) -> CommandLine:
    return lambda url, connections: [
        *line,
        "--headless",
        "--only-summary",
        f"--users={connections}",
        f"--spawn-rate={connections}",
        f"--host={url}",
        user,
    ]


GENERATORS: Mapping[str, CommandLine] = {
    OURS: _locust(*LOCUST, user="Hello"),
    FAST_HTTP_USER: _locust(*LOCUST_CLIENTS, user="Fast"),
    "HttpUser": _locust(*LOCUST_CLIENTS, user="Plain"),
    WRK: lambda url, connections: ["wrk", "-t1", f"-c{connections}", "-d3600s", f"{url}/hello"],
    "h2load": lambda url, connections: ["h2load", "--h1", "-t1", f"-c{connections}", "-D3600", f"{url}/hello"],
}
DEBIAN_PACKAGES = {WRK: "wrk", "h2load": "nghttp2-client"}
"""The Debian packages of the generators that are not ours."""


class GeneratorComparison(Experiment[GeneratorRun, GeneratorSummary]):
    """Every generator with every number of connections, on a server that keeps or closes them."""

    command = "bench-generator"
    run_type = GeneratorRun
    visit_types = (GeneratorVisit,)
    summary_type = GeneratorSummary
    is_reported = False

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        names = [cell.name for cell in self.run.cells]
        return remaining_of(planned_visits(GeneratorVisit, names, self.run.rounds, self.run.seed), visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        cells = {cell.name: cell for cell in self.run.cells}
        cores = split_cores(1)
        with counting_server(cores.server) as server:

            def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
                (planned,) = batch
                blank = planned.record(GeneratorVisit, self.run.id)
                return [_measure(blank, cells[planned.cell], server, cores.generator[:1], self.run.window_s)]

            yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> GeneratorSummary:
        return report.summarise(self.run, [visit for visit in visits if isinstance(visit, GeneratorVisit)])

    @override
    def tables(self, summary: GeneratorSummary) -> Iterable[RenderableType]:
        return (report.table(summary),)

    @override
    def notes(self, summary: GeneratorSummary) -> Iterable[str]:
        return (f"against {self.run.server}, which counts the requests; seed {self.run.seed}.",)

    @override
    def describe(self, visit: Visit) -> str:
        assert isinstance(visit, GeneratorVisit)
        return f"{visit.requests_per_cpu_s or 0:,.0f} requests per CPU-second"


def begin_comparison(
    *, rounds: int, window_s: float, messages: Console
) -> Callable[[RunIdentity], tuple[GeneratorComparison, dict[str, Candidate]]]:
    """Return the function that prepares a comparison of all installed generators; ``UsageError`` for a single core."""
    if split_cores(1).shared:
        raise UsageError("make bench-generator needs two cores, one for the server and one for the generator.")
    present = [name for name in GENERATORS if name not in DEBIAN_PACKAGES or shutil.which(name)]
    for name in GENERATORS.keys() - set(present):
        messages.print(f"{name} is not installed (Debian: apt-get install {DEBIAN_PACKAGES[name]}) and is left out")

    def begin(identity: RunIdentity) -> tuple[GeneratorComparison, dict[str, Candidate]]:
        run = GeneratorRun(
            **run_fields(identity, runtime=Runtime.PROCESS, rounds=rounds),
            server=server_name(),
            window_s=window_s,
            cells=[
                GeneratorCell(generator=generator, connections=connections, closing=closing)
                for closing in (False, True)
                for connections in CONNECTIONS
                for generator in present
            ],
        )
        return GeneratorComparison(run), {}

    return begin


def _measure(
    visit: GeneratorVisit, cell: GeneratorCell, server: CountingServer, cores: Sequence[int], window_s: float
) -> GeneratorVisit:
    """Return ``visit`` with one window of a generator that has been running for a second."""
    url = server.url + (CLOSING if cell.closing else "")
    line = GENERATORS[cell.generator](url, cell.connections)
    with temporary_folder("generator") as folder, isolated_locust(line, folder, cores=cores) as program:
        first = server.answered()
        try:
            wait_until(
                lambda: server.answered() > first + 10 * cell.connections,
                program.exit_reason,
                name=cell.generator,
                output=program.output,
            )
        except FailedError as error:
            return replace(visit, error=str(error))
        try:
            time.sleep(WARMUP_S)
            before = _read(program.pid, server)
            time.sleep(window_s)
            after = _read(program.pid, server)
        except GONE as error:
            with suppress(subprocess.TimeoutExpired):
                program.wait(REPORTED_AFTER_S)
            return replace(visit, error=program.exit_reason() or str(error))
        if (reason := program.exit_reason()) is not None:
            return replace(visit, error=reason)
    load = after - before
    if not load.sent or not load.generator_cpu_s:
        return replace(visit, error="it sent nothing")
    return replace(visit, requests=load.sent, generator_cpu_s=load.generator_cpu_s, duration_s=load.duration_s)


def _read(supervisor: int, server: CountingServer) -> Reading:
    """Return a reading of the generator, which is the supervisor's process tree, and of the server's count."""
    answered = server.answered()
    tree = psutil.Process(supervisor).children(recursive=True)
    cpu_s = sum(process_cpu_s(process.pid) for process in tree)
    return Reading(at_s=time.perf_counter(), sent=answered, generator_cpu_s=cpu_s)
