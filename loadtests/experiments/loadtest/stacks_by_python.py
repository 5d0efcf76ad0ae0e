"""Stacks by Pythons: the rate of each on each Python over that on the usual one, within rounds. Pure."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from common.catalog.frameworks import frameworks
from common.catalog.pythons import PYPY, Python, python_place, python_series
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack, StackName, usual_python
from common.records.run import Cell, LoadRun, is_load_test
from common.records.summary import CellSummary, Interval, Summary
from common.words import counted, without_version
from loadtests.analysis.formatting import MISSING, bounds, estimate, number, plain_table, with_bounds
from loadtests.analysis.outcome import between
from loadtests.analysis.verdicts import is_valid

NOT_AVAILABLE = "n/a"
FEWEST = 2
"""The fewest Pythons that are compared."""
MEDIANS = ("p99", "image", "until_warm_s", "until_warm_requests")
"""What is known of a Python as the median over its stacks."""
LEGEND = (
    f"{NOT_AVAILABLE}: the stack cannot be brought up on this Python; {MISSING}: not measured; in brackets without an "
    "interval: in doubt, and not counted."
)
HEADINGS = ("Python", "stacks", "median ratio", "least", "most", "p99", "image", "warm after s", "warm after requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPython:
    """A stack on a Python, against the same stack on the usual one."""

    text: str
    about: str
    """Its interval, rate and verdict, or why it has no number."""
    ratio: Interval | None = None
    """Its rate over that on the usual Python, if both are valid."""
    p99: float | None = None
    """Its 99th percentile over that on the usual Python, if both are valid."""
    image: float | None = None
    """The size of its image over that on the usual Python, if both are recorded."""
    until_warm_s: float | None = None
    """How long a fresh server was loaded until it was warm."""
    until_warm_requests: float | None = None
    """How many requests it had answered by then."""
    decision: str = ""
    """What was decided of the two, if the ratio is valid."""

    @property
    def whole(self) -> str:
        """The ratio with its interval, where it has one."""
        return self.text if self.ratio is None else with_bounds(self.ratio, digits=2)

    @property
    def decided(self) -> str:
        """The ratio with its interval and what was decided, where it has one."""
        return ", ".join(filter(None, (self.whole, self.decision)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A stack with its rate on the usual Python, and what it is on each of the others."""

    name: str
    rate: CellSummary | None
    others: Sequence[OnPython]
    floor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPython:
    """The stacks of a load test on all its Pythons."""

    usual: str
    others: Sequence[str]
    """All Pythons but the usual one."""
    rows: Sequence[Row]


def python_of(cell: Cell) -> str:
    """Return the Python of a cell as tables name it: as it was asked for."""
    return cell.python_asked or python_series(cell.python)


def on_several_pythons(cells: Iterable[Cell]) -> bool:
    """Return whether a stack is on two Pythons or more."""
    stacks: dict[tuple[object, ...], set[str]] = {}
    for cell in cells:
        if cell.guest is None:
            stacks.setdefault(_stack(cell), set()).add(python_of(cell))
    return any(len(pythons) >= FEWEST for pythons in stacks.values())


def _stack(cell: Cell) -> tuple[object, ...]:
    return cell.framework, cell.server, cell.image


def by_python(run: LoadRun, summary: Summary) -> ByPython | None:
    """Return the stacks of a load test by Python; ``None`` unless one is on several.

    Ratios are to the Python that is usual in the run's images or processes, or if it is not in the run, to the first.
    """
    cells = [cell for cell in run.cells if cell.control_of is None and cell.guest is None]
    if not is_load_test(run) or not on_several_pythons(cells):
        return None
    usual, *others = _pythons(run, cells)
    places: dict[tuple[object, ...], dict[str, Cell]] = {}
    for cell in cells:
        places.setdefault(_stack(cell), {})[python_of(cell)] = cell
    test = _LoadTest(run=run, summary=summary, several_images=len({cell.image for cell in cells}) > 1)
    rows = [test.row(of, usual, others) for of in places.values()]
    return ByPython(usual=usual, others=others, rows=sorted(rows, key=_place))


def _pythons(run: LoadRun, cells: Sequence[Cell]) -> list[str]:
    """Return the Pythons of a run, the usual one first."""
    asked = {name for of in (map(python_of, cells), _of_unavailable(run)) for name in of}
    usual = usual_python(cells[0].image)
    return sorted(asked, key=lambda name: (name != usual, python_place(name)))


def _of_unavailable(run: LoadRun) -> Iterator[str]:
    for name in run.unavailable:
        python = StackName.parse(name, variable="unavailable").python
        if python is not None:
            yield python


