"""From a load test and its summary to text: the table at the end of a run, the one in the README. Pure."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from rich.table import Table

from common.records.load import Setup
from common.records.run import Cell, Design, LoadRun
from common.records.summary import CellSummary, Controls, Decision, DropReason, Interval, Pair, Summary
from common.records.window import Window
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.values import values_by_round
from loadtests.analysis.verdicts import sentences
from loadtests.reports.formatting import MB, MISSING, bounds, counted, estimate, plain_table, share, stand_in_notes
from loadtests.scenarios.registry import SCENARIOS

QUOTA_USED = 0.95
"""Below this share of its vCPUs a server's wall rate says what the generator asked, not what it can do."""

HEADINGS = ("rank", "stack", "version", "rounds", "req/s per vCPU", "95 % interval", "wall req/s", "p99 ms", "errors",
            "CPU", "gen", "verdict")  # fmt: skip
LEFT = frozenset({"stack", "version", "verdict"})
SHORT = ("rank", "stack", "version", "req/s per vCPU", "95 % interval", "p99 ms")
"""The columns of the README's table."""


def table(run: LoadRun, summary: Summary) -> Table:
    """Return the summary as a table for a terminal."""
    return plain_table("\n".join([*warnings(summary), title(run)]), HEADINGS, rows(run, summary), left=LEFT)


def table_so_far(
    run: LoadRun, windows: Sequence[Window], pairs: Sequence[Pair] | None, active: Collection[str]
) -> Table:
    """Return each cell's estimate, interval and undecided pairs meanwhile; ``pairs`` are ``None`` before any look."""
    headings = ("stack", "rounds", "req/s per vCPU", "95 % interval", "undecided pairs")
    return plain_table("", headings, _rows_so_far(run, windows, pairs, active), left={"stack"})


def _rows_so_far(
    run: LoadRun, windows: Sequence[Window], pairs: Sequence[Pair] | None, active: Collection[str]
) -> Iterator[tuple[str, ...]]:
    for cell in run.cells:
        made = [window for window in windows if window.cell == cell.name]
        interval = log_interval(list(values_by_round(made).values()))
        undecided = sum(pair.decision is Decision.UNDECIDED and cell.name in {pair.a, pair.b} for pair in pairs or ())
        left = MISSING if pairs is None else _left(undecided, is_active=cell.name in active)
        yield cell.name, str(len(made)), estimate(interval), bounds(interval), left


def _left(undecided: int, *, is_active: bool) -> str:
    return str(undecided) if is_active else f"{undecided}, out of reach" if undecided else "done"


