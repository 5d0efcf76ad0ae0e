"""Kinds of charts: dots with intervals, stacked bars, curves, scattered points; for a screen or a phone. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from loadtests.page.charts import Scale, bar, dot, fitted, line, picture, polyline, short_number, text, x_axis, y_axis

LEFT, RIGHT, BOTTOM = 64, 20, 48
PX_PER_CHARACTER = 6.6
KINDS = 8
"""The number of colours that series have in turn, each with a dash pattern of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How much room a plot has: on a screen, or on a phone, where names stand above their marks."""

    width: int
    names: int
    """Pixels to the left for names; 0 where they stand above."""
    above: int
    """Pixels above each mark."""
    row: int
    columns: int
    """Those of a legend."""
    beside: int
    """Pixels to the right of scattered dots for their names."""
    kind: str


WIDE = Shape(width=800, names=300, above=0, row=24, columns=2, beside=160, kind="plot")
NARROW = Shape(width=320, names=0, above=14, row=36, columns=1, beside=20, kind="plot narrow")


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


def dots(title: str, description: str, rows: Sequence[Dot], axis: Axis, *, shape: Shape = WIDE) -> Markup:
    """Return a dot and its interval per row, on one axis."""
    edges = [edge for row in rows for edge in (row.value, row.low, row.high) if edge is not None]
    scale = fitted(edges, shape.names or 10, shape.width - RIGHT, log=axis.log, zero=axis.zero)
    bottom = 10 + shape.row * len(rows)
    body = [*x_axis(scale, 4, bottom, axis.label, axis.tick)]
    for number, row in enumerate(rows):
        top = 10 + shape.row * number
        body.append(_row_name(row.label, top, shape))
        body += _dot_row(row, scale, top + (shape.above + shape.row) / 2, axis)
    return picture(shape.width, bottom + BOTTOM, title, description, "".join(body), kind=shape.kind)


def _row_name(label: str, top: float, shape: Shape) -> str:
    """Return the name of a row: left of its mark, or above it."""
    if shape.names:
        return text(shape.names - 10, top + shape.row / 2 + 4, label, anchor="end", kind="name")
    return text(0, top + shape.above, label, kind="name")


def _dot_row(row: Dot, scale: Scale, y: float, axis: Axis) -> Iterator[str]:
    if row.low is not None and row.high is not None:
        yield line(scale(row.low), y, scale(row.high), y, f"interval {row.kind}")
    yield dot(scale(row.value), y, f"dot {row.kind}", tip=f"{row.label}: {axis.show(row.value)}")


def bars(
    title: str, description: str, rows: Sequence[Bar], axis: Axis, *, replay: bool = False, shape: Shape = WIDE
) -> Markup:
    """Return a stacked bar per row; ``replay`` lets each part take as many seconds as it is long, one after another."""
    longest = [sum(size for _, size in row.parts) for row in rows]
    scale = fitted(longest, shape.names or 10, shape.width - RIGHT, zero=True)
    bottom = 10 + shape.row * len(rows)
    body = [*x_axis(scale, 4, bottom, axis.label, axis.tick)]
    for number, row in enumerate(rows):
        top = 10 + shape.row * number
        body.append(_row_name(row.label, top, shape))
        body += _parts(row, scale, top + shape.above + 4, axis, shape, replay=replay)
    return picture(shape.width, bottom + BOTTOM, title, description, "".join(body), kind=shape.kind)


def _parts(row: Bar, scale: Scale, y: float, axis: Axis, shape: Shape, *, replay: bool) -> Iterator[str]:
    before, height = 0.0, shape.row - shape.above - 8
    for kind, size in row.parts:
        left, right = scale(before), scale(before + size)
        style = f"--for:{size:.3f}s;--after:{before:.3f}s" if replay else ""
        yield bar(left, y, right - left, height, f"part {kind}", tip=f"{row.label}, {kind}: {axis.show(size)}",
                  style=style)  # fmt: skip
        before += size


def curves(title: str, description: str, series: Sequence[Series], x: Axis, y: Axis, *, shape: Shape = WIDE) -> Markup:
    """Return a line per series, with a legend below."""
    height, top, right = 300, 34, shape.width - RIGHT
    xs = [at for curve in series for at, _ in curve.points]
    ys = [at for curve in series for _, at in curve.points]
    across, up = fitted(xs, LEFT, right, log=x.log), fitted(ys, height, top, log=y.log, zero=y.zero)
    body = [*x_axis(across, top, height, x.label, x.tick), *y_axis(up, LEFT, right, y.label, y.tick)]
    for number, curve in enumerate(series):
        points = [(across(at), up(value)) for at, value in curve.points]
        body.append(polyline(points, f"curve s{number % KINDS}", tip=_named(curve)))
        body += _legend(curve, number, height + BOTTOM + 14, shape)
    rows = -(-len(series) // shape.columns)
    below = height + BOTTOM + 14 + rows * _legend_row(shape)
    return picture(shape.width, below, title, description, "".join(body), kind=shape.kind)


def _legend_row(shape: Shape) -> int:
    return 20 + shape.above


def _legend(curve: Series, number: int, top: float, shape: Shape) -> Iterator[str]:
    x = (LEFT if shape.names else 0) + number % shape.columns * 350
    y = top + number // shape.columns * _legend_row(shape)
    yield line(x, y, x + 28, y, f"curve s{number % KINDS}")
    yield text(x + 36, y + 4, curve.label, kind="name")
    if curve.marked:
        yield text(min(x + 344, shape.width), y + 4 + shape.above, curve.marked, anchor="end", kind="mark")


def _named(curve: Series) -> str:
    return f"{curve.label} ({curve.marked})" if curve.marked else curve.label


def scatter(
    title: str, description: str, points: Sequence[tuple[Dot, float]], x: Axis, y: Axis, *, shape: Shape = WIDE
) -> Markup:
    """Return a dot with its name at each pair of values; the second of each pair is its height."""
    height, top, right = 320, 34, shape.width - RIGHT
    across = fitted([mark.value for mark, _ in points], LEFT, shape.width - shape.beside, log=x.log, zero=x.zero)
    up = fitted([value for _, value in points], height, top, log=y.log, zero=y.zero)
    body = [*x_axis(across, top, height, x.label, x.tick), *y_axis(up, LEFT, right, y.label, y.tick)]
    taken: list[tuple[float, float]] = []
    for mark, value in sorted(points, key=lambda point: -point[1]):
        at, high = across(mark.value), up(value)
        tip = f"{mark.label}: {x.show(mark.value)}, {y.show(value)}"
        body.append(dot(at, high, f"dot {mark.kind}", tip=tip))
        if not any(abs(at - other) < 150 and abs(high - above) < 13 for other, above in taken):  # noqa: PLR2004 -- room
            body.append(_dot_name(mark.label, at, high, shape))
            taken.append((at, high))
    return picture(shape.width, height + BOTTOM, title, description, "".join(body), kind=shape.kind)


def _dot_name(label: str, at: float, high: float, shape: Shape) -> str:
    """Return a dot's name: right of it, or on a phone, where there is more room, and as much of it as has room."""
    left, right = at - 8, shape.width - at - 8
    if shape.names or right >= left:
        return text(at + 8, high + 4, label, kind="name", longest=int(right / PX_PER_CHARACTER))
    return text(left, high + 4, label, anchor="end", kind="name", longest=int(left / PX_PER_CHARACTER))
