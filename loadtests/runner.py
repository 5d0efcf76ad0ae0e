"""A run: every candidate, in every round on a fresh server, in the planned order; each window on disk at once."""

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec.structs import replace
from rich.console import Console

from common.candidates import Candidate
from common.errors import FailedError
from common.matrix import Size
from common.records import Run, Window
from loadtests.analysis import requests_per_cpu_s
from loadtests.live import live
from loadtests.plan import Step, steps
from loadtests.results import Results
from loadtests.throughput import measure


def measure_rounds(run: Run, candidates: Mapping[str, Candidate], results: Results, console: Console) -> None:
    """Make and write every window of ``run`` for those of its cells that ``candidates`` holds."""
    planned = list(steps(tuple(candidates), run.rounds, run.seed))
    with live(run.scenario, len(planned), console) as display:
        for step in planned:
            display.start(f"round {step.round}/{run.rounds} {step.cell}")
            window = measure_window(run, step, candidates[step.cell])
            results.add(window)
            display.done(_line(run, window))


def measure_window(run: Run, step: Step, candidate: Candidate) -> Window:
    """One window on a fresh server. What goes wrong with the server is the window's, and does not end the run."""
    window = Window(run=run.id, round=step.round, position=step.position, cell=step.cell, started_at=datetime.now(UTC))
    size = Size(vcpu=run.vcpu, memory_bytes=run.memory_bytes)
    try:
        with candidate.serve(size, cores=run.server_cores) as running:
            load = measure(running, run)
            return replace(window, load=load, error=load.server_gone or running.ended())
    except FailedError as error:
        return replace(window, error=str(error))


def _line(run: Run, window: Window) -> str:
    value = requests_per_cpu_s(window.load)
    rate = window.error or ("nothing was answered" if value is None else f"{value:,.0f} req/s per vCPU")
    return f"round {window.round}/{run.rounds} {window.cell}: {rate}"
