"""The open loop's accuracy against a known truth: a server that takes 10 ms, without and with one stall of 500 ms.

Run as root, on a machine of two cores or more, as ``python -m tests.benchmarks.accuracy [REPETITIONS]``. The bounds are
for idle cores: server and generator have a core each, at real-time priority (``chrt --fifo``). Without a stall the
truth is what the server itself says that its answers took. With one it is arithmetic: arrivals in the stall wait for
its end. Exit status 1 where a bound is not held.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from enum import StrEnum
from pathlib import Path

from common.host.network import HOST, free_port
from common.host.readiness import responds, wait_until
from common.project import ROOT
from common.records.schema import decode
from common.records.window import Load
from loadtests.users import histogram
from loadtests.windows.by_locust import LOCUST

DELAY_S, STALL_S = 0.010, 0.5
RATE_RPS, WINDOW_S = 1000, 10.0
FEW, MANY = 64, 700
"""Connections: enough for 10 ms, opened slowly since the server counts that too; enough for a stall of 500 ms."""
STALL_AT_S = 9.0
"""After the server's first request; the window has begun by then, and ends well after it."""
FRACTIONS = (0.5, 0.99, 0.999, 1.0)
BOUNDS_S = (0.0002, 0.0002, 0.0005)
"""The bounds on the errors of p50, p99 and p99.9 without a stall."""
STALL_TOLERANCE = 0.02
WAITED_SHARE = 0.0005
"""The share of the time that a prioritised generator may have waited for its core, for that to count as idle."""
FIRST = ("chrt", "--fifo", "1")
"""A command prefix that gives real-time priority."""


class Outcome(StrEnum):
    """The outcome of a comparison with the truth."""

    HELD = "the bounds held"
    BROKEN = "a bound was not held"
    DISTURBED = "the cores were not idle"


def main(repetitions: int) -> int:
    """Print what was read and what is true, in milliseconds; 1 where a bound is not held."""
    outcomes = [one for _ in range(repetitions) for one in (steady(), stalled())]
    return 1 if Outcome.BROKEN in outcomes else 0


def steady() -> Outcome:
    """Every answer takes 10 ms. A server that was late itself, or a generator that waited, had no idle core."""
    load, took = measured(FEW, DELAY_S)
    read_s, true_s = percentiles_s(histogram.dense(load.histogram)), percentiles_s(took)
    held = all(abs(a - b) <= bound for a, b, bound in zip(read_s, true_s, BOUNDS_S, strict=False))
    on_time = all(true - DELAY_S <= bound for true, bound in zip(true_s, BOUNDS_S, strict=False))
    idle = on_time and _waited_s(load) <= WAITED_SHARE * load.duration_s
    outcome = Outcome.HELD if held else Outcome.BROKEN if idle else Outcome.DISTURBED
    tell("10 ms", load, read_s, true_s, outcome)
    return outcome


def stalled() -> Outcome:
    """Every answer takes 10 ms but those of one stall, in which no core has to be idle."""
    load, _ = measured(MANY, DELAY_S, STALL_AT_S, STALL_S)
    read_s = percentiles_s(histogram.dense(load.histogram))
    true_s = [stalled_s(fraction, load.requests) for fraction in FRACTIONS]
    held = all(abs(a / b - 1) <= STALL_TOLERANCE for a, b in zip(read_s[1::2], true_s[1::2], strict=True))
    outcome = Outcome.HELD if held else Outcome.BROKEN
    tell("10 ms and a stall", load, read_s, true_s, outcome)
    return outcome


def percentiles_s(counts: list[int]) -> list[float]:
    """The percentiles that are compared; 0 for no counts."""
    return [histogram.percentile_s(counts, fraction) or 0.0 for fraction in FRACTIONS]


def stalled_s(fraction: float, requests: int) -> float:
    """The percentile by arithmetic.

    Arrivals in the stall take from its length down to nothing, and 10 ms more since none is read before its end. Those
    of the 10 ms before it take until its end, so that the longest times are taken twice.
    """
    above_s = (1 - fraction) * requests / RATE_RPS
    return max(DELAY_S, STALL_S + DELAY_S - max(above_s / 2, above_s - DELAY_S))


def _waited_s(load: Load) -> float:
    assert load.generator_run_delay_s is not None  # our own generator reports it
    return load.generator_run_delay_s


def tell(what: str, load: Load, read_s: list[float], true_s: list[float], outcome: Outcome) -> None:
    """Print one comparison."""
    lag = load.open_loop.send_lag_s if load.open_loop else None
    health = f"run delay {_waited_s(load) / load.duration_s:.1%}, steal {load.steal_all_s / load.duration_s:.1%}"
    lags = f"send lag p50 {lag.p50 * 1000:.3f} p99 {lag.p99 * 1000:.3f} p99.9 {lag.p999 * 1000:.3f} ms" if lag else ""
    print(f"{what}: {outcome}. n = {load.requests}, {health}, {lags}")  # noqa: T201
    for name, values_s in (("read", read_s), ("true", true_s)):
        shown = "  ".join(
            f"p{fraction * 100:g} {value_s * 1000:.2f}" for fraction, value_s in zip(FRACTIONS, values_s, strict=True)
        )
        print(f"  {name}  {shown}")  # noqa: T201


def measured(connections: int, *times_s: float) -> tuple[Load, list[int]]:
    """A window of the open loop, and the histogram of how long the server took for every answer it gave."""
    cores, port = sorted(os.sched_getaffinity(0)), free_port()
    line = [*FIRST, sys.executable, "-m", "loadtests.targets.null_server", str(port), *map(str, times_s)]
    with (
        subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as to,
    ):
        os.sched_setaffinity(server.pid, cores[:1])
        try:
            url = f"http://{HOST}:{port}"
            wait_until(lambda: responds(url), lambda: _exit_status(server), name="the null server", output=str)
            file = Path(to) / "load.json"
            subprocess.run(locust(port, file, cores[-1], connections), cwd=ROOT, check=True, capture_output=True)
            load = decode(file.read_bytes(), Load, what="load", source=file.name)
        finally:
            server.send_signal(signal.SIGTERM)
        output, _ = server.communicate()
    return load, histogram.dense(json.loads(output))


def _exit_status(server: subprocess.Popen[str]) -> str | None:
    """Return the server's exit status in words; ``None`` while it runs."""
    return None if (status := server.poll()) is None else f"exit status {status}"


def locust(port: int, file: Path, core: int, connections: int) -> list[str]:
    """Locust's command line."""
    many = (
        f"--users={connections}",
        f"--spawn-rate={connections / 3}",
        "--opening-s=30",
        f"--host=http://{HOST}:{port}",
        f"--cores={core}",
    )
    what = (f"--rate={RATE_RPS}", f"--window-s={WINDOW_S}", "--warmup-s=1", f"--window-file={file}", "Rate")
    return [*FIRST, *LOCUST, "--headless", "--only-summary", *many, *what]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
