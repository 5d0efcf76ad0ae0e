"""The page's plots: what each shows, its picture, and the same numbers as a table. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from common.records.summary import Interval
from common.words import counted
from loadtests.analysis.formatting import MISSING, US_PER_S, limits, over_what
from loadtests.board.columns import BY_KEY
from loadtests.board.rows import Row
from loadtests.page.chart_kinds import NARROW, WIDE, Axis, Bar, Dot, bars, dots, scatter
from loadtests.page.model import Page

MOST = 40
"""More rows than this do not fit one picture; the table has them all."""
INTERFACES = (("wsgi", "WSGI"), ("asgi", "ASGI"), ("native", "native"), ("floor", "a floor: no framework"))
"""The classes that stacks are coloured by, each with what it means."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture with its caption and its numbers."""

    id: str
    title: str
    caption: str
    draw: Callable[..., Markup]
    """Draws it in a shape."""
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    keys: Sequence[tuple[str, str]] = ()
    """The classes that its marks are coloured by, each with what it means."""
    replay: bool = False

    @property
    def svg(self) -> Markup:
        """Its picture for a screen."""
        return self.draw(shape=WIDE)

    @property
    def narrow(self) -> Markup:
        """Its picture for a phone."""
        return self.draw(shape=NARROW)


def rates(page: Page) -> Plot | None:
    """Plot requests per second per vCPU."""
    return _by_column(
        page, "rate", "Requests per second per vCPU",
        "A dot is the estimate, its line the 95 % interval {over}. The axis is logarithmic: equal distances are equal "
        "ratios.",
    )  # fmt: skip


def prices(page: Page) -> Plot | None:
    """Plot dollars per million requests."""
    return _by_column(page, "dollars", "Dollars per million requests", "At half of capacity, by the first price list.")


def response_times(page: Page) -> Plot | None:
    """Plot the 99th percentile at half of the stack's own capacity."""
    return _by_column(
        page, "p99", "99th percentile at half load",
        "Response times under arrivals at half of each stack's own capacity, counted from the intended send.",
    )  # fmt: skip


def busy_response_times(page: Page) -> Plot | None:
    """Plot the 99th percentile of the load test, whose connections are never idle."""
    return _by_column(
        page, "busy", "99th percentile in a closed loop",
        "Response times while every connection always has a request in flight: what a server that is fully busy does.",
    )  # fmt: skip


def _by_column(page: Page, key: str, title: str, caption: str) -> Plot | None:
    """Plot a column; ``{over}`` in the caption is what its intervals are over."""
    column, known = BY_KEY[key], [row for row in page.rows if key in row.values]
    if not known:
        return None
    known.sort(key=lambda row: -row.values[key].estimate if column.more_is_better else row.values[key].estimate)
    marks = [_dot(row, row.values[key], page) for row in known[:MOST]]
    axis = Axis(label=f"{column.heading}, logarithmic", log=True, show=column.text)
    return Plot(
        id=key,
        title=title,
        caption=caption.format(over=over_what(row.figures[key] for row in known)) + cut(len(known), MOST),
        draw=partial(dots, title, _spoken(marks, column.text), marks, axis),
        headings=("stack", column.heading, "95 % interval"),
        rows=[(page.label(row), column.text(row.values[key].estimate), limits(row.values[key], column.text))
              for row in known],
        keys=_keys(known),
    )  # fmt: skip


def costs(page: Page) -> Plot | None:
    """Plot what a request costs, split into the server and the framework on it; both are of one load test."""
    known = [row for row in page.rows if row.tested and (row.floor or "over" in row.values)]
    if not known:
        return None
    known.sort(key=_cost)
    title, show = "What a request costs in CPU time", BY_KEY["cost"].text
    drawn = [Bar(label=page.label(row), parts=_cost_parts(row)) for row in known[:MOST]]
    return Plot(
        id="costs",
        title=title,
        caption="The server's part is what its floor takes: the same server with a hand-written app and no framework. "
        "The rest is the framework's, with the app in it. A framework that brings its own server has no floor."
        + cut(len(known), MOST),
        draw=partial(
            bars,
            title,
            f"{counted(len(drawn), 'stack')}, the cheapest first.",
            drawn,
            Axis(label="CPU µs/request", show=show),
        ),
        headings=("stack", "server µs", "framework and app µs", "95 % interval"),
        rows=[_cost_line(row, page) for row in known],
        keys=(("server", "server"), ("framework", "framework and app")),
    )


def _cost_line(row: Row, page: Page) -> tuple[str, ...]:
    show = BY_KEY["cost"].text
    server, *framework = (show(size) for _, size in _cost_parts(row))
    if row.floor:
        return page.label(row), server, MISSING, MISSING
    return page.label(row), server, *framework, limits(row.values["over"], show)


def _cost(row: Row) -> float:
    """Return the microseconds of a request in the load test that its cost over the floor is of."""
    assert row.tested is not None
    return row.tested.value.inverse(US_PER_S).estimate


def _cost_parts(row: Row) -> list[tuple[str, float]]:
    if row.floor:
        return [("server", _cost(row))]
    over = max(0.0, row.values["over"].estimate)
    return [("server", _cost(row) - over), ("framework", over)]


def sizes_and_rates(page: Page) -> Plot | None:
    """Plot throughput against the size of the image."""
    known = [row for row in page.rows if {"rate", "image"} <= row.values.keys()]
    if not known:
        return None
    title = "Throughput against image size"
    points = [(_dot(row, row.values["image"], page), row.values["rate"].estimate) for row in known[:MOST]]
    return Plot(
        id="sizes",
        title=title,
        caption="Up and to the left is better: more requests from fewer bytes." + cut(len(known), MOST),
        draw=partial(
            scatter, title, f"{counted(len(points), 'stack')}.", points, Axis(label="image MB, compressed", zero=True),
            Axis(label="req/s per vCPU", log=True),
        ),
        headings=("stack", "image MB", "req/s per vCPU"),
        rows=[(page.label(row), *(BY_KEY[key].text(row.values[key].estimate) for key in ("image", "rate")))
              for row in known],
        keys=_keys(known),
    )  # fmt: skip


def _dot(row: Row, value: Interval, page: Page) -> Dot:
    return Dot(label=page.label(row), value=value.estimate, low=value.low, high=value.high, kind=kind(row))


def kind(row: Row) -> str:
    """Return the class that colours a row's marks."""
    return "floor" if row.floor else row.interface


def _keys(rows: Sequence[Row]) -> list[tuple[str, str]]:
    there = {kind(row) for row in rows}
    return [interface for interface in INTERFACES if interface[0] in there]


def cut(count: int, most: int) -> str:
    """Return the sentence that a caption ends with if only the first ``most`` of some marks are drawn."""
    return f" Only the first {most} of {count} are drawn; the report's tables have them all." if count > most else ""


def _spoken(marks: Sequence[Dot], show: Callable[[float], str]) -> str:
    """Return the first marks in words, for those who do not see the picture."""
    first = ", ".join(f"{mark.label} {show(mark.value)}" for mark in marks[:3])
    return f"{counted(len(marks), 'stack')}; first {first}. The table below has every number."
