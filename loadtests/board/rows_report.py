"""From rows of everything known to a table, and the command that fills its gaps. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table

from common.catalog.prices import Prices
from common.catalog.runtimes import Runtime
from common.catalog.sizes import Size
from common.records.figure import Figure, Metric
from loadtests.board.bill_report import dollars
from loadtests.board.rows import BoardRow
from loadtests.reports.formatting import MB, MISSING, MS_PER_S, estimate, number, plain_table

HEADINGS = ("stack", "req/s per vCPU", "CPU us/request", "image MB", "start s", "idle MB", "limit MB", "p99 ms at 50 %",
            "$/million")  # fmt: skip
US_PER_S = 1e6
BYTES_PER_MB = 1e6
COMMANDS = {
    Metric.REQUESTS_PER_CPU_S: "loadtest",
    Metric.P99_S: "latency",
    Metric.START_S: "startup",
    Metric.IDLE_BYTES: "memory",
    Metric.COMPRESSED_BYTES: "sizes",
}
"""The command that measures each metric."""
OUTDATED = "*"
MEMORY_WORKERS = 2
"""``make memory`` measures with one worker and with two by default."""


def table(rows: Sequence[BoardRow], *, vcpu: float) -> Table:
    """Return a row for each stack."""
    return plain_table(f"everything known at {vcpu:g} vCPU", HEADINGS, map(_row, rows), left={"stack"})


def notes(rows: Sequence[BoardRow], prices: Prices, *, vcpu: float, runtime: Runtime) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each; gaps are those of a runtime."""
    figures = [(row, figure) for row in rows for figure in _figures(row)]
    dates = sorted({f"{figure.measured_at:%Y-%m-%d}" for _, figure in figures})
    if dates:
        when = f"on {dates[0]}" if dates[0] == dates[-1] else f"from {dates[0]} to {dates[-1]}"
        yield f"the newest valid figure of each kind on this machine, measured {when}."
        yield "image: compressed layers. start: warm, to the first response. limit: the smallest that suffices."
        yield f"$/million: by {prices.compute[0].name}, {prices.compute[0].as_of}, at 50 % of capacity."
    if any(row.is_outdated(figure) for row, figure in figures):
        yield f"{OUTDATED}: measured with other packages than the framework's lock names now."
    if (command := fill_command([row for row in rows if row.subject.runtime is runtime], vcpu=vcpu)) is not None:
        yield f"to fill the gaps: {command}"


def fill_command(rows: Sequence[BoardRow], *, vcpu: float) -> str | None:
    """Return the one command that measures what is missing of rows of one runtime; ``None`` if nothing can be."""
    lacking = [row for row in rows if row.missing]
    subjects = [row.subject for row in lacking]
    runtimes = {subject.runtime for subject in subjects}
    if not lacking or Runtime.FARGATE in runtimes or (Runtime.PROCESS in runtimes and vcpu != int(vcpu)):
        return None
    missing = {metric for row in lacking for metric in row.missing}
    variables: dict[str, Iterable[str]] = {
        "FRAMEWORK": dict.fromkeys(subject.framework for subject in subjects),
        "SERVER": dict.fromkeys(subject.server for subject in subjects),
        "IMAGE": dict.fromkeys(subject.image for subject in subjects if subject.image),
        "RUNTIME": runtimes & {Runtime.PROCESS},
    }
    given = " ".join(f"{name}={','.join(values)}" for name, values in variables.items() if values)
    alike: dict[str, list[str]] = {}
    for command in (command for metric, command in COMMANDS.items() if metric in missing):
        alike.setdefault(f"{given}{_size(command, vcpu)}", []).append(command)
    return " && ".join(f"make {' '.join(commands)} {values}" for values, commands in alike.items())


def _size(command: str, vcpu: float) -> str:
    """Return the variable that makes a command measure at a size, if it does not measure that size by default."""
    if command == "memory":
        return f" WORKERS={workers}" if (workers := Size(vcpu=vcpu).workers) > MEMORY_WORKERS else ""
    return "" if command == "sizes" or vcpu == 1 else f" VCPU={vcpu:g}"


def _figures(row: BoardRow) -> Iterator[Figure]:
    return (one for one in (row.rate, row.compressed, row.start, row.idle, row.limit, row.p99) if one is not None)


def _row(row: BoardRow) -> tuple[str, ...]:
    rate = row.rate.value.estimate if row.rate else None
    return (
        row.subject.name,
        _cell(row, row.rate),
        number(US_PER_S / rate if rate else None, digits=1),
        _cell(row, row.compressed, scale=1 / BYTES_PER_MB, digits=1),
        _cell(row, row.start, digits=2),
        _cell(row, row.idle, scale=1 / MB, digits=1),
        _cell(row, row.limit, scale=1 / MB),
        _cell(row, row.p99, scale=MS_PER_S, digits=1),
        MISSING if row.per_million is None else dollars(row.per_million.estimate),
    )


def _cell(row: BoardRow, figure: Figure | None, *, scale: float = 1.0, digits: int = 0) -> str:
    text = estimate(None if figure is None else figure.value, scale=scale, digits=digits)
    return f"{text}{OUTDATED if row.is_outdated(figure) else ''}"
