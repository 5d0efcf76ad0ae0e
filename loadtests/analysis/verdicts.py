"""What to think of a cell's number, from recorded fields alone. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from common.records.run import Cell, Run
from common.records.summary import Verdict
from common.records.window import Load, Window
from loadtests.analysis import shares
from loadtests.analysis.generator_doubts import generator_doubts
from loadtests.scenarios.climb import knee, unsent

GENERATOR_CEILING = 0.8
"""Above this share of its cores the generator may be what was measured."""
LITTLES_LAW_TOLERANCE = 0.05
FEWEST_ROUNDS = 5
UNSENT_TOLERANCE = 0.01
"""The share of an open loop's arrivals that may be unsent at the end of its window."""
MOST_STEAL = 0.05
MOST_FOREIGN = 0.25
"""Of the server's cores. Requests per CPU-second hold to some percent beyond it; no more is promised."""
MOST_WAITED = 0.5
NOTABLE_THROTTLING = 0.01
REMARKS = frozenset({Verdict.THROTTLED})
"""What is worth saying of a number, and no reason not to rank it."""


def doubts(run: Run, cell: Cell, windows: Sequence[Window]) -> dict[Verdict, str]:
    """All there is to say against the cell's number, gravest first, each with what was seen and what to do."""
    loads = [window.load for window in windows if window.load is not None]
    found: dict[Verdict, str] = {}
    for verdict, sentence in _doubts(run, cell, windows, loads):
        found.setdefault(verdict, sentence)
    return found


def sound(found: dict[Verdict, str]) -> bool:
    """Whether a cell of which this is said is ranked."""
    return REMARKS.issuperset(found)