def markdown(run: LoadRun, summary: Summary) -> str:
    """Return the summary as a Markdown table with machine and date."""
    lines = [
        *(f"**{warning}**\n" for warning in warnings(summary)),
        f"{title(run)}. {_measured(run)}",
        "",
        _line(HEADINGS),
        _line(["---:" if heading not in LEFT else "---" for heading in HEADINGS]),
        *(_line(row) for row in rows(run, summary)),
        "",
        *(f"- {note}" for note in notes(run, summary)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def short_markdown(run: LoadRun, summary: Summary) -> str:
    """Return the ranked stacks as a short Markdown table, for the README."""
    columns = [HEADINGS.index(heading) for heading in SHORT]
    ranked = [row for row in rows(run, summary) if row[0]]
    lines = [
        *(f"**{warning}**\n" for warning in warnings(summary)),
        _line(SHORT),
        _line(["---:" if heading not in LEFT else "---" for heading in SHORT]),
        *(_line([row[column] for column in columns]) for row in ranked),
    ]
    return "\n".join(lines) + "\n"


def warnings(summary: Summary) -> list[str]:
    """Return what makes the whole run doubtful, to be said before anything else."""
    found = {} if summary.controls is None else summary.controls.warnings
    return [f"{verdict}: nothing is ranked: {sentence}" for verdict, sentence in found.items()]


def title(run: LoadRun) -> str:
    """Return what was measured, in one line."""
    size, load = run.setup.size, run.setup.load
    memory = "" if size.memory_bytes is None else f" / {size.memory_bytes / MB:.0f} MB"
    at_most = "up to " if run.stopping.looks or run.stopping.precision else ""
    return (
        f"{load.scenario}: {size.vcpu:g} vCPU{memory}, {load.users} connections, {run.runtime} runtime, "
        f"{at_most}{counted(run.rounds, 'round')} of {load.window_s:g} s"
    )


def rows(run: LoadRun, summary: Summary) -> Iterator[tuple[str, ...]]:
    """Yield each cell's text, in the order of ``HEADINGS``."""
    cells = {cell.name: cell for cell in run.cells}
    counts = _rank_counts(summary)
    for row in summary.cells:
        yield _row(cells[row.cell], row, counts)


def notes(run: LoadRun, summary: Summary) -> Iterator[str]:
    """Yield what a reader has to know beside the table, one sentence each."""
    yield from stand_in_notes(run.cells)
    if any(not cell.keep_alive for cell in run.cells):
        yield "closing: the server closes each connection after each response; a request costs it a new connection."
    yield "req/s per vCPU: correct responses per second of the server's CPU time."
    yield "CPU, gen: shares used of the server's vCPUs and of the generator's cores."
    if any((row.server_utilisation or 1) < QUOTA_USED for row in summary.cells):
        yield f"~: the server used under {QUOTA_USED:.0%} of its vCPUs, so its wall rate is not its capacity."
    if any(count > 1 for count in _rank_counts(summary).values()):
        yield "=: a tie; this run cannot tell them apart."
    yield from _dropout_notes(run, summary)
    yield from _load_notes(run.setup, summary)
    if any(cell.control_of for cell in run.cells):
        yield "control: a second copy of a stack, to check that the two tie; not ranked."
    if summary.controls is not None:
        yield f"controls: {', '.join(_controls(summary.controls))}."
    if summary.spread is not None:
        spread = summary.spread
        yield f"spread: {spread.servers:.1%} between fresh servers, {spread.rounds:.1%} shared by the cells of a round."
    yield from _undecided_notes(summary)
    whole = {} if summary.controls is None else summary.controls.warnings
    yield from sentences(
        (row.cell, {verdict: text for verdict, text in row.doubts.items() if verdict not in whole})
        for row in summary.cells
    )


def _row(cell: Cell, row: CellSummary, counts: Mapping[int, int]) -> tuple[str, ...]:
    rank = "" if row.rank is None else f"{row.rank}{'=' if counts[row.rank] > 1 else ''}"
    return (
        rank,
        cell.name + (" (control)" if cell.control_of else "") + ("" if cell.keep_alive else " (closing)"),
        cell.version or MISSING,
        _rounds(row),
        estimate(row.requests_per_cpu_s),
        bounds(row.requests_per_cpu_s),
        ("~" if (row.server_utilisation or 1) < QUOTA_USED else "") + estimate(row.throughput_rps),
        estimate(row.p99_s, scale=1000, digits=2),
        f"{row.errors:,}",
        share(row.server_utilisation),
        share(row.generator_utilisation),
        row.verdict,
    )


def _load_notes(setup: Setup, summary: Summary) -> Iterator[str]:
    """Yield what is particular about a load that is not a plain closed loop, and what the generator can do."""
    scenario, load = SCENARIOS[setup.load.scenario], setup.load
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
    if setup.ceiling is not None:
        reached = f"{setup.ceiling.requests_per_cpu_s:,.0f}"
        yield f"the generator's ceiling: {reached} req/s per core, against a server that only answers."


def _with_count(interval: Interval) -> str:
    limits = bounds(interval)
    return f"{estimate(interval)} ({'' if limits == MISSING else f'{limits}, '}n = {interval.n})"


def _measured(run: LoadRun) -> str:
    machine = run.machine
    engine = f"Docker {machine.docker}, " if machine.docker else ""
    pythons = ", ".join(sorted({cell.python for cell in run.cells}))
    return (
        f"Measured {run.started_at:%Y-%m-%d} on {machine.cpu_model}, {machine.cores} cores, Linux {machine.kernel}, "
        f"cgroup v{machine.cgroup_version}, {engine}Python {pythons}, load over {run.setup.load_path}; "
        f"revision {run.revision}, seed {run.seed}."
    )


def _controls(controls: Controls) -> Iterator[str]:
    """Yield what watched over the run, in a few words each."""
    for pair in controls.same:
        if pair.ratio is not None:
            seen = "differ" if pair.decision is Decision.DIFFERENT else "tie"
            yield f"two copies of {pair.a} {seen} (ratio {pair.ratio.estimate:.3f}, p = {pair.p_value:.2g})"
    for what, value in (
        ("canary drift", controls.canary_drift),
        ("steal", controls.steal),
        ("others on the server's cores", controls.foreign),
        ("throttled", controls.throttled),
        ("generator at most", controls.generator_utilisation_max),
        ("waiting for a core", controls.generator_waited),
    ):
        if value is not None:
            yield f"{what} {value:.1%}"
    if controls.load_average_max is not None:
        yield f"load average at most {controls.load_average_max:.1f}"


def _dropout_notes(run: LoadRun, summary: Summary) -> Iterator[str]:
    """Yield which cells were not measured to the end, unless a verdict says so."""
    rows = [(row, row.dropout.reason) for row in summary.cells if row.dropout is not None]
    if any(reason is DropReason.RESOLVED for _, reason in rows) and run.design is Design.ROUNDS:
        yield "rounds: a stack drops out once each of its pairs is decided."
    if any(reason is DropReason.OUT_OF_REACH for _, reason in rows):
        open_ = "*: dropped out undecided: none of its open pairs was likely (80 %) to be decided within the"
        yield f"{open_} {run.rounds} rounds. Its ties are not equals: ROUNDS=n measures every stack n times."


def _undecided_notes(summary: Summary) -> Iterator[str]:
    """Yield how many pairs are undecided, and after how many more rounds half of them may be decided."""
    undecided = [pair for pair in summary.pairs if pair.decision is Decision.UNDECIDED]
    needed = sorted(math.inf if pair.rounds_needed is None else pair.rounds_needed for pair in undecided)
    if undecided:
        half = needed[len(needed) // 2]
        more = (
            f"about {half:,.0f} more rounds would decide half of them" if half < math.inf else "most are out of reach"
        )
        yield f"undecided: {len(undecided)} of {len(summary.pairs)} pairs; {more}."


def _rank_counts(summary: Summary) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row in summary.cells:
        if row.rank is not None:
            counts[row.rank] = counts.get(row.rank, 0) + 1
    return counts


def _rounds(row: CellSummary) -> str:
    """Return in how many rounds it gave a number, marked where it dropped out undecided."""
    known = row.requests_per_cpu_s or row.throughput_rps
    let_go = row.dropout is not None and row.dropout.reason is DropReason.OUT_OF_REACH
    return f"{known.n if known else 0}{'*' if let_go else ''}"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"
