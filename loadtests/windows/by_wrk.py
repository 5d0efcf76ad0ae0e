"""One window measured by wrk, as a second opinion: the same cells and records, but counts only.

There are no percentiles, because wrk 4.1 rewrites its histogram at the end of a run, and bodies are not checked. A
status of 400 or more and every socket error is a failure. Requests in flight at the end are not counted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from common.host.cores import CoreTimes, core_times
from common.host.meters import CpuReading, read_cpu
from common.host.supervisor import supervised
from common.project import ROOT
from common.records.load import Setup
from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.timing.parts import of_server
from loadtests.users.responses import ACCEPT
from loadtests.windows.tools import GeneratorError, require_wrk, wait_for_end

SCRIPT = ROOT / "loadtests" / "windows" / "wrk.lua"
TIMEOUT_S = 10
START_UP_S = 15.0


def measure(server: RunningServer, setup: Setup) -> Load:
    """Load a server as ``setup`` says for a warm-up and a window of whole seconds.

    The server is idle before and after, so its CPU time can be read at leisure and covers everything that wrk did.
    ``GeneratorError`` if wrk gives no result.
    """
    if setup.load.warmup_s:
        _run(server, setup, setup.load.warmup_s)
    first, last, gone = _read(server), None, None
    before = _core_times(setup)
    reply = _run(server, setup, setup.load.window_s)
    own, everywhere, servers = (after.since(earlier) for after, earlier in zip(_core_times(setup), before, strict=True))
    try:
        last = _read(server)
    except (OSError, psutil.Error) as error:
        gone = str(error)
    return load_of(
        reply,
        setup.load.users,
        (first, last),
        own=own,
        everywhere=everywhere,
        server_cores=servers if setup.server_cores else None,
        server_gone=gone,
    )


def load_of(
    reply: Mapping[str, Any],
    users: int,
    server: Sequence[CpuReading | None],
    *,
    own: CoreTimes,
    everywhere: CoreTimes,
    server_cores: CoreTimes | None,
    server_gone: str | None = None,
) -> Load:
    """Return the record of one window from wrk's summary.

    ``own``, ``everywhere`` and ``server_cores`` are the times of the generator's cores, of all cores and of the
    server's cores meanwhile.
    """
    names = {
        "status": "status 400 or more",
        "connect": "connection refused",
        "read": "connection reset",
        "write": "write error",
        "timeout": "timeout",
    }
    return Load(
        duration_s=reply["duration_us"] / 1e6,
        users=users,
        sent=reply["answered"] + sum(reply[name] for name in names if name != "status"),
        answered=reply["answered"],
        requests=reply["answered"] - reply["status"],
        failures={reason: reply[name] for name, reason in names.items() if reply[name]},
        in_flight=0,
        connections_open_min=None,
        reconnects=None,
        latency_s=None,
        histogram=[],
        **of_server(*server),
        generator_cpu_s=reply["cpu_s"],
        generator_run_delay_s=None,
        steal_s=own.steal_s,
        steal_all_s=everywhere.steal_s,
        server_steal_s=None if server_cores is None else server_cores.steal_s,
        server_cores_busy_s=None if server_cores is None else server_cores.busy_s,
        littles_law_ratio=None,
        server_gone=server_gone,
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


def _core_times(setup: Setup) -> tuple[CoreTimes, ...]:
    return core_times(setup.generator_cores, None, setup.server_cores)


def _read(server: RunningServer) -> CpuReading | None:
    return read_cpu(server.cpu_meter) if server.cpu_meter else None
