"""The generator's ceiling: its rate against a server that only answers."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from common.host.network import HOST, free_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import supervised
from common.project import ROOT
from common.records.load import Ceiling, Setup
from common.records.run import SECOND_TASK_PATH
from common.runtimes.running_server import RunningServer
from loadtests.windows.by_locust import measure

WARMUP_S = 0.5
WINDOW_S = 1.0


@contextmanager
def null_server(cores: Sequence[int], *times_s: float) -> Iterator[RunningServer]:
    """Run the null server in a process of its own on ``cores``, with its delays and stall, while the block runs."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    line = [sys.executable, "-m", "loadtests.targets.null_server", str(port), *map(str, times_s)]
    with supervised(line, cwd=ROOT, cores=cores) as program:
        wait_until(lambda: responds(url), program.exit_reason, name="the null server", output=program.output)
        yield RunningServer(url=url, client_prefix=(), cpu_meter=program.tree_meter, exit_reason=program.exit_reason)


def with_ceiling(setup: Setup) -> Setup:
    """Return the setup with the generator's ceiling in a closed loop, with the same connections and cores.

    It is unchanged if the load comes from a second task, whose ceiling cannot be measured on this machine.
    """
    if setup.load_path == SECOND_TASK_PATH:
        return setup
    closed = replace(
        setup.load,
        scenario="hello",
        rate=None,
        arrivals=None,
        objective=None,
        warmup_s=WARMUP_S,
        most_warmup_s=0.0,
        window_s=WINDOW_S,
    )
    cores = (setup.server_cores or setup.generator_cores)[:1]  # a task's server has no cores here
    with null_server(cores) as running:
        load = measure(running, replace(setup, load=closed))
    ceiling = Ceiling(
        requests=load.requests,
        duration_s=load.duration_s,
        generator_cpu_s=load.generator_cpu_s,
        requests_per_cpu_s=load.requests / load.generator_cpu_s,
    )
    return replace(setup, ceiling=ceiling)
