"""The sentences below the table of a load test. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from common.records.load import DatabaseSetup, Setup
from common.records.run import Design, LoadRun
from common.records.summary import CellSummary, Controls, Decision, DropReason, Interval, Pair, Summary
from common.words import counted
from loadtests.analysis.between_runs import LEVEL
from loadtests.analysis.dropping import fewest_chance, half_width
from loadtests.analysis.formatting import MISSING, US_PER_S, bounds, discarded_notes, estimate, stand_in_notes
from loadtests.analysis.thresholds import NOTABLE_IDLE_CPU, NOTABLE_WARMUP_S, SATURATED
from loadtests.analysis.together import together
from loadtests.analysis.verdicts import sentences
from loadtests.scenarios.workloads import scenario_for


def notes(run: LoadRun, summary: Summary) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each."""
    yield from stand_in_notes(run.cells)
    yield from _python_notes(run)
    if any(not cell.keep_alive for cell in run.cells):
        yield "closing: the server closes each connection after each response; a request costs it a new connection."
        yield "a closing server that waits for its client to close too can be no faster than that client."
    if any(cell.guest for cell in run.cells):
        yield "guest: a server of your own; its app, server and image are not this project's."
    yield "req/s per vCPU: correct responses per second of the server's CPU time."
    yield "CPU, gen: shares used of the server's vCPUs and of the cores that the generator can use."
    if any((row.server_utilisation or 1) < SATURATED for row in summary.cells):
        yield f"~: the server used under {SATURATED:.0%} of its vCPUs, so its wall rate is not its capacity."
    if any(row.over_floor_s is not None for row in summary.cells):
        yield "over floor us: CPU time of a request beyond that of a bare app on the same server, in microseconds."
    if any(cell.is_floor for cell in run.cells):
        yield "floor: a bare app without a framework; compared with the others, but not ranked."
    yield from _rank_notes(run, summary)
    yield from _between_notes(summary)
    yield from _slice_notes(run, summary)
    yield from _warmup_notes(summary)
    yield from discarded_notes(sum(row.windows_discarded for row in summary.cells))
    yield from _dropout_notes(run, summary)
    yield from _load_notes(run.setup, summary)
    if any(cell.control_of for cell in run.cells):
        yield "control: a second copy of a stack, to check that the two do not differ; not ranked."
    if summary.controls is not None:
        yield from control_notes(summary.controls)
    if summary.spread is not None:
        spread = summary.spread
        yield f"spread: {spread.servers:.1%} between fresh servers, {spread.rounds:.1%} shared by the cells of a round."
    yield from _undecided_notes(summary)
    whole = {} if summary.controls is None else summary.controls.warnings
    yield from sentences(
        (row.cell, {verdict: text for verdict, text in row.doubts.items() if verdict not in whole})
        for row in summary.cells
    )


def _python_notes(run: LoadRun) -> Iterator[str]:
    """Yield which stacks could not be brought up on their Python, and for which packages were compiled."""
    stacks_of = defaultdict[str, list[str]](list)
    for cell in run.cells:
        if cell.compiled and not cell.control_of:
            stacks_of[", ".join(cell.compiled)].append(cell.name)
    for packages, names in stacks_of.items():
        yield f"compiled: {', '.join(names)}: {packages}: no wheel for this Python, so it was compiled here."
    without = defaultdict[str, list[str]](list)
    for name, reason in run.unavailable.items():
        without[reason].append(name)
    for reason, names in without.items():
        yield f"not available: {', '.join(names)}: {reason.rstrip('.')}."


def _load_notes(setup: Setup, summary: Summary) -> Iterator[str]:
    """Yield notes on open loops and climbs, and the generator's ceiling."""
    scenario, load = scenario_for(setup.load), setup.load
    if scenario.open_loop and not scenario.climbs and load.rate is not None:
        of_what = "a second" if load.rate.share is None else "of each stack's own capacity"
        yield f"open loop: {load.arrivals} arrivals at {load.rate} {of_what}; p99 counts from the intended send."
    if scenario.climbs:
        objective = load.objective or scenario.default_objective(load.delay_ms)
        yield f"knee: the highest step that held {objective}; the row above is that step's."
    for row in summary.cells:
        if row.knee is not None:
            yield f"knee of {row.cell}: {_with_count(row.knee)} {scenario.climbs or ''}."
        if row.sleeper_bytes is not None:
            yield f"a sleeper of {row.cell} holds {_with_count(row.sleeper_bytes)} bytes of private memory."
    if setup.database is not None:
        yield from _database_notes(setup.database, summary)
    if setup.ceiling is not None:
        reached = f"{setup.ceiling.requests_per_cpu_s:,.0f}"
        yield f"the generator's ceiling: {reached} req/s per core, against a server that only answers."


