"""One row per stack with everything known about it, the table of all rows, and the command that fills gaps. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rich.table import Table

from common.catalog.prices import Prices
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import can_run_several, make_command, variables_selecting
from common.records.figure import Figure, Metric, Subject
from common.records.summary import Interval
from loadtests.analysis.between_runs import in_another_run
from loadtests.analysis.formatting import (
    BYTES_PER_MB,
    MB,
    MISSING,
    MS_PER_S,
    US_PER_S,
    estimate,
    number,
    over_what,
    plain_table,
)
from loadtests.board.bill import DEFAULT_UTILISATION, SCENARIO, cheapest_size, dollars, needed_bytes, newest
from loadtests.board.prices import per_million

HALF = 0.5

HEADINGS = ("stack", "runtime", "req/s per vCPU", "CPU us/request", "image MB", "start s", "idle MB", "limit MB",
            "p99 ms at 50 %", "$/million")  # fmt: skip
COMMANDS = {
    Metric.REQUESTS_PER_CPU_S: "loadtest",
    Metric.P99_S: "latency",
    Metric.START_S: "startup",
    Metric.IDLE_BYTES: "memory",
    Metric.COMPRESSED_BYTES: "sizes",
}
"""The command that measures each metric."""
OUTDATED = "*"
Item = TypeVar("Item")
MEMORY_WORKERS = 2
"""``make memory`` measures with one worker and with two by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """Everything known about a stack; ``None`` for what is not."""

    subject: Subject
    rate: Figure | None
    """Requests per CPU-second of the server: requests per second per vCPU."""
    compressed: Figure | None
    start: Figure | None
    idle: Figure | None
    limit: Figure | None
    p99: Figure | None
    """Under arrivals at half of the stack's own capacity."""
    per_million: Interval | None
    """Dollars for a million requests by the first price list."""
    lock_sha256: str | None = None
    """Digest of the framework's present lock; ``None`` if it is unknown."""

    def is_outdated(self, figure: Figure | None) -> bool:
        """Return whether a figure was measured with packages other than those in the framework's present lock."""
        return figure is not None and self.lock_sha256 not in {None, figure.lock_sha256}

    @property
    def measured(self) -> dict[Metric, Figure | None]:
        """The figures that ``COMMANDS`` measure; a stack without an image has no image size to miss."""
        image = {} if self.subject.image is None else {Metric.COMPRESSED_BYTES: self.compressed}
        return {
            Metric.REQUESTS_PER_CPU_S: self.rate,
            **image,
            Metric.START_S: self.start,
            Metric.IDLE_BYTES: self.idle,
            Metric.P99_S: self.p99,
        }

    @property
    def missing(self) -> list[Metric]:
        """The metrics without a figure."""
        return [metric for metric, figure in self.measured.items() if figure is None]


def board_rows(
    subjects: Iterable[Subject],
    figures: Sequence[Figure],
    prices: Prices,
    *,
    vcpu: float,
    locks: Mapping[str, str] | None = None,
) -> list[BoardRow]:
    """Return a row for each stack at a size, the fastest first; those without a rate come last.

    ``locks`` are the digests of the frameworks' present locks, by their names.
    """
    rows = [
        replace(
            _row(subject, [figure for figure in figures if figure.subject == subject], prices, vcpu),
            lock_sha256=(locks or {}).get(subject.framework),
        )
        for subject in subjects
    ]
    return sorted(rows, key=_order)


def _order(row: BoardRow) -> tuple[bool, float, str]:
    return row.rate is None, -row.rate.value.estimate if row.rate else 0.0, row.subject.name


def _row(subject: Subject, figures: Sequence[Figure], prices: Prices, vcpu: float) -> BoardRow:
    rate = newest(figures, Metric.REQUESTS_PER_CPU_S, scenario=SCENARIO, vcpu=vcpu)
    workers = Size(vcpu=vcpu).workers if can_run_several(subject.framework, subject.server) else 1
    return BoardRow(
        subject=subject,
        rate=rate,
        compressed=newest(figures, Metric.COMPRESSED_BYTES),
        start=newest(figures, Metric.START_S, vcpu=vcpu),
        idle=newest(figures, Metric.IDLE_BYTES, workers=workers),
        limit=newest(figures, Metric.LIMIT_BYTES, workers=workers),
        p99=newest(figures, Metric.P99_S, vcpu=vcpu, load_share=HALF),
        per_million=None if rate is None else _per_million(rate, figures, prices),
    )


def _per_million(rate: Figure, figures: Sequence[Figure], prices: Prices) -> Interval | None:
    offer, several = prices.compute[0], can_run_several(rate.subject.framework, rate.subject.server)
    size = cheapest_size(offer, prices, rate.value, needed_bytes(figures), several=several)
    return None if size is None else per_million(offer, size, in_another_run(rate), DEFAULT_UTILISATION)


def rows_table(rows: Sequence[BoardRow], *, vcpu: float) -> Table:
    """Return a row for each stack."""
    return plain_table(f"everything known at {vcpu:g} vCPU", HEADINGS, map(_line, rows), left={"stack", "runtime"})


