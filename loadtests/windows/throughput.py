"""One window: Locust, headless, against one running stack."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from common.host.ports import free_port
from common.host.supervisor import supervised
from common.project import ROOT
from common.records.run import Run
from common.records.schema import decode
from common.records.window import Load
from common.runtimes.base import RunningServer
from loadtests.scenarios.climb import DELAYS, MOST_STEPS
from loadtests.scenarios.rates import Rate, capacity_rps
from loadtests.windows.generator import CLIMBING, GeneratorError

LOCUST = (sys.executable, "-m", "locust", f"--locustfile={ROOT / 'loadtests' / 'locustfile.py'}")
"""The command line of Locust with our scenarios."""
SCENARIOS = {
    "hello": "Hello",
    "sleep": "Sleep",
    "mixed": "Mixed",
    "rate": "Rate",
    "ramp": "Ramp",
    "sleepers": "Sleepers",
}
"""The classes of ``loadtests.scenarios.workloads`` by ``SCENARIO=``; importing them would patch this process."""
START_UP_S = 30.0
"""How long Locust may take to start, connect and stop."""
STEP_OVERHEAD_S = 21.0
"""How much longer than its window a step may take: opening, settling, draining."""


def measure(
    running: RunningServer, run: Run, *, seed: int | None = None, gate: Path | None = None, gate_of: int = 1
) -> Load:
    """Load ``running`` as ``run`` says for a warm-up and a window; ``GeneratorError`` where Locust gives no result.

    A rate that is a share of the capacity has the capacity measured first, on the same server. ``seed`` is that of
    Poisson arrivals. Generators that share the folder ``gate``, ``gate_of`` of them, begin their warm-ups together.
    """
    rate = Rate.parse(run.rate) if run.rate is not None else Rate()
    if rate.share is None:
        return _load(running, run, (*_open_loop(run, rate.rps, seed), *_gate(gate, gate_of)))
    capacity = capacity_rps(_load(running, replace(run, scenario="hello"), ()), run.vcpu)
    load = _load(running, run, (*_open_loop(run, rate.share * capacity, seed), *_gate(gate, gate_of)))
    return replace(load, open_loop=load.open_loop and replace(load.open_loop, capacity_rps=capacity))


def _load(running: RunningServer, run: Run, options: Sequence[str]) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "load.json"
        line = (*running.client_prefix, *_locust(running, run, file), *options, SCENARIOS[run.scenario])
        with supervised(line, cwd=ROOT, cores=run.generator_cores) as locust:
            try:
                locust.wait(longest_s(run))
            except subprocess.TimeoutExpired as error:
                raise GeneratorError(f"Locust did not end in time. {locust.last_lines()}") from error
            if not file.exists():
                raise GeneratorError(f"Locust ended without a result: {locust.exit_reason()}")
        load: Load = decode(file.read_bytes(), Load, source=file.name)
        return load


def _locust(running: RunningServer, run: Run, file: Path) -> list[str]:
    options: dict[str, object] = {
        "host": running.url,
        "users": run.users,
        "spawn-rate": run.users,
        "delay-ms": run.delay_ms,
        "warmup-s": run.warmup_s,
        "window-s": run.window_s,
        "window-file": file,
        "meter": running.cpu_meter or "",
        "server-cores": ",".join(map(str, run.server_cores)),
    }
    if run.workers:
        port = free_port()
        options |= {"processes": run.workers, "master-bind-host": "127.0.0.1", "master-bind-port": port}
        options |= {"master-port": port}
    return [
        *LOCUST,
        "--headless",
        "--only-summary",
        *(f"--{name}={value}" for name, value in options.items()),
    ]


def _gate(gate: Path | None, gate_of: int) -> tuple[str, ...]:
    return () if gate is None else (f"--gate={gate}", f"--gate-of={gate_of}")


def _open_loop(run: Run, rate_rps: float | None, seed: int | None) -> list[str]:
    options = {"rate": rate_rps, "arrivals": run.arrivals, "arrival-seed": seed, "objective": run.objective}
    return [f"--{name}={value}" for name, value in options.items() if value is not None]


def longest_s(run: Run) -> float:
    """For how long Locust may run, if all goes as slowly as it may."""
    if run.scenario not in CLIMBING:
        return START_UP_S + run.warmup_s + run.window_s
    step_s = max(run.window_s, DELAYS * run.delay_ms / 1000) + STEP_OVERHEAD_S
    return START_UP_S + run.warmup_s + MOST_STEPS * step_s
