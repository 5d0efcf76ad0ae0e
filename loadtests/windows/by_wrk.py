"""One window measured by wrk, as a second opinion: the same cells and records, but counts only.

There are no percentiles, because wrk 4.1 rewrites its histogram at the end of a run, and bodies are not checked. A
status of 400 or more and every socket error is a failure. Requests in flight at the end are not counted.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from common.host.meters import GONE
from common.host.supervisor import supervised
from common.project import ROOT
from common.records.load import Setup, Tool
from common.records.window import Load, Warmup
from common.runtimes.running_server import RunningServer
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.timing.reading import Reading, read_cores, read_server, take_reading
from loadtests.users.responses import ACCEPT
from loadtests.windows import by_locust
from loadtests.windows.tools import GeneratorError, require_wrk, wait_for_end

SCRIPT = ROOT / "loadtests" / "windows" / "wrk.lua"
TIMEOUT_S = 10
START_UP_S = 15.0
AFTER_WARMUP_S = 0.1
"""The window of Locust that ends a warm-up, and that nobody reads."""


def measure(server: RunningServer, setup: Setup) -> Load:
    """Load a server as ``setup`` says for a warm-up and a window of whole seconds.

    A server that may compile its code is warmed by Locust before: wrk says nothing until its end.

    The server is idle before and after, so its CPU time can be read at leisure and covers everything that wrk did.
    ``GeneratorError`` if wrk gives no result.
    """
    warmup = _warmed(server, setup) if server.may_compile and setup.load.most_warmup_s else None
    if setup.load.warmup_s:
        _run(server, setup, setup.load.warmup_s)
    before, gone = _read(setup).with_server(read_server(server.cpu_meter)), None
    reply = _run(server, setup, setup.load.window_s)
    after = _read(setup)
    try:
        after = after.with_server(read_server(server.cpu_meter))
    except GONE as error:
        gone = str(error)
    return replace(load_of(reply, setup.load.users, after - before), server_gone=gone, warmup=warmup)


def _warmed(server: RunningServer, setup: Setup) -> Warmup | None:
    """Load a server until its rate no longer rises; return the record."""
    load = replace(setup.load, tool=Tool.LOCUST, window_s=AFTER_WARMUP_S)
    return by_locust.measure(server, replace(setup, load=load)).warmup


def load_of(reply: Mapping[str, Any], users: int, around: Load) -> Load:
    """Return the record of one window from wrk's summary and what was read of server and cores around it."""
    names = {
        "status": "status 400 or more",
        "connect": "connection refused",
        "read": "connection reset",
        "write": "write error",
        "timeout": "timeout",
    }
    return replace(
        around,
        duration_s=reply["duration_us"] / 1e6,
        users=users,
        sent=reply["answered"] + sum(reply[name] for name in names if name != "status"),
        answered=reply["answered"],
        requests=reply["answered"] - reply["status"],
        failures={reason: reply[name] for name, reason in names.items() if reply[name]},
        connections_open_min=None,
        reconnects=None,
        generator_cpu_s=reply["cpu_s"],
        generator_run_delay_s=None,
        littles_law_ratio=None,
    )


def command(url: str, setup: Setup, duration_s: float) -> list[str]:
    """Return wrk's command line for the scenario; durations are whole seconds, at least one."""
    load = setup.load
    paths = SCENARIOS[load.scenario].wrk_paths(load.delay_ms)
    assert paths, f"wrk cannot do {load.scenario}"
    threads = min(len(setup.generator_cores), load.users)
    line = [require_wrk(), f"-t{threads}", f"-c{load.users}", f"-d{max(1, round(duration_s))}s"]
    line += [f"--timeout={TIMEOUT_S + load.delay_ms // 1000}s", f"--script={SCRIPT}"]
    line += [f"--header={': '.join(ACCEPT)}", url + paths[0]]  # the same bytes as our own users send
    return [*line, "--", f"paths={','.join(paths)}"] if len(paths) > 1 else line


def _run(server: RunningServer, setup: Setup, duration_s: float) -> dict[str, Any]:
    """Return wrk's summary, with its CPU time."""
    line = [*server.client_prefix, *command(server.url, setup, duration_s)]
    with supervised(line, cwd=ROOT, cores=setup.generator_cores) as program:
        wait_for_end(program, duration_s + START_UP_S, name="wrk")
        summary = re.search(r"^wrk-summary (.*)$", program.output(), re.MULTILINE)
        if summary is None:
            raise GeneratorError(f"wrk ended without a result: {program.exit_reason()}")
        reply: dict[str, Any] = json.loads(summary[1])
        return reply


def _read(setup: Setup) -> Reading:
    return take_reading(cores=read_cores(setup.generator_cores, setup.server_cores))