def rows_notes(
    rows: Sequence[BoardRow],
    prices: Prices,
    *,
    vcpu: float,
    runtime: Runtime,
    selectors: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each; gaps are those of a runtime.

    ``selectors`` as for ``fill_command``.
    """
    figures = [(row, figure) for row in rows for figure in _figures(row)]
    dates = sorted({f"{figure.measured_at:%Y-%m-%d}" for _, figure in figures})
    if dates:
        when = f"on {dates[0]}" if dates[0] == dates[-1] else f"from {dates[0]} to {dates[-1]}"
        yield f"the newest valid figure of each kind on this machine, measured {when}."
        if rates := [row.rate for row in rows if row.rate is not None]:
            yield f"req/s per vCPU: {over_what(rates)}."
        yield "image: compressed layers. start: warm, to the first response. limit: the smallest that suffices."
        yield f"$/million: by {prices.compute[0].name}, {prices.compute[0].as_of}, at 50 % of capacity."
    if any(row.is_outdated(figure) for row, figure in figures):
        yield f"{OUTDATED}: measured with other packages than the framework's lock names now."
    of_runtime = [row for row in rows if row.subject.runtime is runtime]
    if (command := fill_command(of_runtime, vcpu=vcpu, selectors=selectors)) is not None:
        yield f"to fill the gaps: {command}"


def fill_command(rows: Sequence[BoardRow], *, vcpu: float, selectors: Mapping[str, str] | None = None) -> str | None:
    """Return the command line that measures what is missing of rows of one runtime; ``None`` if nothing can be.

    ``selectors`` are the values of ``FRAMEWORK=`` that select frameworks, by their names; by default the names.
    """
    runtimes = {row.subject.runtime for row in rows if row.missing}
    if not runtimes or Runtime.FARGATE in runtimes or (Runtime.PROCESS in runtimes and vcpu != int(vcpu)):
        return None
    return " && ".join(
        command for some in _measured_together(rows) for command in _commands(some, vcpu, selectors or {})
    )


def latency_command(subjects: Sequence[Subject], selectors: Mapping[str, str]) -> str | None:
    """Return the command line that measures the response times of stacks at every size; ``None`` if there are none.

    ``selectors`` as for ``fill_command``.
    """
    local = [subject for subject in subjects if subject.runtime is not Runtime.FARGATE]
    alike = _grouped(local, lambda subject: (subject.runtime, subject.python))
    return " && ".join(make_command("latency", _variables(some, selectors)) for some in alike) or None


def _measured_together(rows: Sequence[BoardRow]) -> Iterator[list[BoardRow]]:
    """Yield the rows with gaps in groups, each of which one command can measure.

    A command measures all the frameworks that it names on all its servers, images and Pythons. So rows are grouped by
    server and image if one command for all would measure a stack without gaps again.
    """
    for of_one_python in _grouped(rows, lambda row: row.subject.python):
        lacking = [row for row in of_one_python if row.missing]
        if any(_names(lacking, row.subject) for row in of_one_python if not row.missing):
            yield from _grouped(lacking, lambda row: (row.subject.server, row.subject.image))
        elif lacking:
            yield lacking


def _names(rows: Sequence[BoardRow], subject: Subject) -> bool:
    """Return whether a command for all of ``rows`` would measure ``subject`` too."""
    return all(
        getattr(subject, part) in {getattr(row.subject, part) for row in rows}
        for part in ("framework", "server", "image")
    )


def _grouped(items: Iterable[Item], key: Callable[[Item], object]) -> list[list[Item]]:
    found: dict[object, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def _commands(rows: Sequence[BoardRow], vcpu: float, selectors: Mapping[str, str]) -> Iterator[str]:
    """Yield the commands that measure, for all of ``rows``, whatever any lacks; one for those of the same variables."""
    given = _variables([row.subject for row in rows], selectors)
    missing = {metric for row in rows for metric in row.missing}
    commands = [command for metric, command in COMMANDS.items() if metric in missing]
    for alike in _grouped(commands, lambda command: tuple(_size(command, vcpu).items())):
        yield make_command(" ".join(alike), given | _size(alike[0], vcpu))


def _variables(subjects: Sequence[Subject], selectors: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that select stacks of one runtime and Python."""
    return variables_selecting(
        replace(subject.stack, framework=selectors.get(subject.framework, subject.framework)) for subject in subjects
    )


def _size(command: str, vcpu: float) -> dict[str, str]:
    """Return the variable that makes a command measure at a size, if it does not measure that size by default."""
    size = Size(vcpu=vcpu)
    if command == "memory":
        return {"WORKERS": str(size.workers)} if size.workers > MEMORY_WORKERS else {}
    return {} if command == "sizes" else size.variables


def _figures(row: BoardRow) -> Iterator[Figure]:
    return filter(None, (row.rate, row.compressed, row.start, row.idle, row.limit, row.p99))


def _line(row: BoardRow) -> tuple[str, ...]:
    rate = row.rate.value.estimate if row.rate else None
    return (
        row.subject.name,
        row.subject.runtime,
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