def _database_notes(database: DatabaseSetup, summary: Summary) -> Iterator[str]:
    """Yield which databases the servers use, and the CPU time that a request costs them."""
    yield (
        f"database: each server has a PostgreSQL {database.version} of its own ({database.origin}) on the generator's "
        f"cores, with {database.rows:,} orders; each worker keeps {counted(database.connections, 'connection')} open."
    )
    costs = [
        f"{row.cell} {estimate(row.database_s, scale=US_PER_S, digits=1)}"
        for row in summary.cells
        if row.database_s is not None
    ]
    if costs:
        most = max(row.database_utilisation or 0.0 for row in summary.cells)
        yield (
            "CPU time of the database for a request, in microseconds, not counted as the server's: "
            f"{', '.join(costs)}; it used at most {most:.0%} of its cores."
        )


def _with_count(interval: Interval) -> str:
    limits = bounds(interval)
    return f"{estimate(interval)} ({'' if limits == MISSING else f'{limits}, '}n = {interval.n})"


def control_notes(controls: Controls) -> Iterator[str]:
    """Yield what the controls of a run show, in a sentence."""
    yield f"controls: {', '.join(_controls(controls))}."


def _controls(controls: Controls) -> Iterator[str]:
    """Yield the result of each control, in a few words."""
    for pair in controls.same:
        if pair.ratio is not None:
            yield f"two copies of {pair.a} {_same(pair)}"
    for name, value in (
        ("steal", controls.steal),
        ("others on the server's cores", controls.foreign),
        ("throttled", controls.throttled),
        ("generator at most", controls.generator_utilisation_max),
        ("waiting for a core", controls.generator_waited),
    ):
        if value is not None:
            yield f"{name} {value:.1%}"
    if controls.load_average_max is not None:
        yield f"load average at most {controls.load_average_max:.1f}"


def _same(pair: Pair) -> str:
    """Return whether two copies of one stack tie, in a few words."""
    assert pair.ratio is not None
    seen = f"ratio {pair.ratio.estimate:.3f}, {bounds(pair.ratio, digits=3)}"
    match pair.decision:
        case Decision.DIFFERENT:
            return f"differ ({seen}; p = {pair.p_value:.2g})"
        case Decision.EQUIVALENT:
            return f"are equivalent ({seen})"
        case Decision.UNDECIDED:
            return f"cannot be distinguished ({seen})"


def _dropout_notes(run: LoadRun, summary: Summary) -> Iterator[str]:
    """Yield why cells dropped out, unless a verdict says so."""
    rows = [(row, row.dropout.reason) for row in summary.cells if row.dropout is not None]
    if any(reason is DropReason.RESOLVED for _, reason in rows) and run.design in {Design.SLICED, Design.ALONE}:
        yield "rounds: a stack drops out once each of its pairs is decided."
    if any(reason is DropReason.OUT_OF_REACH for _, reason in rows):
        given_up = f"each of its undecided pairs had a chance below {fewest_chance(run):.0%} of being decided"
        yield (
            f"*: dropped out undecided: {given_up} within the {run.rounds} rounds. That does not make them equivalent; "
            "ROUNDS=n measures every stack n times."
        )


