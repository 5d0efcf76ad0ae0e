"""Frameworks by servers: the rate of each on each, why some have none, and which of the two matters more. Pure."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from common.catalog.servers import SERVERS
from common.catalog.stacks import StackName
from common.records.run import Cell, LoadRun
from common.records.summary import CellSummary, Summary
from common.words import without_version
from loadtests.analysis.formatting import MISSING, limits, plain_table
from loadtests.analysis.verdicts import is_valid

INTERFACES = ("wsgi", "asgi", "rsgi", "native")
"""Rows come in this order, and columns by the interfaces that they serve."""
NO_FIT = "n/a"
FEWEST = 2
"""The fewest frameworks that have this many servers or more each."""
LEGEND = (
    f"{NO_FIT}: the server does not speak the framework's interface; {MISSING}: not measured; in brackets: in doubt, "
    "and not compared."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateOnServer:
    """A framework on a server."""

    text: str
    about: str
    """Its interval and verdict, or why it has no number."""
    value: float | None = None
    """Requests per CPU-second, if they are valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A framework, in one image and Python, with its rate on each server."""

    name: str
    rates: Sequence[RateOnServer]
    floor: bool = False

    @property
    def best(self) -> float:
        """Its rate on its fastest server; 0 if none is valid."""
        return max((rate.value or 0.0 for rate in self.rates), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByServer:
    """The rates of all frameworks of a load test on all its servers."""

    servers: Sequence[str]
    rows: Sequence[Row]

    @property
    def values(self) -> list[float]:
        """Every valid rate."""
        return [rate.value for row in self.rows for rate in row.rates if rate.value is not None]


def on_several_servers(stacks: Iterable[tuple[str, str]]) -> bool:
    """Return whether two frameworks or more are on two servers or more each; ``stacks`` are their names."""
    counts = Counter(framework for framework, _ in set(stacks))
    return sum(count >= FEWEST for count in counts.values()) >= FEWEST


def by_server(run: LoadRun, summary: Summary) -> ByServer | None:
    """Return the rates by framework and server; ``None`` unless several frameworks are on several servers."""
    cells = [cell for cell in run.cells if cell.control_of is None and cell.guest is None]
    if not on_several_servers((cell.framework, cell.server) for cell in cells):
        return None
    results = {row.cell: row for row in summary.cells}
    several = len({(cell.image, cell.python) for cell in cells}) > 1
    places: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        place = StackName(framework=cell.framework, image=cell.image, python=cell.python_asked)
        places.setdefault(str(place) if several else cell.framework, {})[cell.server] = cell
    servers = sorted({cell.server for cell in cells}, key=lambda name: _column_place(name, cells, results))
    rows = sorted(
        (_row(name, of, servers, results) for name, of in places.items()),
        key=lambda row: (_interface_place(row.name, places), -row.best),
    )
    return ByServer(servers=servers, rows=rows)


def _interface_place(name: str, places: Mapping[str, Mapping[str, Cell]]) -> int:
    return INTERFACES.index(next(iter(places[name].values())).interface)


def _column_place(server: str, cells: Sequence[Cell], results: Mapping[str, CellSummary]) -> tuple[float, float, str]:
    """Return the sort key of a column: the interfaces of a server's frameworks, then its best rate, then its name."""
    own = [cell for cell in cells if cell.server == server]
    interfaces = {INTERFACES.index(cell.interface) for cell in own}
    best = max((_estimate(results.get(cell.name)) or 0.0 for cell in own), default=0.0)
    return statistics.fmean(interfaces), -best, server


def _estimate(row: CellSummary | None) -> float | None:
    if row is None or row.requests_per_cpu_s is None or not is_valid(row.verdict):
        return None
    return row.requests_per_cpu_s.estimate


def _row(name: str, of: Mapping[str, Cell], servers: Sequence[str], results: Mapping[str, CellSummary]) -> Row:
    first = next(iter(of.values()))
    rates = [_rate(of.get(server), results) or _no_rate(first, server) for server in servers]
    return Row(name=name, rates=rates, floor=first.is_floor)


def _rate(cell: Cell | None, results: Mapping[str, CellSummary]) -> RateOnServer | None:
    if cell is None or (row := results.get(cell.name)) is None:
        return None
    reasons = " ".join(f"{verdict}: {seen}" for verdict, seen in row.doubts.items())
    if row.requests_per_cpu_s is None:
        return RateOnServer(text=MISSING, about=reasons)
    text = f"{row.requests_per_cpu_s.estimate:,.0f}"
    between = limits(row.requests_per_cpu_s, lambda value: f"{value:,.0f}")
    about = "; ".join(filter(None, (f"95 % interval {between}", reasons)))
    value = _estimate(row)
    return RateOnServer(text=text if value is not None else f"({text})", about=about, value=value)


def _no_rate(cell: Cell, server: str) -> RateOnServer:
    known = SERVERS.get(without_version(server))
    if known is not None and cell.interface not in known.interfaces:
        return RateOnServer(text=NO_FIT, about=f"{server} does not serve {cell.interface}")
    return RateOnServer(text=MISSING, about=f"{cell.framework} on {server} was not measured")


def table(found: ByServer) -> Table:
    """Return the rates as a table: a row for each framework, a column for each server."""
    lines = [(row.name, *(rate.text for rate in row.rates)) for row in found.rows]
    headings = ("framework", *found.servers)
    return plain_table("req/s per vCPU by framework and server", headings, lines, left={"framework"})


def lever(found: ByServer) -> str | None:
    """Return the sentence on how much the server matters, and how much the framework; ``None`` if nobody can say."""
    rows = [row for row in found.rows if not row.floor]
    by_framework = {row.name: spread for row in rows if (spread := _spread(_on_servers(row, found)))}
    columns = ({row.name: row.rates[number].value for row in rows} for number, _ in enumerate(found.servers))
    on_servers = [spread for column in columns if (spread := _spread(column))]
    if len(by_framework) < FEWEST or not on_servers:
        return None
    of_servers, of_frameworks = (
        statistics.median(spread.ratio for spread in spreads) for spreads in (by_framework.values(), on_servers)
    )
    name, most = max(by_framework.items(), key=lambda pair: pair[1].ratio)
    larger = "server" if of_servers > of_frameworks else "framework"
    return (
        f"A framework's fastest server carries {of_servers:.1f} times as many requests per vCPU as its slowest (median "
        f"of {len(by_framework)} frameworks; {name} reads {most.high:,.0f} on {most.fastest} and {most.low:,.0f} on "
        f"{most.slowest}). The fastest framework on a server carries {of_frameworks:.1f} times as many as the slowest "
        f"on it (median of {len(on_servers)} servers). So the {larger} is the larger lever."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    fastest: str
    high: float
    slowest: str
    low: float

    @property
    def ratio(self) -> float:
        return self.high / self.low


def _on_servers(row: Row, found: ByServer) -> dict[str, float | None]:
    return {server: rate.value for server, rate in zip(found.servers, row.rates, strict=True)}


def _spread(values: Mapping[str, float | None]) -> _Spread | None:
    """Return the fastest and the slowest of at least two."""
    known = {name: value for name, value in values.items() if value is not None}
    if len(known) < FEWEST:
        return None
    fastest, slowest = max(known, key=lambda name: known[name]), min(known, key=lambda name: known[name])
    return _Spread(fastest=fastest, high=known[fastest], slowest=slowest, low=known[slowest])


def notes(found: ByServer) -> Iterator[str]:
    """Yield what a reader has to know beside the table."""
    yield LEGEND
    if (sentence := lever(found)) is not None:
        yield sentence
