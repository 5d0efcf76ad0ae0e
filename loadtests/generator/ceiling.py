"""The generator's own limit: what it reaches against a server that does nothing but answer."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from common.host.http_probe import answers
from common.host.ports import HOST, free_port
from common.host.supervisor import guarded, tail
from common.host.waiting import wait_until
from common.project import ROOT
from common.records.run import Ceiling, Run
from common.runtimes.base import Running
from loadtests.runs.manifest import SECOND_TASK
from loadtests.windows.throughput import measure

WARMUP_S = 0.5
WINDOW_S = 1.0


@contextmanager
def null_server(cores: Sequence[int], *times_s: float) -> Iterator[Running]:
    """The null server in a process of its own on ``cores``, with its delays and stall; gone afterwards."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    line = [sys.executable, "-m", "loadtests.generator.null_server", str(port), *map(str, times_s)]
    with (
        tempfile.TemporaryFile("w+") as log,
        guarded(line, cores=cores, cwd=ROOT, env=dict(os.environ), log=log) as guard,
    ):

        def ended() -> str | None:
            return None if guard.poll() is None else f"exit status {guard.returncode}. {tail(log)}"

        wait_until(lambda: answers(url), ended, what="the null server")
        yield Running(url=url, prefix=(), meter=f"tree:{guard.pid}", ended=ended)


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
