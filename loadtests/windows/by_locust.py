"""One window measured by headless Locust on a running server."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from common.errors import FailedError
from common.host.folders import temporary_folder
from common.host.network import free_port
from common.host.supervisor import Program, clean_environment, supervised
from common.project import ROOT
from common.records.load import LoadSpec, Rate, Setup
from common.records.schema import decode
from common.records.window import DiscardedWindow, Load
from common.runtimes.running_server import RunningServer
from loadtests.analysis.climbing import DELAYS, MOST_STEPS, SETTLE_DELAYS
from loadtests.analysis.generator_limits import held_up
from loadtests.analysis.thresholds import MOST_ATTEMPTS
from loadtests.analysis.values import capacity_rps
from loadtests.scenarios.workloads import SCENARIOS
from loadtests.windows.tools import GeneratorError, wait_for_end

LOCUST = (sys.executable, "-m", "locust", f"--locustfile={ROOT / 'loadtests' / 'locustfile.py'}")
"""The command line of Locust with our scenarios."""
NOTHING_MORE: Mapping[str, str] = {}
START_UP_S = 30.0
"""The time that Locust has to start, connect and stop."""
STEP_OVERHEAD_S = 21.0
"""The time that a step has in addition to its window, to open connections, settle and drain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A folder in which generators that begin together wait for each other."""

    folder: Path
    count: int
    """The number of generators."""

    def options(self) -> tuple[str, ...]:
        """Return the options that make Locust wait at the gate."""
        return (f"--gate={self.folder}", f"--gate-of={self.count}")


def isolated_locust(
    line: Sequence[str], folder: Path, *, cores: Sequence[int] | None = None, more: Mapping[str, str] = NOTHING_MORE
) -> AbstractContextManager[Program]:
    """Run a Locust command line in ``folder``, isolated from the user's Locust settings.

    Those are ``LOCUST_*`` variables, ``~/.locust.conf``, and ``locust.conf`` or ``pyproject.toml`` here. Since other
    variables can change Python itself, it inherits no more of them than a server does, and ``more``.
    """
    environment = {**clean_environment(), **more} | {"HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return supervised(line, cwd=folder, cores=cores, env=environment)


def measure(server: RunningServer, setup: Setup, *, seed: int | None = None, gate: Gate | None = None) -> Load:
    """Load a server as ``setup`` says for a warm-up and a window; ``GeneratorError`` if Locust gives no result.

    For a rate that is a share of the capacity, the capacity is measured first on the same server; ``FailedError`` if
    nothing is answered. ``seed`` is for Poisson arrivals. A window in which the generator was held up is made again,
    but neither behind a gate, where others are made at the same time, nor on Fargate, where it costs money.
    """
    waiting = () if gate is None else gate.options()
    attempts = MOST_ATTEMPTS if gate is None and setup.server_cores else 1
    rate = setup.load.rate or Rate()
    if rate.share is None:
        return _load(server, setup, (*_open_loop(setup.load, rate.rps, seed), *waiting), attempts)
    saturating = replace(setup, load=replace(setup.load, scenario="hello", rate=None))
    if not (capacity := capacity_rps(_load_once(server, saturating, ()), setup.size.vcpu)):
        raise FailedError("no request was answered while its capacity was measured")
    load = _load(server, setup, (*_open_loop(setup.load, rate.share * capacity, seed), *waiting), attempts)
    return replace(load, open_loop=load.open_loop and replace(load.open_loop, capacity_rps=capacity))


def window_command(url: str, load: LoadSpec, file: Path, more: Mapping[str, object]) -> list[str]:
    """Return a command line of Locust, without the scenario, for one window whose record it writes to ``file``.

    There, ``loadtests.timing.window`` reads the options and measures the window.
    """
    options = {
        "host": url,
        "users": load.users,
        "spawn-rate": load.users,
        "delay-ms": load.delay_ms,
        "warmup-s": load.warmup_s,
        "most-warmup-s": load.most_warmup_s,
        "window-s": load.window_s,
        "window-file": file,
        **more,
    }
    return [*LOCUST, "--headless", "--only-summary", *(f"--{name}={value}" for name, value in options.items())]


def longest_s(load: LoadSpec) -> float:
    """Return the longest time that Locust can take for one window, in seconds."""
    scenario, delay_s = SCENARIOS[load.scenario], load.delay_ms / 1000
    if scenario.climbs is None:
        return START_UP_S + max(load.warmup_s, load.most_warmup_s) + load.window_s
    step_s = max(load.window_s, DELAYS * delay_s) + STEP_OVERHEAD_S
    settle_s = SETTLE_DELAYS * delay_s if scenario.sleeps else 0.0
    return START_UP_S + load.warmup_s + MOST_STEPS * (step_s + settle_s)


def _load(server: RunningServer, setup: Setup, options: Sequence[str], attempts: int) -> Load:
    """Return the first window in which the generator was not held up, or else the last of so many ``attempts``.

    It lists the windows that were discarded before it.
    """
    discarded: list[DiscardedWindow] = []
    while True:
        load = _load_once(server, setup, options)
        reason = None if load.server_gone else held_up(load)
        if reason is None or len(discarded) == attempts - 1:
            return replace(load, discarded=discarded)
        discarded.append(
            DiscardedWindow(
                reason=reason,
                duration_s=load.duration_s,
                requests=load.requests,
                latency_s=load.latency_s,
                send_lag_s=None if load.open_loop is None else load.open_loop.send_lag_s,
            )
        )


def _load_once(server: RunningServer, setup: Setup, options: Sequence[str]) -> Load:
    with temporary_folder("window") as folder:
        file = folder / "load.json"
        scenario = SCENARIOS[setup.load.scenario].__name__
        line = (*server.client_prefix, *_command(server, setup, file), *options, scenario)
        with isolated_locust(line, folder, cores=setup.generator_cores) as locust:
            wait_for_end(locust, longest_s(setup.load), name="Locust")
            if not file.exists():
                raise GeneratorError(f"Locust ended without a result: {locust.exit_reason()}")
        load: Load = decode(file.read_bytes(), Load, what="load", source=file.name)
        return load


def _command(server: RunningServer, setup: Setup, file: Path) -> list[str]:
    options: dict[str, object] = {
        "meter": server.cpu_meter or "",
        "may-compile": int(server.may_compile),
        "server-cores": ",".join(map(str, setup.server_cores)),
    }
    if setup.load.generator_workers:
        port = free_port()
        options |= {"processes": setup.load.generator_workers, "master-bind-host": "127.0.0.1"}
        options |= {"master-bind-port": port, "master-port": port}
    return window_command(server.url, setup.load, file, options)


def _open_loop(load: LoadSpec, rate_rps: float | None, seed: int | None) -> list[str]:
    options = {"rate": rate_rps, "arrivals": load.arrivals, "arrival-seed": seed, "objective": load.objective}
    return [f"--{name}={value}" for name, value in options.items() if value is not None]
