"""The kinds of charts that plots are made of: dots with intervals, stacked bars, curves, scattered points. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from loadtests.page.svg import (
    Scale,
    bar,
    dot,
    fitted,
    line,
    picture,
    polyline,
    short_number,
    text,
    x_axis,
    y_axis,
)

WIDTH = 800
LABELS = 300
"""Pixels to the left for names."""
RIGHT = 20
ROW = 24
BOTTOM = 48
KINDS = 8
"""The number of colours that series have in turn, each with a dash pattern of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A value with its interval."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = ""
    """A class that colours it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of parts, one after the other."""

    label: str
    parts: Sequence[tuple[str, float]]
    """Each part's class and size, from left to right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A named line."""

    label: str
    points: Sequence[tuple[float, float]]
    marked: str = ""
    """The text shown at its end and in its tooltip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis' label, its scale and how its values are written: on its ticks, and in full in tooltips."""

    label: str
    log: bool = False
    zero: bool = False
    tick: Callable[[float], str] = short_number
    show: Callable[[float], str] = short_number


def dots(title: str, description: str, rows: Sequence[Dot], axis: Axis) -> Markup:
    """Return a dot and its interval per row, on one axis."""
    edges = [edge for row in rows for edge in (row.value, row.low, row.high) if edge is not None]
    scale = fitted(edges, LABELS, WIDTH - RIGHT, log=axis.log, zero=axis.zero)
    bottom = 10 + ROW * len(rows)
    body = [*x_axis(scale, 4, bottom, axis.label, axis.tick)]
    for number, row in enumerate(rows):
        body += _dot_row(row, scale, 10 + ROW * number + ROW / 2, axis)
    return picture(WIDTH, bottom + BOTTOM, title, description, "".join(body))


def _dot_row(row: Dot, scale: Scale, y: float, axis: Axis) -> Iterator[str]:
    yield text(LABELS - 10, y + 4, row.label, anchor="end", kind="name")
    if row.low is not None and row.high is not None:
        yield line(scale(row.low), y, scale(row.high), y, f"interval {row.kind}")
    yield dot(scale(row.value), y, f"dot {row.kind}", tip=f"{row.label}: {axis.show(row.value)}")


def bars(title: str, description: str, rows: Sequence[Bar], axis: Axis, *, replay: bool = False) -> Markup:
    """Return a stacked bar per row; ``replay`` lets each part take as many seconds as it is long, one after another."""
    scale = fitted([sum(size for _, size in row.parts) for row in rows], LABELS, WIDTH - RIGHT, zero=True)
    bottom = 10 + ROW * len(rows)
    body = [*x_axis(scale, 4, bottom, axis.label, axis.tick)]
    for number, row in enumerate(rows):
        y = 10 + ROW * number
        body.append(text(LABELS - 10, y + ROW / 2 + 4, row.label, anchor="end", kind="name"))
        body += _parts(row, scale, y + 4, axis, replay=replay)
    return picture(WIDTH, bottom + BOTTOM, title, description, "".join(body))


def _parts(row: Bar, scale: Scale, y: float, axis: Axis, *, replay: bool) -> Iterator[str]:
    before = 0.0
    for kind, size in row.parts:
        left, right = scale(before), scale(before + size)
        style = f"--for:{size:.3f}s;--after:{before:.3f}s" if replay else ""
        yield bar(left, y, right - left, ROW - 8, f"part {kind}", tip=f"{row.label}, {kind}: {axis.show(size)}",
                  style=style)  # fmt: skip
        before += size


def curves(title: str, description: str, series: Sequence[Series], x: Axis, y: Axis) -> Markup:
    """Return a line per series, with a legend below."""
    height, left, top = 300, 64, 34
    xs = [at for one in series for at, _ in one.points]
    ys = [at for one in series for _, at in one.points]
    across, up = fitted(xs, left, WIDTH - RIGHT, log=x.log), fitted(ys, height, top, log=y.log, zero=y.zero)
    body = [*x_axis(across, top, height, x.label, x.tick), *y_axis(up, left, WIDTH - RIGHT, y.label, y.tick)]
    for number, one in enumerate(series):
        points = [(across(at), up(value)) for at, value in one.points]
        body.append(polyline(points, f"curve s{number % KINDS}", tip=_named(one)))
        body += _legend(one, number, height + BOTTOM + 14)
    rows = -(-len(series) // 2)
    return picture(WIDTH, height + BOTTOM + 14 + rows * 20, title, description, "".join(body))


def _legend(one: Series, number: int, top: float) -> Iterator[str]:
    x, y = 64 + (number % 2) * 350, top + (number // 2) * 20
    yield line(x, y, x + 28, y, f"curve s{number % KINDS}")
    yield text(x + 36, y + 4, one.label, kind="name")
    if one.marked:
        yield text(x + 344, y + 4, one.marked, anchor="end", kind="mark")


def _named(one: Series) -> str:
    return f"{one.label} ({one.marked})" if one.marked else one.label


def scatter(title: str, description: str, points: Sequence[tuple[Dot, float]], x: Axis, y: Axis) -> Markup:
    """Return a dot with its name at each pair of values; the second of each pair is its height."""
    height, left, top = 320, 64, 34
    across = fitted([one.value for one, _ in points], left, WIDTH - 160, log=x.log, zero=x.zero)
    up = fitted([value for _, value in points], height, top, log=y.log, zero=y.zero)
    body = [*x_axis(across, top, height, x.label, x.tick), *y_axis(up, left, WIDTH - RIGHT, y.label, y.tick)]
    taken: list[tuple[float, float]] = []
    for one, value in sorted(points, key=lambda point: -point[1]):
        at, high = across(one.value), up(value)
        tip = f"{one.label}: {x.show(one.value)}, {y.show(value)}"
        body.append(dot(at, high, f"dot {one.kind}", tip=tip))
        if not any(abs(at - other) < 150 and abs(high - above) < 13 for other, above in taken):  # noqa: PLR2004 -- room
            body.append(text(at + 8, high + 4, one.label, kind="name"))
            taken.append((at, high))
    return picture(WIDTH, height + BOTTOM, title, description, "".join(body))
