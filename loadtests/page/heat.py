"""Frameworks by servers as a heat map: a table whose cells are coloured by their rates, and a picture of it. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from loadtests.experiments.loadtest.frameworks_by_server import LEGEND, ByServer, RateOnServer, by_server, lever
from loadtests.page.chart_kinds import WIDE, Shape
from loadtests.page.charts import bar, picture, text
from loadtests.page.model import Page
from loadtests.page.plots import Plot

STEPS = 8
"""The colours of the scale, from the lowest rate to the highest."""
LEFT, TOP, CELL = 170, 100, 62
"""Pixels for the frameworks' names, for the servers' names, and of a cell's width."""
TITLE = "req/s per vCPU by framework and server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A cell of a table that is drawn."""

    text: str
    tip: str
    step: int | None
    """Its step of the colour scale; ``None`` without a colour."""


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """The rates by framework and server with their colours."""

    servers: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Tile]]]
    caption: str


def heat_map(page: Page) -> HeatMap | None:
    """Return the heat map of the page's largest load test on several servers; ``None`` if there is none."""
    tests = [(test, found) for test in page.sources.load_tests
             if test.gives_rates and (found := by_server(test.run, test.summary)) is not None]  # fmt: skip
    if not tests:
        return None
    test, found = max(tests, key=lambda pair: (len(pair[1].values), pair[0].newest_at))
    of = f"Of run {test.ids[0]}." if len(test.ids) == 1 else f"Over runs {', '.join(test.ids)}."
    said = (
        lever(found),
        "Colours are steps of equal ratios; the stronger, the more.",
        LEGEND,
        of,
    )
    return HeatMap(
        servers=found.servers,
        rows=[(row.name, [_tile(rate, found) for rate in row.rates]) for row in found.rows],
        caption=" ".join(filter(None, said)),
    )


def _tile(rate: RateOnServer, found: ByServer) -> Tile:
    return Tile(text=rate.text, tip=f"{rate.text}; {rate.about}", step=_step(rate, found))


def _step(rate: RateOnServer, found: ByServer) -> int | None:
    """Return the step of a rate on a logarithmic scale; the middle one if all rates are alike."""
    if rate.value is None:
        return None
    low, high = min(found.values), max(found.values)
    share = 0.5 if low == high else math.log(rate.value / low) / math.log(high / low)
    return min(STEPS - 1, int(share * STEPS))


def servers(page: Page) -> Plot | None:
    """Plot the heat map."""
    found = heat_map(page)
    if found is None:
        return None
    return Plot(
        id="servers",
        title=TITLE,
        caption=found.caption,
        draw=partial(_drawn, found),
        headings=("framework", *found.servers),
        rows=[(name, *(tile.text for tile in tiles)) for name, tiles in found.rows],
    )


def _drawn(found: HeatMap, *, shape: Shape) -> Markup:
    """Return the table as a picture, whose headings are slanted."""
    headings = (
        f'<g transform="translate({_left(number) + CELL / 2 - 4:g} {TOP - 8}) rotate(-40)">'
        f"{text(0, 0, name, kind='name')}</g>"
        for number, name in enumerate(found.servers)
    )
    lines = (_line(number, name, tiles, found.servers) for number, (name, tiles) in enumerate(found.rows))
    width, height = max(shape.width, _left(len(found.servers)) + 70), TOP + WIDE.row * len(found.rows) + 12
    return picture(width, height, TITLE, found.caption, "".join([*headings, *lines]), kind=shape.kind)


def _line(number: int, name: str, tiles: Sequence[Tile], servers: Sequence[str]) -> str:
    y = TOP + WIDE.row * number
    drawn = (_cell(_left(column), y, tile, f"{name}, {servers[column]}") for column, tile in enumerate(tiles))
    return text(LEFT - 10, y + WIDE.row / 2 + 4, name, anchor="end", kind="name") + "".join(drawn)


def _cell(x: float, y: float, tile: Tile, name: str) -> str:
    kind = "none" if tile.step is None else f"h{tile.step}"
    words = text(
        x + CELL / 2 - 1, y + WIDE.row / 2 + 3, tile.text, anchor="middle", kind="mark" if tile.step is None else ""
    )
    return bar(x, y, CELL - 2, WIDE.row - 2, f"heat {kind}", tip=f"{name}: {tile.tip}") + words


def _left(column: int) -> int:
    return LEFT + CELL * column
