"""The verdicts on a cell's number, from recorded fields alone. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from common.catalog.pythons import Python, python_series
from common.catalog.sizes import Runtime
from common.catalog.stacks import StackName, make_command
from common.records.load import Setup
from common.records.run import Cell, Conformance, Design, LoadRun
from common.records.summary import CellSummary, Verdict
from common.records.window import Load, Window
from common.words import counted
from loadtests.analysis.climbing import knee, unsent
from loadtests.analysis.generator_limits import generator_limits
from loadtests.analysis.slice_verdicts import Reason, slice_reasons, tolerated, warmup_reasons
from loadtests.analysis.thresholds import (
    DATABASE_CEILING,
    FEWEST_ROUNDS,
    GENERATOR_CEILING,
    LITTLES_LAW_TOLERANCE,
    MOST_FOREIGN,
    MOST_REOPENED,
    MOST_STEAL,
    MOST_WAITED,
    NOTABLE_THROTTLING,
    UNSENT_TOLERANCE,
)
from loadtests.analysis.values import foreign_share, stolen_share, throttled_share, waited_share

REMARKS = frozenset({Verdict.THROTTLED})
"""Verdicts that are worth a remark but do not exclude a number from ranking."""


def verdicts(
    cell: Cell, windows: Sequence[Window], setup: Setup, runtime: Runtime, *, alone: bool = True
) -> dict[Verdict, str]:
    """Return every verdict on the cell's number, the most serious first, each with what was seen and what to do.

    ``alone`` says whether the server had its cores to itself by design, so that other use of them is a disturbance.
    """
    loads = [window.load for window in windows if window.load is not None]
    reasons: dict[Verdict, str] = {}
    for verdict, sentence in _reasons(cell, windows, loads, setup, runtime, alone=alone):
        reasons.setdefault(verdict, sentence)
    return reasons


def load_test_verdicts(run: LoadRun, windows_of: Mapping[str, Sequence[Window]]) -> dict[str, dict[Verdict, str]]:
    """Return every verdict on each cell of a load test, in the form that ``verdicts`` gives them."""
    alone = run.design is not Design.DUET
    return {cell.name: verdicts(cell, windows_of[cell.name], run.setup, run.runtime, alone=alone) for cell in run.cells}


def permits_ranking(reasons: Iterable[Verdict]) -> bool:
    """Return whether a cell with these verdicts is compared with others, and ranked unless it is a floor."""
    return REMARKS.issuperset(reasons)


def is_compared(row: CellSummary) -> bool:
    """Return whether a cell's number is compared with others: it is ranked, or it is a floor's or a control's."""
    return permits_ranking(map(Verdict, row.doubts))


def is_sound(reasons: Iterable[Verdict]) -> bool:
    """Return whether the number of a cell with these verdicts is right, on however few rounds it stands."""
    return permits_ranking(set(reasons) - {Verdict.TOO_FEW_ROUNDS})


def is_valid(verdict: Verdict) -> bool:
    """Return whether a number with this verdict may be shown and compared."""
    return permits_ranking({verdict} - {Verdict.VALID})


def failures(conformance: Conformance | None, errors: Sequence[str | None]) -> Iterator[Reason]:
    """Yield why a cell has no numbers, or fewer than rounds; ``errors`` holds one entry per round."""
    if conformance is not None and conformance.failed:
        yield (
            Verdict.NONCONFORMING,
            f"{counted(len(conformance.failed), 'conformance test')} failed, first {min(conformance.failed)}.",
        )
    if not errors:
        yield Verdict.NOT_MEASURED, "no round was made."
    if seen := [error for error in errors if error]:
        yield Verdict.SERVER_DIED, f"in {len(seen)} of {len(errors)} rounds: {seen[0]}"


def too_few(count: int) -> Iterator[Reason]:
    """Yield a verdict if there are too few rounds to compare by."""
    if 0 < count < FEWEST_ROUNDS:
        yield (
            Verdict.TOO_FEW_ROUNDS,
            f"{counted(count, 'round')}; {FEWEST_ROUNDS} are the fewest to compare by. Raise ROUNDS.",
        )


