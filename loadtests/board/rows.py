"""One row per stack with everything known about it, the table of all rows, and the command that fills gaps. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rich.table import Table

from common.catalog.prices import Prices
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import can_run_several, make_command, variables_selecting
from common.records.figure import Conditions, Figure, Subject
from common.records.summary import Interval, Verdict
from loadtests.analysis.between_runs import in_another_run
from loadtests.analysis.formatting import MISSING, US_PER_S, over_what, plain_table
from loadtests.analysis.verdicts import is_valid
from loadtests.board.bill import DEFAULT_UTILISATION, SCENARIO, cheapest_size, needed_bytes
from loadtests.board.columns import BY_KEY, COLUMNS, MEASURED, Column
from loadtests.board.prices import per_million
from loadtests.statistics.intervals import scaled

SHOWN = (
    *(BY_KEY[key] for key in ("rate", "cost", "image", "start", "idle", "limit")),
    replace(BY_KEY["p99"], digits=1),
    BY_KEY["dollars"],
)
"""The columns of a terminal, which has less room than a page."""
COMMANDS = ("loadtest", "latency", "startup", "memory", "sizes")
"""The commands that fill gaps, in this order."""
HALF = 0.5
OUTDATED = "*"
Item = TypeVar("Item")
MEMORY_WORKERS = 2
"""``make memory`` measures with one worker and with two by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRange:
    """The places that a framework may hold among the others.

    They run from 1 + those significantly better to the count - those significantly worse. Floors do not count.
    """

    first: int
    last: int
    of: int
    """The number of ranked frameworks."""
    ties: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the range as ``2`` or ``2 to 4``."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Everything known about a stack at a size; a page adds what its runs say of the stack."""

    subject: Subject
    vcpu: float
    values: Mapping[str, Interval]
    """By column, in the column's unit."""
    figures: Mapping[str, Figure]
    """The sources of the values, by column."""
    lock_sha256: str | None = None
    """Digest of the framework's present lock; ``None`` if it is unknown."""
    title: str = ""
    version: str | None = None
    interface: str = ""
    keep_alive: bool = True
    floor: bool = False
    """Whether it is a server without a framework."""
    cell: str = ""
    """Name of its cell in the load test that ranks; empty where it has none."""
    rank: RankRange | None = None
    """``None`` for floors, which are no frameworks, and where nothing is ranked."""
    place: int | None = None
    """Its place with the floors, where the load test compares it; rows come in this order."""
    verdict: Verdict | None = None
    """That of the load test that ranks, else of the newest one; ``None`` where no load test holds the stack."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    seen: Figure | None = None
    """Its rate, valid or not, in the load test that gives its verdict; a newer one may be known."""
    own_floor: str = ""
    """The id of the floor's row on the same server, in the same image, at the same size; empty where it has none."""
    best_server: bool = False
    """Whether it is its framework's fastest server, in the same image at the same size."""

    @property
    def id(self) -> str:
        """Its name in the page's address."""
        return f"{self.subject.name}-{self.subject.runtime}-{self.vcpu:g}"

    @property
    def tested(self) -> Figure | None:
        """The rate in the load test that gives its verdict, if it is valid."""
        return self.seen if self.seen is not None and is_valid(self.seen.verdict) else None

    @property
    def doubtful_rate(self) -> Interval | None:
        """The same if the doubts are about it, where no valid rate is known."""
        return self.seen.value if self.seen is not None and "rate" not in self.values else None

    def is_outdated(self, figure: Figure | None) -> bool:
        """Return whether a figure was measured with packages other than those in the framework's present lock."""
        return figure is not None and self.lock_sha256 not in {None, figure.lock_sha256}

    @property
    def missing(self) -> list[str]:
        """The commands whose figures it lacks; a stack without an image has no image size to lack."""
        commands = [command for command in COMMANDS if MEASURED[command].key not in self.figures]
        return [command for command in commands if command != "sizes" or self.subject.image is not None]

    @property
    def record(self) -> dict[str, object]:
        """Its members in JSON."""
        shown = [column.key for column in SHOWN if column.metric]
        figures = {"compressed" if key == "image" else key: self.figures.get(key) for key in shown}
        per_million = self.values.get("dollars")
        return {"subject": self.subject, **figures, "per_million": per_million, "lock_sha256": self.lock_sha256}


