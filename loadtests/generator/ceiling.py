"""The generator's own limit: what it reaches against a server that does nothing but answer."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from common.host.http_probe import responds
from common.host.ports import HOST, free_port
from common.host.supervisor import supervised
from common.host.waiting import wait_until
from common.project import ROOT
from common.records.run import Ceiling, Run
from common.runtimes.base import RunningServer
from loadtests.runs.manifest import SECOND_TASK
from loadtests.windows.throughput import measure

WARMUP_S = 0.5
WINDOW_S = 1.0


@contextmanager
def null_server(cores: Sequence[int], *times_s: float) -> Iterator[RunningServer]:
    """The null server in a process of its own on ``cores``, with its delays and stall; gone afterwards."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    line = [sys.executable, "-m", "loadtests.generator.null_server", str(port), *map(str, times_s)]
    with supervised(line, cwd=ROOT, cores=cores) as program:
        wait_until(lambda: responds(url), program.exit_reason, what="the null server")
        yield RunningServer(url=url, client_prefix=(), cpu_meter=program.tree_meter, exit_reason=program.exit_reason)


def ceiling(run: Run) -> Ceiling | None:
    """What the generator of ``run`` reaches in a closed loop over as many connections, on the same cores.

    ``None`` where that is another machine's.
    """
    if run.load_path == SECOND_TASK:
        return None
    with null_server((run.server_cores or run.generator_cores)[:1]) as running:  # a task's server has no cores here
        closed = replace(run, scenario="hello", rate=None, arrivals=None, objective=None)
        load = measure(running, replace(closed, warmup_s=WARMUP_S, window_s=WINDOW_S))
    return Ceiling(
        requests=load.requests,
        duration_s=load.duration_s,
        generator_cpu_s=load.generator_cpu_s,
        requests_per_cpu_s=load.requests / load.generator_cpu_s,
    )
