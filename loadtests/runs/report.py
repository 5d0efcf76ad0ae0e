"""From a run and its summary to text: the table at the end of a run, the one in the README. Pure."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from common.records.run import Cell, Run
from common.records.summary import CellSummary, Controls, Decision, DropReason, Interval, Pair, Summary
from common.records.window import Window
from loadtests.analysis.dropping import ROUNDS
from loadtests.analysis.intervals import log_interval
from loadtests.analysis.values import values_by_round
from loadtests.runs.load_notes import load_notes

QUOTA_USED = 0.95
"""Below this share of its vCPUs a server's wall rate says what the generator asked, not what it can."""

HEADINGS = ("rank", "stack", "version", "rounds", "req/s per vCPU", "95 % interval", "wall req/s", "p99 ms", "errors",
            "CPU", "gen", "verdict")  # fmt: skip
LEFT = frozenset({"stack", "version", "verdict"})


def table(run: Run, summary: Summary) -> Table:
    """The summary as a table for a terminal."""
    heading = "\n".join([*warnings(summary), title(run)])
    found = Table(title=escape(heading), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS:
        found.add_column(heading, justify="left" if heading in LEFT else "right")
    for row in rows(run, summary):
        found.add_row(*map(escape, row))
    return found


def table_so_far(run: Run, windows: Sequence[Window], pairs: Sequence[Pair] | None, active: Collection[str]) -> Table:
    """Each cell's estimate, interval and undecided pairs while a run is under way; ``pairs`` once there was a look."""
    found = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("stack", "rounds", "req/s per vCPU", "95 % interval", "undecided pairs"):
        found.add_column(heading, justify="left" if heading == "stack" else "right")
    for cell in run.cells:
        made = [window for window in windows if window.cell == cell.name]
        interval = log_interval(list(values_by_round(made).values()))
        undecided = sum(pair.decision is Decision.UNDECIDED and cell.name in {pair.a, pair.b} for pair in pairs or ())
        left = "-" if pairs is None else _left(undecided, goes_on=cell.name in active)
        found.add_row(escape(cell.name), str(len(made)), _estimate(interval), _bounds(interval), left)
    return found


def _left(undecided: int, *, goes_on: bool) -> str:
    return str(undecided) if goes_on else f"{undecided}, out of reach" if undecided else "done"


def markdown(run: Run, summary: Summary) -> str:
    """The summary as a Markdown table with machine and date."""
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


def warnings(summary: Summary) -> list[str]:
    """What makes the whole run doubtful, to be said before anything else."""
    found = {} if summary.controls is None else summary.controls.warnings
    return [f"{verdict}: nothing is ranked: {sentence}" for verdict, sentence in found.items()]


def title(run: Run) -> str:
    """What was measured, in one line."""
    memory = "" if run.memory_bytes is None else f" / {run.memory_bytes / 1024**2:.0f} MB"
    return (
        f"{run.scenario}: {run.vcpu:g} vCPU{memory}, {run.users} connections, {run.runtime} runtime, "
        f"{'up to ' if run.looks or run.precision else ''}{run.rounds} rounds of {run.window_s:g} s"
    )


def rows(run: Run, summary: Summary) -> Iterator[tuple[str, ...]]:
    """The table's cells as text, in the order of ``HEADINGS``."""
    cells = {cell.name: cell for cell in run.cells}
    ties = _ties(summary)
    for row in summary.cells:
        yield _row(cells[row.cell], row, ties)


def notes(run: Run, summary: Summary) -> Iterator[str]:
    """What a reader has to know beside the table, one sentence each."""
    if any(cell.stand_in_base for cell in run.cells):
        yield "stand-in base: images stand on locally made base images, not on the official ones."
    if any(not cell.keep_alive for cell in run.cells):
        yield "closing: the server closes each connection after each answer; a request costs it a new connection."
    yield "req/s per vCPU: good answers per second of the server's CPU time."
    yield "CPU, gen: shares used of the server's vCPUs and of the generator's cores."
    if any((row.server_utilisation or 1) < QUOTA_USED for row in summary.cells):
        yield f"~: the server used under {QUOTA_USED:.0%} of its vCPUs, so its wall rate is not its capacity."
    if any(count > 1 for count in _ties(summary).values()):
        yield "=: a tie; this run cannot tell them apart."
    yield from _dropped(run, summary)
    yield from load_notes(run, summary)
    if any(cell.control_of for cell in run.cells):
        yield "control: a second copy of a stack, to see that the two tie; not ranked."
    if summary.controls is not None:
        yield f"controls: {', '.join(_controls(summary.controls))}."
    if summary.spread is not None:
        spread = summary.spread
        yield f"spread: {spread.servers:.1%} between fresh servers, {spread.rounds:.1%} shared by the cells of a round."
    yield from _undecided(summary)
    yield from _doubts(summary)


def _row(cell: Cell, row: CellSummary, ties: Mapping[int, int]) -> tuple[str, ...]:
    rank = "" if row.rank is None else f"{row.rank}{'=' if ties[row.rank] > 1 else ''}"
    return (
        rank,
        cell.name + (" (control)" if cell.control_of else "") + ("" if cell.keep_alive else " (closing)"),
        cell.version or "-",
        _rounds(row),
        _estimate(row.requests_per_cpu_s),
        _bounds(row.requests_per_cpu_s),
        ("~" if (row.server_utilisation or 1) < QUOTA_USED else "") + _estimate(row.throughput_rps),
        "-" if row.p99_s is None else f"{row.p99_s.estimate * 1000:.2f}",
        f"{row.errors:,}",
        _share(row.server_utilisation),
        _share(row.generator_utilisation),
        row.verdict,
    )


def _measured(run: Run) -> str:
    machine = run.machine
    return (
        f"Measured {run.started_at:%Y-%m-%d} on {machine.cpu_model}, {machine.cores} cores, Linux {machine.kernel}, "
        f"cgroup v{machine.cgroup_version}, {_where(run)}; revision {run.revision}, seed {run.seed}."
    )


def _controls(controls: Controls) -> Iterator[str]:
    """What watched over the run, in a few words each."""
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


def _dropped(run: Run, summary: Summary) -> Iterator[str]:
    """Which cells were not measured to the end, unless that is a verdict's to tell."""
    rows = [(row, row.dropout.reason) for row in summary.cells if row.dropout is not None]
    if any(reason is DropReason.RESOLVED for _, reason in rows) and run.design == ROUNDS:
        yield "rounds: a stack drops out once each of its pairs is decided."
    if any(reason is DropReason.OUT_OF_REACH for _, reason in rows):
        open_ = "*: dropped out undecided: none of its open pairs was likely (80 %) to be decided within the"
        yield f"{open_} {run.rounds} rounds. Its ties are not equals: ROUNDS=n measures every stack n times."


def _undecided(summary: Summary) -> Iterator[str]:
    """How many pairs are open, and after how many more rounds half of them may not be."""
    undecided = [pair for pair in summary.pairs if pair.decision is Decision.UNDECIDED]
    needed = sorted(math.inf if pair.rounds_needed is None else pair.rounds_needed for pair in undecided)
    if undecided:
        half = needed[len(needed) // 2]
        more = (
            f"about {half:,.0f} more rounds would decide half of them" if half < math.inf else "most are out of reach"
        )
        yield f"undecided: {len(undecided)} of {len(summary.pairs)} pairs; {more}."


def _doubts(summary: Summary) -> Iterator[str]:
    """Each doubt once, with the cells that it is about; what is said of the whole run stands above."""
    whole = {} if summary.controls is None else summary.controls.warnings
    about: dict[tuple[str, str], list[str]] = {}
    for row in summary.cells:
        for doubt in row.doubts.items():
            if doubt[0] not in whole:
                about.setdefault(doubt, []).append(row.cell)
    for (verdict, sentence), cells in about.items():
        yield f"{verdict}: {', '.join(cells)}: {sentence}"


def _ties(summary: Summary) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row in summary.cells:
        if row.rank is not None:
            counts[row.rank] = counts.get(row.rank, 0) + 1
    return counts


def _where(run: Run) -> str:
    engine = f"Docker {run.machine.docker}, " if run.machine.docker else ""
    return f"{engine}Python {', '.join(sorted({cell.python for cell in run.cells}))}, load over {run.load_path}"


def _rounds(row: CellSummary) -> str:
    """In how many rounds it gave a number, with a mark where it was let go undecided."""
    known = row.requests_per_cpu_s or row.throughput_rps
    let_go = row.dropout is not None and row.dropout.reason is DropReason.OUT_OF_REACH
    return f"{known.n if known else 0}{'*' if let_go else ''}"


def _estimate(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.estimate:,.0f}"


def _bounds(interval: Interval | None) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return "-"
    return f"{interval.low:,.0f} to {interval.high:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"