def board_rows(
    subjects: Iterable[Subject],
    figures: Sequence[Figure],
    prices: Prices,
    *,
    vcpu: float,
    locks: Mapping[str, str] | None = None,
) -> list[Row]:
    """Return a row for each stack at a size, the fastest first; those without a rate come last.

    ``locks`` are the digests of the frameworks' present locks, by their names.
    """
    rows = [_row(subject, figures, prices, vcpu, (locks or {}).get(subject.framework)) for subject in subjects]
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[bool, float, str]:
    rate = row.values.get("rate")
    return rate is None, -rate.estimate if rate else 0.0, row.subject.name


def _row(subject: Subject, figures: Sequence[Figure], prices: Prices, vcpu: float, lock_sha256: str | None) -> Row:
    own = [figure for figure in figures if figure.subject == subject]
    workers = Size(vcpu=vcpu).workers if can_run_several(subject.framework, subject.server) else 1
    conditions = Conditions(scenario=SCENARIO, vcpu=vcpu, workers=workers, load_share=HALF)
    found = {column.key: figure for column in COLUMNS if (figure := column.find(own, conditions)) is not None}
    values = {key: scaled(figure.value, BY_KEY[key].scale) for key, figure in found.items()}
    if (rate := found.get("rate")) is not None:
        found |= {"cost": rate, "dollars": rate}
        values["cost"] = rate.value.inverse(US_PER_S)
        if (cost := _per_million(rate, own, prices)) is not None:
            values["dollars"] = cost
    return Row(subject=subject, vcpu=vcpu, values=values, figures=found, lock_sha256=lock_sha256)


def _per_million(rate: Figure, figures: Sequence[Figure], prices: Prices) -> Interval | None:
    offer, several = prices.compute[0], can_run_several(rate.subject.framework, rate.subject.server)
    size = cheapest_size(offer, prices, rate.value, needed_bytes(figures), several=several)
    return None if size is None else per_million(offer, size, in_another_run(rate), DEFAULT_UTILISATION)


def rows_table(rows: Sequence[Row], *, vcpu: float) -> Table:
    """Return a row for each stack."""
    headings = ("stack", "runtime", *(column.heading.replace("µ", "u") for column in SHOWN))
    return plain_table(f"everything known at {vcpu:g} vCPU", headings, map(_line, rows), left={"stack", "runtime"})


def rows_notes(
    rows: Sequence[Row],
    prices: Prices,
    *,
    vcpu: float,
    runtime: Runtime,
    selectors: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each; gaps are those of a runtime.

    ``selectors`` as for ``fill_command``.
    """
    figures = [(row, figure) for row in rows for figure in row.figures.values()]
    dates = sorted({f"{figure.measured_at:%Y-%m-%d}" for _, figure in figures})
    if dates:
        when = f"on {dates[0]}" if dates[0] == dates[-1] else f"from {dates[0]} to {dates[-1]}"
        yield f"the newest valid figure of each kind on this machine, measured {when}."
        if rates := [row.figures["rate"] for row in rows if "rate" in row.figures]:
            yield f"req/s per vCPU: {over_what(rates)}."
        yield "image: compressed layers. start: warm, to the first response. limit: the smallest that suffices."
        yield f"$/million: by {prices.compute[0].name}, {prices.compute[0].as_of}, at 50 % of capacity."
    if any(row.is_outdated(figure) for row, figure in figures):
        yield f"{OUTDATED}: measured with other packages than the framework's lock names now."
    of_runtime = [row for row in rows if row.subject.runtime is runtime]
    if (command := fill_command(of_runtime, vcpu=vcpu, selectors=selectors)) is not None:
        yield f"to fill the gaps: {command}"


def fill_command(rows: Sequence[Row], *, vcpu: float, selectors: Mapping[str, str] | None = None) -> str | None:
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


def _measured_together(rows: Sequence[Row]) -> Iterator[list[Row]]:
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


def _names(rows: Sequence[Row], subject: Subject) -> bool:
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


def _commands(rows: Sequence[Row], vcpu: float, selectors: Mapping[str, str]) -> Iterator[str]:
    """Yield the commands that measure whatever any row lacks, joined if they take the same variables."""
    given = _variables([row.subject for row in rows], selectors)
    missing = {command for row in rows for command in row.missing}
    commands = [command for command in COMMANDS if command in missing]
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


def _line(row: Row) -> tuple[str, ...]:
    return (row.subject.name, row.subject.runtime, *(_cell(row, column) for column in SHOWN))


def _cell(row: Row, column: Column) -> str:
    value, figure = row.values.get(column.key), row.figures.get(column.key)
    if value is None:
        return MISSING
    return f"{column.text(value.estimate)}{OUTDATED if column.metric and row.is_outdated(figure) else ''}"