def _place(row: Row) -> tuple[float, str]:
    return -(_rate(row.rate) or 0.0), row.name


class _LoadTest:
    """A load test whose stacks are compared with themselves."""

    def __init__(self, run: LoadRun, summary: Summary, *, several_images: bool) -> None:
        self._run = run
        self._pairs = {frozenset((pair.a, pair.b)): (pair,) for pair in summary.pairs}
        self._results = {row.cell: row for row in summary.cells}
        self._several_images = several_images
        self._sizes = {cell.name: cell.image_bytes for cell in run.cells}

    def row(self, of: Mapping[str, Cell], usual: str, others: Sequence[str]) -> Row:
        """Return the row of a stack, given its cells by Python."""
        first = next(iter(of.values()))
        image = first.image if self._several_images else None
        base = self._results.get(of[usual].name) if usual in of else None
        found = {python: self._results.get(cell.name) for python, cell in of.items()}
        return Row(
            name=str(StackName(framework=first.framework, server=first.server, image=image)),
            rate=base,
            others=[
                self._missing(first, python) if (row := found.get(python)) is None else self._compared(row, base)
                for python in others
            ],
            floor=first.is_floor,
        )

    def _compared(self, row: CellSummary, base: CellSummary | None) -> OnPython:
        """Return a stack against itself on the usual Python; by the estimates alone if either is in doubt."""
        reasons = _reasons(row)
        rate = f"{with_bounds(row.requests_per_cpu_s)} req/s per vCPU"
        if base is None or not (own := _rate(row)) or not (usual := _rate(base)):
            return OnPython(text=MISSING, about=reasons or f"{rate}; without a rate on the usual Python")
        pair = between(self._pairs.get(frozenset((row.cell, base.cell)), ()), row.cell, base.cell)
        if pair is None or pair.ratio is None:
            why = reasons or f"in doubt on the usual Python: {_reasons(base)}"
            return OnPython(text=f"({own / usual:.2f})", about=f"{rate}; {why}")
        seen = f"95 % interval {bounds(pair.ratio, digits=3)}, {pair.decision}"
        return OnPython(
            text=estimate(pair.ratio, digits=2),
            about="; ".join(filter(None, (seen, rate, reasons))),
            ratio=pair.ratio,
            p99=None if row.p99_s is None or base.p99_s is None else row.p99_s.estimate / base.p99_s.estimate,
            image=self._image_ratio(row.cell, base.cell),
            until_warm_s=None if row.until_warm_s is None else row.until_warm_s.estimate,
            until_warm_requests=None if row.until_warm_requests is None else row.until_warm_requests.estimate,
            decision=str(pair.decision),
        )

    def _image_ratio(self, cell: str, base: str) -> float | None:
        own, usual = self._sizes.get(cell), self._sizes.get(base)
        return own / usual if own and usual else None

    def _missing(self, like: Cell, python: str) -> OnPython:
        """Return why a stack has no number: the run's own reason, or what its folder or its server says."""
        name = StackName(framework=like.framework, server=like.server, image=like.image, python=python)
        reason = self._run.unavailable.get(str(name)) or _declared(like, python)
        if reason is not None:
            return OnPython(text=NOT_AVAILABLE, about=reason)
        return OnPython(text=MISSING, about=f"{name} was not measured")


def _rate(row: CellSummary | None) -> float | None:
    return None if row is None or row.requests_per_cpu_s is None else row.requests_per_cpu_s.estimate


def _reasons(row: CellSummary) -> str:
    return " ".join(f"{verdict}: {seen}" for verdict, seen in row.doubts.items())


def _declared(like: Cell, python: str) -> str | None:
    framework, server = without_version(like.framework), without_version(like.server)
    known = frameworks(only=framework).get(framework)
    if known is None or server not in SERVERS or not Python.parse(python).pypy:
        return None
    return Stack(framework=known, server=SERVERS[server]).unavailable(PYPY)


def table(found: ByPython, *, decided: bool = False) -> Table:
    """Return a row for each stack: its rate on the usual Python, and the ratio to that on each of the others.

    ``decided`` adds what was decided of each ratio.
    """
    headings = ("stack", f"req/s per vCPU on {found.usual}", *found.others)
    lines = [
        (
            row.name,
            "" if row.rate is None else _rate_text(row.rate),
            *(other.decided if decided else other.whole for other in row.others),
        )
        for row in found.rows
    ]
    return plain_table(f"by Python: the rate over that on {found.usual}", headings, lines, left={"stack"})


