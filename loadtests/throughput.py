"""One window: Locust, headless, against one running stack."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common.errors import FailedError
from common.records import Load, Run, decode
from common.registry import ROOT
from common.runtimes import Running
from common.runtimes.guard import guarded
from common.runtimes.process import tail

LOCUST = (sys.executable, "-m", "locust", f"--locustfile={ROOT / 'loadtests' / 'locustfile.py'}")
"""The command line of Locust with our scenarios."""
SCENARIOS = {"hello": "Hello", "sleep": "Sleep", "mixed": "Mixed"}
"""The classes of ``loadtests/scenarios.py`` by ``SCENARIO=``; importing them would patch this process for gevent."""
START_UP_S = 30.0
"""How long Locust may take to start, connect and stop."""


class GeneratorError(FailedError):
    """The load generator failed, not what it loads."""


def measure(running: Running, run: Run, *, gate: Path | None = None, gate_of: int = 1) -> Load:
    """Load ``running`` as ``run`` says for a warm-up and a window; ``GeneratorError`` where Locust gives no result.

    Generators that share the folder ``gate``, ``gate_of`` of them, begin their warm-ups together.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        file = Path(folder) / "load.json"
        line = (*running.prefix, *_locust(running, run, file), *_gate(gate, gate_of))
        with guarded(line, cores=run.generator_cores, cwd=ROOT, env=dict(os.environ), log=log) as locust:
            try:
                locust.wait(timeout=run.warmup_s + run.window_s + START_UP_S)
            except subprocess.TimeoutExpired as error:
                raise GeneratorError(f"Locust did not end in time. {tail(log)}") from error
        if not file.exists():
            raise GeneratorError(f"Locust ended with exit status {locust.returncode} and no result. {tail(log)}")
        load: Load = decode(file.read_bytes(), Load, source=file.name)
        return load


def _locust(running: Running, run: Run, file: Path) -> list[str]:
    options = {
        "host": running.url,
        "users": run.users,
        "spawn-rate": run.users,
        "delay-ms": run.delay_ms,
        "warmup-s": run.warmup_s,
        "window-s": run.window_s,
        "window-file": file,
        "meter": running.meter,
        "server-cores": ",".join(map(str, run.server_cores)),
    }
    return [
        *LOCUST,
        "--headless",
        "--only-summary",
        *(f"--{name}={value}" for name, value in options.items()),
        SCENARIOS[run.scenario],
    ]


def _gate(gate: Path | None, gate_of: int) -> tuple[str, ...]:
    return () if gate is None else (f"--gate={gate}", f"--gate-of={gate_of}")
