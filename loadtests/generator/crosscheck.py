"""Ours and wrk in turn on one stack: whether they agree on what the server can do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.conformance.candidates import conform_all
from common.console import live_progress
from common.errors import FailedError
from common.host.run_lock import hold_run_lock
from common.records.run import Run
from common.records.summary import Interval
from common.records.window import Load, Window
from common.runtimes.candidates import Candidate
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.runs.manifest import Identity, Settings, manifest
from loadtests.runs.plan import steps
from loadtests.runs.results import RESULTS, Results
from loadtests.runs.runner import measure_window
from loadtests.windows.generator import Tool

TOOLS = (Tool.LOCUST, Tool.WRK)


def crosscheck(settings: Settings, candidate: Candidate, out: Path | None, console: Console) -> None:
    """Measure both tools in every round, newly shuffled, each on a fresh server; print rates and their ratios.

    ``FailedError`` where the stack does not conform, or where a tool has no window without failures.
    """
    identity = Identity.of(settings.seed)
    with hold_run_lock(identity.id):
        _crosscheck(settings, identity, candidate, out, console)


def _crosscheck(
    settings: Settings, identity: Identity, candidate: Candidate, out: Path | None, console: Console
) -> None:
    outcome = conform_all([candidate], console)
    if candidate.name not in outcome or outcome[candidate.name].failed:
        raise FailedError(f"{candidate.name} does not conform: make conformance says why.")
    base = manifest(settings, [candidate], outcome, identity, design="alternation")
    (cell,) = base.cells
    run = replace(base, tool=", ".join(TOOLS), cells=[replace(cell, name=_cell(candidate, tool)) for tool in TOOLS])
    results = Results.create(out or RESULTS / run.id, run)
    _measure(run, candidate, results, console)
    windows = results.windows()
    console.print(table(run, windows))
    for line in sentences(run, windows):
        console.print(f"  {line}")
    console.print(f"written to {results.folder}")
    if bad := list(failures(windows)):
        raise FailedError(f"{len(bad)} of {len(windows)} windows had failures, first in {bad[0]}")


def _measure(run: Run, candidate: Candidate, results: Results, console: Console) -> None:
    tools = {_cell(candidate, tool): tool for tool in TOOLS}
    planned = list(steps(tuple(tools), run.rounds, run.seed))
    with live_progress("crosscheck", len(planned), console) as display:
        for step in planned:
            display.start(f"round {step.round}/{run.rounds} {step.cell}")
            window = measure_window(replace(run, tool=tools[step.cell]), step, candidate)
            results.add(window)
            value = requests_per_cpu_s(window.load)
            display.done(f"round {step.round}/{run.rounds} {step.cell}: {window.error or f'{value or 0:,.0f}'}")


def _cell(candidate: Candidate, tool: Tool) -> str:
    return f"{candidate.name}, {tool}"


def table(run: Run, windows: Sequence[Window]) -> Table:
    """Each tool's rates on the server, and what it used of the cores."""
    title = f"crosscheck: {run.users} connections, {run.rounds} rounds of {run.window_s:g} s"
    found = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    found.add_column("stack, tool")
    for heading in ("req/s per vCPU", "95 % interval", "wall req/s", "95 % interval", "CPU", "gen"):
        found.add_column(heading, justify="right")
    for cell in run.cells:
        own = [window for window in windows if window.cell == cell.name]
        loads = [window.load for window in own if window.load is not None]
        rates = (interval for value in (requests_per_cpu_s, throughput_rps) for interval in _rates(own, value))
        found.add_row(cell.name, *rates, *_shares(run, loads))
    return found


def sentences(run: Run, windows: Sequence[Window]) -> Iterator[str]:
    """The ratios of ours to wrk's, from the rounds that both have."""
    ours, theirs = ([window for window in windows if window.cell == cell.name] for cell in run.cells)
    for what, value in (("requests per server CPU-second", requests_per_cpu_s), ("wall rate", throughput_rps)):
        ratio = paired_ratio(values(ours, value), values(theirs, value))
        yield f"{what}, {TOOLS[0]} to {TOOLS[1]}: {in_words(ratio)}"


def paired_ratio(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Interval | None:
    """The geometric mean of the rounds' ratios, with Student's t interval on their logarithms; ``None`` for none."""
    return log_interval([ours[number] / theirs[number] for number in sorted(ours.keys() & theirs.keys())])


def in_words(ratio: Interval | None) -> str:
    """A ratio with its interval and the number of pairs it stands on."""
    if ratio is None:
        return "no round has both"
    bounds = "" if ratio.low is None else f" (95 % interval {ratio.low:.3f} to {ratio.high:.3f})"
    return f"{ratio.estimate:.3f}{bounds}, {ratio.n} pairs"


def throughput_rps(load: Load | None) -> float | None:
    """Good answers per second of wall time; ``None`` where there are none."""
    return load.requests / load.duration_s if load is not None and load.requests else None


def values(windows: Sequence[Window], value: Callable[[Load | None], float | None]) -> dict[int, float]:
    """The value of each round's window that has one."""
    found = {window.round: value(window.load) for window in windows}
    return {number: one for number, one in found.items() if one is not None}


def failures(windows: Sequence[Window]) -> Iterator[str]:
    """Every window that is not clean, with what was seen."""
    for window in windows:
        seen = window.error or (window.load and ", ".join(f"{n} x {c}" for n, c in window.load.failures.items()))
        if seen:
            yield f"round {window.round} {window.cell}: {seen}"


def _rates(windows: Sequence[Window], value: Callable[[Load | None], float | None]) -> tuple[str, str]:
    interval = log_interval(list(values(windows, value).values()))
    if interval is None:
        return "-", "-"
    bounds = "-" if interval.low is None else f"{interval.low:,.0f} to {interval.high:,.0f}"
    return f"{interval.estimate:,.0f}", bounds


def _shares(run: Run, loads: Sequence[Load]) -> tuple[str, str]:
    time_s = sum(load.duration_s for load in loads)
    if not time_s:
        return "-", "-"
    server_s, generator_s = sum(load.server_cpu_s or 0.0 for load in loads), sum(load.generator_cpu_s for load in loads)
    return f"{server_s / time_s / run.vcpu:.0%}", f"{generator_s / time_s / len(run.generator_cores):.0%}"
