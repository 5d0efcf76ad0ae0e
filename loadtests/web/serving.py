"""``make web``: one stack with Locust's web UI on it."""

import time

from common.catalog.sizes import Size
from common.console import Terminal
from common.errors import FailedError
from common.host.cores import split_cores
from common.host.ports import check_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import supervised
from common.project import ROOT
from common.runtimes.candidates import Candidate
from loadtests.windows.by_locust import LOCUST


def open_web(candidate: Candidate, size: Size, port: int, terminal: Terminal) -> None:
    """Serve ``candidate`` with the web UI on ``port`` until interrupted; nothing is left afterwards."""
    check_port(port)
    cores = split_cores(size.vcpu)
    url = f"http://127.0.0.1:{port}"
    try:
        with (
            candidate.serve(size, cores=cores.server, inside=False) as running,
            supervised(
                [*LOCUST, "--class-picker", f"--host={running.url}", "--web-host=127.0.0.1", f"--web-port={port}"],
                cwd=ROOT,
                cores=cores.generator,
            ) as locust,
        ):
            wait_until(lambda: responds(url, "/"), locust.exit_reason, name="Locust's web UI")
            terminal.say(f"{candidate.name} at {running.url}; Locust's web UI, until Ctrl-C:")
            terminal.results.print(url)
            while (reason := running.exit_reason() or locust.exit_reason()) is None:
                time.sleep(0.1)
            raise FailedError(f"{candidate.name} or Locust ended: {reason}")
    except KeyboardInterrupt:
        terminal.say(f"{candidate.name} and Locust are down")