def _rate_text(row: CellSummary) -> str:
    text = estimate(row.requests_per_cpu_s)
    return text if is_valid(row.verdict) or text == MISSING else f"({text})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What a Python makes of the frameworks' stacks; floors do not count."""

    python: str
    ratios: Mapping[str, float]
    """The valid ratios, by the stacks' names."""
    p99: float | None
    """The median over stacks of the 99th percentile over that on the usual Python."""
    image: float | None
    """The median over stacks of the size of the image over that on the usual Python."""
    until_warm_s: float | None
    """The median over stacks of the load until a fresh server was warm."""
    until_warm_requests: float | None
    """The same in requests."""

    @property
    def median(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios.values())

    @property
    def least(self) -> str:
        """The stack that gains least."""
        return min(self.ratios, key=lambda name: self.ratios[name])

    @property
    def most(self) -> str:
        """The stack that gains most."""
        return max(self.ratios, key=lambda name: self.ratios[name])


def spreads(found: ByPython) -> list[Spread]:
    """Return what each Python makes of the stacks that have a valid ratio on it, without Pythons on which none has."""
    return [spread for column, python in enumerate(found.others) if (spread := _spread(found, column, python)).ratios]


def _spread(found: ByPython, column: int, python: str) -> Spread:
    on = {row.name: row.others[column] for row in found.rows if not row.floor}
    ratios = {name: cell.ratio.estimate for name, cell in on.items() if cell.ratio is not None}
    medians = {name: _median(getattr(cell, name) for cell in on.values()) for name in MEDIANS}
    return Spread(python=python, ratios=ratios, **medians)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def spread_table(found: ByPython) -> Table:
    """Return a row for each Python: how many stacks, the median ratio, both ends, p99, and how soon they are warm."""
    rows = [
        (
            spread.python,
            str(len(spread.ratios)),
            f"{spread.median:.2f}",
            f"{spread.ratios[spread.least]:.2f} {spread.least}",
            f"{spread.ratios[spread.most]:.2f} {spread.most}",
            number(spread.p99, digits=2),
            number(spread.image, digits=2),
            number(spread.until_warm_s, digits=1),
            number(spread.until_warm_requests),
        )
        for spread in spreads(found)
    ]
    return plain_table(f"Pythons against {found.usual}", HEADINGS, rows, left={"Python", "least", "most"})


def answer(found: ByPython) -> str | None:
    """Return which Python carries most, of those on which most frameworks run; ``None`` if no ratio is valid."""
    frameworks_here = sum(not row.floor for row in found.rows)
    broad = [spread for spread in spreads(found) if 2 * len(spread.ratios) > frameworks_here]
    if not broad:
        return None
    best = max(broad, key=lambda spread: spread.median)
    if best.median > 1:
        least = f"{best.ratios[best.least]:.2f} times as many with {best.least} at least"
        return f"{best.python} carries {best.median:.2f} times as many requests per vCPU as {found.usual}, {least}."
    return f"{found.usual} carries the most requests per vCPU of the Pythons on which most frameworks run."


def sentence(found: ByPython) -> str | None:
    """Return what each Python makes of the stacks in words, the best first; ``None`` if no ratio is valid."""
    known = sorted(spreads(found), key=lambda spread: -spread.median)
    if not known:
        return None
    said = [f"{spread.median:.2f} on {spread.python} ({_range(spread)})" for spread in known]
    return f"Requests per vCPU over those on Python {found.usual}, median over frameworks: {'; '.join(said)}."


def _range(spread: Spread) -> str:
    if len(spread.ratios) == 1:
        return spread.least
    low, high = (f"{spread.ratios[name]:.2f} {name}" for name in (spread.least, spread.most))
    return f"{counted(len(spread.ratios), 'stack')}, {low} to {high}"


def without_ratio(found: ByPython) -> Iterator[str]:
    """Yield the stacks that have no valid ratio on a Python, together by Python and reason."""
    stacks: dict[tuple[str, str], list[str]] = {}
    for column, python in enumerate(found.others):
        for row in found.rows:
            if (on := row.others[column]).ratio is None:
                stacks.setdefault((python, on.about), []).append(row.name)
    for (python, reason), names in stacks.items():
        yield f"no ratio on {python}: {', '.join(names)}: {reason.rstrip('.')}."


def notes(found: ByPython) -> Iterator[str]:
    """Yield what a reader has to know beside the tables."""
    yield (
        f"by Python: ratios are within rounds, with 95 % intervals; p99 is the median of the closed loop's 99th "
        f"percentile over that on {found.usual}, image that of the uncompressed image's size; warm after: the median "
        "load until a fresh server was warm."
    )
    yield LEGEND
    if (said := sentence(found)) is not None:
        yield said
