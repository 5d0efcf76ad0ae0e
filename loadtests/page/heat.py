"""Heat maps of frameworks by servers and stacks by Pythons: tables whose cells are coloured, and pictures. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from loadtests.analysis.formatting import MISSING, estimate
from loadtests.experiments.loadtest import frameworks_by_server, stacks_by_python
from loadtests.page.chart_kinds import PX_PER_CHARACTER, WIDE, Shape
from loadtests.page.charts import bar, picture, text
from loadtests.page.model import Page
from loadtests.page.plots import Plot
from loadtests.page.sources import JoinedLoadTest

STEPS = 8
"""The colours of the scale, from the lowest rate to the highest."""
LEFT, TOP, CELL = 170, 100, 62
"""Pixels for the names of rows at least, for those of columns, and of a cell's width."""
COLOURS = "Colours are steps of equal ratios; the stronger, the more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A cell of a table that is drawn."""

    text: str
    tip: str
    step: int | None
    """Its step of the colour scale; ``None`` without a colour."""


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A table whose cells are coloured by their values."""

    id: str
    subject: str
    """What a page's section about it is headed."""
    title: str
    corner: str
    """The heading of the rows' names."""
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Tile]]]
    caption: str


def heat_maps(pages: Iterable[Page]) -> list[HeatMap]:
    """Return each kind of heat map, of the first page that has it."""
    known = list(pages)
    return [found for make in (by_servers, by_pythons) if (found := next(_made(make, known), None)) is not None]


def _made(make: Callable[[Page], HeatMap | None], pages: Iterable[Page]) -> Iterator[HeatMap]:
    yield from filter(None, map(make, pages))


def by_servers(page: Page) -> HeatMap | None:
    """Return the rates in the page's largest load test on several servers; ``None`` if there is none."""
    tests = [(test, found) for test in page.sources.load_tests
             if test.gives_rates and (found := frameworks_by_server.by_server(test.run, test.summary))]  # fmt: skip
    if not tests:
        return None
    test, found = max(tests, key=lambda pair: (len(pair[1].values), pair[0].newest_at))
    return HeatMap(
        id="servers",
        subject="Framework and server",
        title="req/s per vCPU by framework and server",
        corner="framework",
        columns=found.servers,
        rows=[
            (row.name, [Tile(text=rate.text, tip=f"{rate.text}; {rate.about}", step=_step(rate.value, found.values))
                        for rate in row.rates])
            for row in found.rows
        ],
        caption=_caption(frameworks_by_server.lever(found), frameworks_by_server.LEGEND, test),
    )  # fmt: skip


def by_pythons(page: Page) -> HeatMap | None:
    """Return the ratios in the page's largest load test on several Pythons; ``None`` if there is none."""
    tests = [(test, found) for test in page.sources.load_tests
             if test.gives_rates and (found := stacks_by_python.by_python(test.run, test.summary))]  # fmt: skip
    if not tests:
        return None
    test, found = max(tests, key=lambda pair: (len(pair[1].rows) * len(pair[1].others), pair[0].newest_at))
    return HeatMap(
        id="pythons",
        subject="Which Python",
        title=f"req/s per vCPU over those on Python {found.usual}",
        corner="stack",
        columns=(f"{found.usual}, req/s", *found.others),
        rows=[(row.name, [*_ratios(row, found)]) for row in found.rows],
        caption=_caption(stacks_by_python.sentence(found), stacks_by_python.LEGEND, test),
    )


def _ratios(row: stacks_by_python.Row, found: stacks_by_python.ByPython) -> Iterator[Tile]:
    """Yield the rate of a stack on the usual Python, which has no colour, and its ratios on the others."""
    rate = MISSING if row.rate is None else estimate(row.rate.requests_per_cpu_s)
    yield Tile(text=rate, tip=f"{rate} req/s per vCPU on {found.usual}", step=None)
    ratios = [on.ratio.estimate for other in found.rows for on in other.others if on.ratio is not None]
    for on in row.others:
        step = _step(None if on.ratio is None else on.ratio.estimate, ratios)
        yield Tile(text=on.text, tip=f"{on.whole}; {on.about}", step=step)


def _caption(said: str | None, legend: str, test: JoinedLoadTest) -> str:
    of = f"Of run {test.ids[0]}." if len(test.ids) == 1 else f"Over runs {', '.join(test.ids)}."
    return " ".join(filter(None, (said, COLOURS, legend, of)))


def _step(value: float | None, values: Sequence[float]) -> int | None:
    """Return the step of a value on a logarithmic scale of all values; the middle one if they are alike."""
    if value is None:
        return None
    low, high = min(values), max(values)
    share = 0.5 if low == high else math.log(value / low) / math.log(high / low)
    return min(STEPS - 1, int(share * STEPS))


def servers(page: Page) -> Plot | None:
    """Plot the rates by framework and server."""
    return _plot(by_servers(page))


def pythons(page: Page) -> Plot | None:
    """Plot the ratios by stack and Python."""
    return _plot(by_pythons(page))


def _plot(found: HeatMap | None) -> Plot | None:
    if found is None:
        return None
    return Plot(
        id=found.id,
        title=found.title,
        caption=found.caption,
        draw=partial(_drawn, found),
        headings=(found.corner, *found.columns),
        rows=[(name, *(tile.text for tile in tiles)) for name, tiles in found.rows],
    )


def _drawn(found: HeatMap, *, shape: Shape) -> Markup:
    """Return the table as a picture, whose headings are slanted."""
    left = max(LEFT, *(int(PX_PER_CHARACTER * len(name)) + 16 for name, _ in found.rows))
    headings = (
        f'<g transform="translate({left + CELL * number + CELL / 2 - 4:g} {TOP - 8}) rotate(-40)">'
        f"{text(0, 0, name, kind='name')}</g>"
        for number, name in enumerate(found.columns)
    )
    lines = (_line(number, name, tiles, found, left) for number, (name, tiles) in enumerate(found.rows))
    width, height = max(shape.width, left + CELL * len(found.columns) + 70), TOP + WIDE.row * len(found.rows) + 12
    return picture(width, height, found.title, found.caption, "".join([*headings, *lines]), kind=shape.kind)


def _line(number: int, name: str, tiles: Sequence[Tile], found: HeatMap, left: int) -> str:
    y = TOP + WIDE.row * number
    drawn = (_cell(left + CELL * at, y, tile, f"{name}, {found.columns[at]}") for at, tile in enumerate(tiles))
    return text(left - 10, y + WIDE.row / 2 + 4, name, anchor="end", kind="name") + "".join(drawn)


def _cell(x: float, y: float, tile: Tile, name: str) -> str:
    kind = "none" if tile.step is None else f"h{tile.step}"
    words = text(
        x + CELL / 2 - 1, y + WIDE.row / 2 + 3, tile.text, anchor="middle", kind="mark" if tile.step is None else ""
    )
    return bar(x, y, CELL - 2, WIDE.row - 2, f"heat {kind}", tip=f"{name}: {tile.tip}") + words