def sentences(rows: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[str]:
    """Yield each reason once, with the cells it applies to; ``rows`` holds cells with their verdicts."""
    cells_of: dict[tuple[str, str], list[str]] = {}
    every = tuple(rows)
    for cell, reasons in every:
        for reason in reasons.items():
            cells_of.setdefault(reason, []).append(cell)
    for (verdict, sentence), cells in cells_of.items():
        names = f"all {len(every)} cells" if len(cells) == len(every) > 1 else ", ".join(cells)
        yield f"{verdict}: {names}: {sentence}"


def _reasons(
    cell: Cell, windows: Sequence[Window], loads: Sequence[Load], setup: Setup, runtime: Runtime, *, alone: bool
) -> Iterator[Reason]:
    if (conformance := cell.conformance) is not None and conformance.failed:
        name, reason = next(iter(conformance.failed.items()))
        yield (
            Verdict.NONCONFORMING,
            f"{counted(len(conformance.failed), 'conformance test')} failed, first {name}: {reason}",
        )
    sliced = any(load.slices for load in loads)
    few_failed, few_lost = tolerated(windows, loads) if sliced else (False, False)
    if not few_failed and (errors := [window.error for window in windows if window.error]):
        yield Verdict.SERVER_DIED, f"in {len(errors)} of {len(windows)} windows: {errors[0]}"
    if lost := [load for load in loads if load.server_processes_ended]:
        ended = f"{lost[0].server_processes_ended} of the server's processes ended"
        seen = f"in {len(lost)} of {len(windows)} windows: {ended} and {lost[0].server_processes_begun} began"
        way_out = f"Look why: {_serve(cell)}, and load it."
        yield Verdict.RESTARTED, f"{seen}, so the number holds a start and lacks what was open. {way_out}"
    yield from _response_reasons(cell, windows, loads, runtime, ignore_failures=few_lost)
    yield from _connection_reasons(cell, loads)
    yield from worker_reasons(loads)
    yield from _generator_reasons(setup, loads)
    yield from _database_reasons(setup, loads)
    if loads and (why := _why_no_cpu_time(cell, runtime)) is not None:
        yield Verdict.WALL_ONLY, f"{why}; only the clock's figures are known."
    yield from _interpreter_reasons(cell)
    yield from _objective_reasons(loads)
    if sliced:
        yield from slice_reasons(loads, setup)
    yield from warmup_reasons(loads)
    yield from _machine_reasons(setup, loads, alone=alone)
    if 0 < len(windows) < FEWEST_ROUNDS:
        seen = f"{counted(len(windows), 'window')}; {FEWEST_ROUNDS} are the fewest to rank by"
        yield Verdict.TOO_FEW_ROUNDS, f"{seen}. Raise ROUNDS."
    if (held := throttled_share(loads)) is not None and held > NOTABLE_THROTTLING:
        seen = f"its quota of {setup.size.vcpu:g} vCPU held the server back for {held:.0%} of the time"
        way_out = "The rate per vCPU holds; response times contain these pauses. Raise VCPU to see them without."
        yield Verdict.THROTTLED, f"{seen}. {way_out}"


def _serve(cell: Cell) -> str:
    """Return how a user brings the cell's server up to look at it."""
    if cell.guest is not None:
        return "run it by itself"
    return _command("serve", cell)


def _command(name: str, cell: Cell) -> str:
    return make_command(name, StackName(framework=cell.framework, server=cell.server).variables)


def _interpreter_reasons(cell: Cell) -> Iterator[Reason]:
    """Yield a verdict if the cell's Python did not run as it was asked to."""
    if cell.conformance is None or (not (workers := cell.conformance.workers) and not cell.conformance.gil_enabled_by):
        return
    python, modules = Python.parse(python_series(cell.python)), cell.conformance.gil_enabled_by
    if python.free_threaded and (modules or any(worker.gil for worker in workers)):
        why = f": switched on for {', '.join(modules)}" if modules else ""
        yield Verdict.OTHER_INTERPRETER, f"its GIL was on{why}, so the number is not that of a free-threaded Python."
    if python.jit and not all(worker.jit for worker in workers):
        yield Verdict.OTHER_INTERPRETER, "its JIT was off, though it was asked for; this build may have none."


def _why_no_cpu_time(cell: Cell, runtime: Runtime) -> str | None:
    """Return why the CPU time of a cell's server cannot be known here; ``None`` where it can."""
    if runtime is Runtime.FARGATE:
        return f"the {runtime} runtime gives no CPU time"
    if cell.guest is not None and cell.guest.image is None and cell.guest.meter is None:
        return f"the server process behind {cell.guest.url} is not known without PID= or CONTAINER="
    return None


def _response_reasons(
    cell: Cell, windows: Sequence[Window], loads: Sequence[Load], runtime: Runtime, *, ignore_failures: bool
) -> Iterator[Reason]:
    if not windows:
        yield Verdict.NOT_MEASURED, "no window was made."
    elif loads and not any(load.requests for load in loads):
        yield Verdict.NOT_MEASURED, "nothing was answered well."
    elif _why_no_cpu_time(cell, runtime) is None and loads and all(load.server_cpu_s is None for load in loads):
        yield Verdict.NOT_MEASURED, "the server's CPU time could not be read, and the rate per vCPU stands on it."
    if not ignore_failures and (failures := sum((Counter(load.failures) for load in loads), Counter())):
        seen = ", ".join(f"{name} x {count}" for name, count in failures.items())
        way_out = f"Run {_command('conformance', cell)}."
        yield Verdict.WRONG_ANSWERS, f"{seen}. {way_out if cell.guest is None else 'Look at its log.'}"


def _connection_reasons(cell: Cell, loads: Sequence[Load]) -> Iterator[Reason]:
    if not cell.keep_alive:
        return
    way_out = f"Look at its keep-alive: {_serve(cell)}."
    for load in loads:
        if load.open_loop is not None:
            continue  # its connections may be idle for so long that a server is free to close them
        reconnects = load.reconnects or 0
        if reconnects > MOST_REOPENED * load.sent:
            seen = f"{counted(reconnects, 'connection')} had to be opened anew, though the server declares keep-alive"
            yield Verdict.CONNECTIONS, f"{seen}. {way_out}"
        elif not reconnects and load.connections_open_min is not None and load.connections_open_min < load.users:
            seen = f"only {load.connections_open_min} of {load.users} connections were open at one time"
            yield Verdict.CONNECTIONS, f"{seen}. {way_out}"
    closed = [load for load in loads if load.requests and load.open_loop is None]
    ratios = [load.littles_law_ratio for load in closed if load.littles_law_ratio is not None]
    if ratios and abs((ratio := float(np.median(ratios))) - 1) > LITTLES_LAW_TOLERANCE:
        seen = f"rate x response time is {ratio:.2f} of the requests in flight (Little's law); not all were busy"
        yield Verdict.CONNECTIONS, f"{seen}. {way_out}"


def worker_reasons(loads: Sequence[Load]) -> Iterator[Reason]:
    """Yield a verdict if workers of the generator joined or were lost during the window."""
    lost = sum(load.workers_lost for load in loads)
    late = sum(worker.joined_late for load in loads for worker in load.workers)
    if lost:
        seen = f"{counted(lost, 'worker')} lost; what was sent there cost the server and is not counted"
        yield Verdict.WORKERS_CHANGED, f"{seen}. Measure again."
    elif late:
        seen = f"{counted(late, 'worker')} joined in mid-window, and connections moved there"
        yield Verdict.WORKERS_CHANGED, f"{seen}. Start all workers first, and raise EXPECT."


def _generator_reasons(setup: Setup, loads: Sequence[Load]) -> Iterator[Reason]:
    if setup.shares_cores:
        yield Verdict.SHARED_CORE, "server and generator shared cores; give the machine more cores or a smaller VCPU."
        return
    if setup.split_siblings:
        siblings = "server and generator ran on hardware threads of one physical core, which slow each other down"
        yield (
            Verdict.SHARED_CORE,
            f"{siblings}; give the machine more cores, or switch off simultaneous multithreading.",
        )
    used = [_share(setup, load) for load in loads if load.duration_s]
    seen = (
        [f"the generator used {max(used):.0%} of the cores that it can use"]
        if max(used, default=0) > GENERATOR_CEILING
        else []
    )
    seen += generator_limits(setup, loads)
    if seen:
        limit = f"{'; '.join(seen)}, so what was measured may be its own limit"
        yield Verdict.GENERATOR_BOUND, f"{limit}. {_way_out_for_generator(setup, loads)}"


def _database_reasons(setup: Setup, loads: Sequence[Load]) -> Iterator[Reason]:
    """Yield a verdict if the core that databases share with the generator was at its limit."""
    shares = [
        (load.database_cpu_s / time_s, (load.database_cpu_s + load.generator_cpu_s) / time_s)
        for load in loads
        if load.database_cpu_s and (time_s := load.duration_s * len(setup.generator_cores))
    ]
    if not shares:
        return
    database, together = (float(np.median(column)) for column in zip(*shares, strict=True))
    if together > DATABASE_CEILING:
        seen = f"database and generator used {together:.0%} of their cores, the database {database:.0%}"
        yield (
            Verdict.DATABASE_BOUND,
            f"{seen}, so what was measured may be their limit. Give them more cores, or the server a smaller VCPU.",
        )


def _share(setup: Setup, load: Load) -> float:
    """Return the share that the generator used of the cores that it can use; of the busiest worker, if that is more."""
    busiest = max((worker.generator_cpu_s / worker.duration_s for worker in load.workers), default=0.0)
    return max(busiest, load.generator_cpu_s / load.duration_s / setup.usable_generator_cores)


def _way_out_for_generator(setup: Setup, loads: Sequence[Load]) -> str:
    if setup.usable_generator_cores == len(setup.generator_cores):
        return "Give it more cores, or the server a smaller VCPU."
    if setup.load.requests or any(load.steps for load in loads):  # only one process can send these, or climb
        return "Give the server a smaller VCPU."
    workers = "raise GENERATOR_WORKERS= in make loadtest"
    if any(load.slices for load in loads):  # which several processes cannot make
        workers += ", which then measures one server after the other, so that its rates cannot be compared with these"
    return f"It left cores unused: {workers}, or give the server a smaller VCPU."


def _objective_reasons(loads: Sequence[Load]) -> Iterator[Reason]:
    """Yield a verdict if no step of a climb held, or if an open loop sent less than it planned."""
    missed = [load.steps[-1].broken for load in loads if load.steps and knee(load.steps) is None]
    if missed:
        yield Verdict.OBJECTIVE_MISSED, f"no step held the objective: {missed[0]}. Begin lower with RATE= or USERS=."
    late = [(unsent(load), load.open_loop.planned) for load in loads if load.open_loop]
    if not missed and (over := [pair for pair in late if pair[0] > UNSENT_TOLERANCE * pair[1]]):
        yield Verdict.OVERLOADED, f"{over[0][0]} of {over[0][1]} arrivals were not sent. Lower RATE= or raise USERS=."


def _machine_reasons(setup: Setup, loads: Sequence[Load], *, alone: bool) -> Iterator[Reason]:
    cores = len(setup.server_cores)
    shared = not alone or setup.shares_cores
    taken = (
        (stolen_share(loads, cores), MOST_STEAL, "the host took {:.0%} of the server's cores (steal)"),
        (None if shared else foreign_share(loads, cores), MOST_FOREIGN, "others used {:.0%} of the server's cores"),
        (waited_share(loads), MOST_WAITED, "the generator waited for a core for {:.0%} of the time"),
    )
    if seen := [text.format(part) for part, most, text in taken if part is not None and part > most]:
        yield Verdict.DISTURBED, f"{'; '.join(seen)}. End what else runs on this machine, and run again."