def _undecided_notes(summary: Summary) -> Iterator[str]:
    """Yield the number of undecided pairs, and how many more rounds would decide half of them."""
    undecided = [pair for pair in summary.pairs if pair.is_undecided]
    needed = sorted(math.inf if pair.rounds_left is None else pair.rounds_left for pair in undecided)
    if undecided:
        half = needed[len(needed) // 2]
        these, most = ("it", "it is") if len(undecided) == 1 else ("half of them", "half of them or more are")
        more = (
            f"{most} out of reach"
            if half == math.inf
            else f"about {counted(int(half), 'more round')} would decide {these}"
        )
        yield f"undecided: {len(undecided)} of {len(summary.pairs)} pairs; {more}."


def _rank_notes(run: LoadRun, summary: Summary) -> Iterator[str]:
    """Yield what a range of ranks means, and which ranked cells do not differ: each pair once."""
    ranked = [row for row in summary.cells if row.rank is not None]
    if any(row.ties for row in ranked):
        yield "rank: the first and the last that the decisions allow."
    equivalent = {frozenset((pair.a, pair.b)) for pair in summary.pairs if pair.decision is Decision.EQUIVALENT}
    for place, row in enumerate(ranked, 1):
        tied = [other.cell for other in ranked[place:] if other.cell in row.ties]
        same = [name for name in tied if frozenset((row.cell, name)) in equivalent]
        if same:
            yield f"{row.cell} is equivalent to {', '.join(same)} within {run.stopping.margin:.0%}."
        if undecided := [name for name in tied if name not in same]:
            yield f"{row.cell} cannot be distinguished from {', '.join(undecided)}."


def _between_notes(summary: Summary) -> Iterator[str]:
    """Yield what intervals are about, and what is known of variation from run to run."""
    if (between := summary.between_runs) is not None:
        runs = counted(len(between.runs), "earlier run")
        known_by = f"as {runs} on this machine show" if between.runs else "by default"
        yield (
            "95 % interval: for differences between rows, over many runs on this machine; a stack varies by "
            f"{between.sd:.2%} from run to run, {known_by}, and all stacks alike by {LEVEL.sd:.1%}."
        )


def _slice_notes(run: LoadRun, summary: Summary) -> Iterator[str]:
    """Yield how the servers of a round took turns, and what disturbed them."""
    if run.slicing is None:
        return
    total = sum(row.slices or 0 for row in summary.cells)
    again = sum(row.slices_disturbed or 0 for row in summary.cells)
    yield (
        f"sliced: all servers of a round are up at once and loaded in turn, {run.slicing.passes} slices of "
        f"{run.slicing.slice_s:g} s each, {run.slicing.most_passes} at most; {again:,} of {total:,} were disturbed and "
        "made again."
    )
    if slow := [row.cell for row in summary.cells if 0 < (row.slices or 0) < run.slicing.passes * value_count(row)]:
        yield f"slow: slices of {', '.join(slow)} are counted to their last response, and are fewer."
    if idle := [row for row in summary.cells if (row.idle_cpu_share or 0) > NOTABLE_IDLE_CPU]:
        seen = ", ".join(f"{row.cell} {row.idle_cpu_share:.1%}" for row in idle)
        yield f"not quiet while others were loaded, of a core: {seen}."


def _warmup_notes(summary: Summary) -> Iterator[str]:
    """Yield how long servers were loaded until they were warm, those that took long by name."""
    known = [(row, row.until_warm_s.estimate) for row in summary.cells if row.until_warm_s is not None]
    late = sorted(((row, at_s) for row, at_s in known if at_s > NOTABLE_WARMUP_S), key=lambda warmed: -warmed[1])
    soon = [at_s for _, at_s in known if at_s <= NOTABLE_WARMUP_S]
    seen = [f"{row.cell} {at_s:.1f} s and {estimate(row.until_warm_requests)} requests" for row, at_s in late]
    if soon:
        seen.append(f"{'all others' if late else 'all'} at most {max(soon):.1f} s")
    if seen:
        yield f"warm-up, the load until a fresh server's rate no longer rose: {'; '.join(seen)}."


def value_count(row: CellSummary) -> int:
    """Return the number of a cell's windows that have a value."""
    known = row.requests_per_cpu_s or row.throughput_rps
    return known.n if known else 0


def with_earlier_runs(run: LoadRun, earlier: Sequence[Summary], summary: Summary) -> str:
    """Return what a run shows together with earlier ones of the same stacks, and what it shows alone."""
    joined = together([*earlier, summary], run.stopping.margin)
    decided, alone = (sum(not pair.is_undecided for pair in found.pairs) for found in (joined, summary))
    widths = [f"±{width:.1%}" for found in (joined, summary) if (width := _half_width(found)) is not None]
    known = f"; rates are known within {' instead of '.join(widths)} (make show)" if len(widths) > 1 else ""
    return (
        f"with your {counted(len(earlier), 'earlier run')}: {decided} of {counted(len(joined.pairs), 'pair')} decided, "
        f"{alone} in this run alone{known}."
    )


def _half_width(summary: Summary) -> float | None:
    """Return half the width of the interval of the median stack; ``None`` if no rate has one."""
    widths = sorted(
        half_width(row.requests_per_cpu_s)
        for row in summary.cells
        if row.rank is not None and row.requests_per_cpu_s is not None
    )
    return widths[len(widths) // 2] if widths else None
