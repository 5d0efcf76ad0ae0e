"""wrk as a second opinion: the same cells and records, counts only.

It has no percentiles here, for wrk 4.1 rewrites its histogram at the end of a run, and it looks at no body. A status of
400 or more and every error of a socket is a failure. Requests that are out when it ends are not counted.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from common.catalog.selection import one_of
from common.errors import UsageError
from common.host.cpu import CpuReading, processes_ended, processes_started, read_cpu
from common.host.supervisor import Program, supervised
from common.project import ROOT
from common.records.run import Run
from common.records.window import Load
from common.runtimes.base import RunningServer
from loadtests.windows.generator import GeneratorError, Tool
from loadtests.windows.parts import since

SCRIPT = ROOT / "loadtests" / "windows" / "wrk.lua"
TIMED = ROOT / "loadtests" / "windows" / "timed.py"
TIMEOUT_S = 10
START_UP_S = 15.0
US_PER_S = 1e6
HELLO = "/hello"
HELLOS_TO_A_SLEEP = 9


def require_wrk() -> str:
    """The path of wrk; ``UsageError`` says how to get it."""
    if (found := shutil.which("wrk")) is None:
        raise UsageError("TOOL=wrk needs wrk, which is not on PATH. Install it (Debian: apt-get install wrk).")
    return found


def read_tool(text: str) -> Tool:
    """The tool that ``TOOL=`` names; ``UsageError`` where it is not here."""
    tool = Tool(one_of(text, Tool, variable="TOOL"))
    if tool is Tool.WRK:
        require_wrk()
    return tool


def measure(running: RunningServer, run: Run) -> Load:
    """Load ``running`` as ``run`` says for a warm-up and a window of whole seconds.

    The server stands idle before and after, so that its CPU time is read at leisure, for all that wrk did.
    ``GeneratorError`` where wrk gives no result.
    """
    if run.warmup_s:
        _run(running, run, run.warmup_s)
    readings, gone = _read(running), None
    told = _run(running, run, run.window_s)
    try:
        readings += _read(running)
    except (OSError, psutil.Error) as error:
        gone = str(error)
    server = readings if len(readings) == 2 else [None, None]  # noqa: PLR2004 -- before and after
    return load_of(told, run, server, server_gone=gone)


def load_of(
    told: Mapping[str, Any], run: Run, server: Sequence[CpuReading | None], *, server_gone: str | None = None
) -> Load:
    """The record of what wrk told of one window."""
    names = {
        "status": "status 400 or more",
        "connect": "connection refused",
        "read": "connection reset",
        "write": "write error",
        "timeout": "timeout",
    }
    first, last = server
    return Load(
        duration_s=told["duration_us"] / US_PER_S,
        users=run.users,
        sent=told["answered"] + sum(told[name] for name in names if name != "status"),
        answered=told["answered"],
        requests=told["answered"] - told["status"],
        failures={reason: told[name] for name, reason in names.items() if told[name]},
        in_flight=0,
        connections_open_min=None,
        reconnects=None,
        latency_s=None,
        histogram=[],
        server_cpu_s=since(last, first, "cpu_s"),
        throttled_s=since(last, first, "throttled_s"),
        throttled_periods=since(last, first, "throttled_periods"),
        server_processes_ended=processes_ended(first, last),
        server_processes_begun=processes_started(first, last),
        generator_cpu_s=told["cpu_s"],
        generator_run_delay_s=0.0,
        steal_s=0.0,
        steal_all_s=0.0,
        littles_law_ratio=None,
        server_gone=server_gone,
    )


def command(url: str, run: Run, duration_s: float) -> list[str]:
    """The command line for one scenario; wrk takes whole seconds, one at least."""
    threads = min(len(run.generator_cores), run.users)
    first, *more = paths(run)
    line = [require_wrk(), f"-t{threads}", f"-c{run.users}", f"-d{max(1, round(duration_s))}s"]
    line += [f"--timeout={TIMEOUT_S + run.delay_ms // 1000}s", f"--script={SCRIPT}", url + first]
    return [*line, "--", f"paths={','.join((first, *more))}"] if more else line


def paths(run: Run) -> tuple[str, ...]:
    """The paths of a scenario, each as often as it is drawn."""
    sleep = f"/sleep/{run.delay_ms}"
    match run.scenario:
        case "hello":
            return (HELLO,)
        case "sleep":
            return (sleep,)
        case "mixed":
            return (HELLO,) * HELLOS_TO_A_SLEEP + (sleep,)
        case other:
            raise ValueError(other)


def _run(running: RunningServer, run: Run, duration_s: float) -> dict[str, Any]:
    """What wrk told, and the CPU time of it and its threads."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "timed.json"
        wrk = command(running.url, run, duration_s)
        line = [*running.client_prefix, sys.executable, "-P", str(TIMED), str(file), *wrk]
        with supervised(line, cwd=ROOT, cores=run.generator_cores) as program:
            try:
                program.wait(duration_s + START_UP_S)
            except subprocess.TimeoutExpired as error:
                raise GeneratorError(f"wrk did not end in time. {program.last_lines()}") from error
            return _told(program, file)


def _told(program: Program, file: Path) -> dict[str, Any]:
    found = re.search(r"^wrk-summary (.*)$", program.output(), re.MULTILINE)
    if found is None or not file.exists():
        raise GeneratorError(f"wrk ended without a result: {program.exit_reason()}")
    told: dict[str, Any] = json.loads(found[1])
    told |= json.loads(file.read_text())
    return told


def _read(running: RunningServer) -> list[CpuReading | None]:
    return [read_cpu(running.cpu_meter)] if running.cpu_meter else []