def _doubts(run: Run, cell: Cell, windows: Sequence[Window], loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    if (conformance := cell.conformance) is not None and conformance.failed:
        name, reason = next(iter(conformance.failed.items()))
        yield Verdict.NONCONFORMING, f"{len(conformance.failed)} conformance tests fail, first {name}: {reason}"
    if errors := [window.error for window in windows if window.error]:
        yield Verdict.SERVER_DIED, f"in {len(errors)} of {len(windows)} windows: {errors[0]}"
    if lost := [load for load in loads if load.server_processes_ended]:
        ended = f"{lost[0].server_processes_ended} of the server's processes ended"
        seen = f"in {len(lost)} of {len(windows)} windows: {ended} and {lost[0].server_processes_begun} began"
        way_out = f"Look why: make serve FRAMEWORK={cell.framework} SERVER={cell.server}, and load it."
        yield Verdict.RESTARTED, f"{seen}, so the number holds a start and lacks what was open. {way_out}"
    yield from _answer_doubts(run, cell, windows, loads)
    yield from _connection_doubts(cell, loads)
    yield from worker_doubts(loads)
    yield from _generator_doubts(run, loads)
    if loads and run.runtime == "fargate":
        yield Verdict.WALL_ONLY, f"the {run.runtime} runtime gives no CPU time; only the clock's figures are known."
    yield from _objective_doubts(loads)
    yield from _machine_doubts(run, loads)
    if 0 < len(windows) < FEWEST_ROUNDS:
        seen = f"{len(windows)} windows; {FEWEST_ROUNDS} are the fewest to rank by"
        yield Verdict.TOO_FEW_ROUNDS, f"{seen}. Raise ROUNDS."
    if (held := shares.throttled(loads)) is not None and held > NOTABLE_THROTTLING:
        seen = f"its quota of {run.vcpu:g} vCPU held the server back for {held:.0%} of the time"
        way_out = "The rate per vCPU holds; response times contain these pauses. Raise VCPU to see them without."
        yield Verdict.THROTTLED, f"{seen}. {way_out}"


def _answer_doubts(
    run: Run, cell: Cell, windows: Sequence[Window], loads: Sequence[Load]
) -> Iterator[tuple[Verdict, str]]:
    if not windows:
        yield Verdict.NOT_MEASURED, "no window was made."
    elif loads and not any(load.requests for load in loads):
        yield Verdict.NOT_MEASURED, "nothing was answered well."
    elif run.runtime != "fargate" and loads and all(load.server_cpu_s is None for load in loads):
        yield Verdict.NOT_MEASURED, "the server's CPU time could not be read, and the rate per vCPU stands on it."
    if failures := sum((Counter(load.failures) for load in loads), Counter()):
        seen = ", ".join(f"{name} x {count}" for name, count in failures.items())
        yield Verdict.WRONG_ANSWERS, f"{seen}. Run make conformance FRAMEWORK={cell.framework} SERVER={cell.server}."


def _connection_doubts(cell: Cell, loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    if not cell.keep_alive:
        return
    way_out = f"Look at its keep-alive: make serve FRAMEWORK={cell.framework} SERVER={cell.server}."
    for load in loads:
        if load.open_loop is not None:
            continue  # its connections may be idle for so long that a server may close them
        if load.reconnects:
            yield Verdict.CONNECTIONS, f"{load.reconnects} connections declared keep-alive were opened anew. {way_out}"
        if load.connections_open_min is not None and load.connections_open_min < load.users:
            seen = f"only {load.connections_open_min} of {load.users} connections were open at one time"
            yield Verdict.CONNECTIONS, f"{seen}. {way_out}"
    closed = [load for load in loads if load.requests and load.open_loop is None]
    ratios = [load.littles_law_ratio for load in closed if load.littles_law_ratio is not None]
    if ratios and abs((ratio := float(np.median(ratios))) - 1) > LITTLES_LAW_TOLERANCE:
        seen = f"rate x response time is {ratio:.2f} of the requests in flight (Little's law); not all were busy"
        yield Verdict.CONNECTIONS, f"{seen}. {way_out}"


def worker_doubts(loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    """Whether workers of the generator came or went."""
    lost = sum(load.workers_lost for load in loads)
    late = sum(worker.joined_late for load in loads for worker in load.workers)
    if lost:
        yield (
            Verdict.WORKERS_CHANGED,
            f"{lost} workers were lost; what they sent cost the server and is not counted. Measure again.",
        )
    elif late:
        yield (
            Verdict.WORKERS_CHANGED,
            f"{late} workers joined in mid-window, and connections moved to them. Start them before, and raise EXPECT.",
        )


def _generator_doubts(run: Run, loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    if set(run.server_cores) & set(run.generator_cores):
        yield Verdict.SHARED_CORE, "server and generator shared cores; give the machine more cores or a smaller VCPU."
        return
    used = [_share(run, load) for load in loads if load.duration_s]
    seen = [f"the generator used {max(used):.0%} of its cores"] if max(used, default=0) > GENERATOR_CEILING else []
    seen += generator_doubts(run, loads)
    if seen:
        what = f"{'; '.join(seen)}, so what was measured may be its own limit"
        yield Verdict.GENERATOR_BOUND, f"{what}. Give it more cores, or the server a smaller VCPU."


def _share(run: Run, load: Load) -> float:
    """How much of the cores that the generator could use it used: one for each worker, and no more than there are."""
    if not load.workers:
        return load.generator_cpu_s / load.duration_s / len(run.generator_cores)
    busiest = max(worker.generator_cpu_s / worker.duration_s for worker in load.workers)
    return max(busiest, load.generator_cpu_s / load.duration_s / len(run.generator_cores))


def _objective_doubts(loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    """Whether a climb found no step that held, or an open loop got less sent than it planned."""
    missed = [load.steps[-1].broken for load in loads if load.steps and knee(load.steps) is None]
    if missed:
        yield Verdict.OBJECTIVE_MISSED, f"no step held the objective: {missed[0]}. Begin lower with RATE= or USERS=."
    late = [(unsent(load), load.open_loop.planned) for load in loads if load.open_loop]
    if not missed and (over := [pair for pair in late if pair[0] > UNSENT_TOLERANCE * pair[1]]):
        yield Verdict.OVERLOADED, f"{over[0][0]} of {over[0][1]} arrivals were not sent. Lower RATE= or raise USERS=."


def _machine_doubts(run: Run, loads: Sequence[Load]) -> Iterator[tuple[Verdict, str]]:
    cores = len(run.server_cores)
    shared = run.design == "duet" or set(run.server_cores) & set(run.generator_cores)
    taken = (
        (shares.stolen(loads, cores), MOST_STEAL, "the host took {:.0%} of the server's cores (steal)"),
        (None if shared else shares.foreign(loads, cores), MOST_FOREIGN, "others used {:.0%} of the server's cores"),
        (shares.waited(loads), MOST_WAITED, "the generator waited for a core for {:.0%} of the time"),
    )
    if seen := [text.format(found) for found, most, text in taken if found is not None and found > most]:
        yield Verdict.DISTURBED, f"{'; '.join(seen)}. End what else runs on this machine, and run again."
