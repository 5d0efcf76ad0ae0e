"""Charts in SVG drawn by hand: their scales, axes and marks, and the kinds that plots are made of. Pure.

The kinds are dots with intervals, stacked bars, curves and scattered points. Every text is escaped, and every name is
kept in its own direction.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from common.records.summary import Interval

LONGEST_LABEL = 42
"""Longer labels are cut on the picture; the whole name is in its tooltip and in the table below."""
LEFT, RIGHT, BOTTOM = 64, 20, 48
TICK_PX = 46
"""Pixels that a value below an axis takes; of values that are nearer to each other, only some are written."""
THINNEST = 1.2
"""Per cent of a cell's width that an interval takes at least, so that it is seen."""
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
class Scale:
    """Maps values to pixels, linearly or by logarithms."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, at = (self._at(one) for one in (self.low, self.high, value))
        share = 0.5 if high == low else (at - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return round values within the scale."""
        return _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)

    def _at(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


def fitted(values: Sequence[float], start: float, end: float, *, log: bool = False, zero: bool = False) -> Scale:
    """Return a scale that holds all values with some room at its ends; ``zero`` lets it begin at 0."""
    low, high = min(values), max(values)
    if log:
        return Scale(low=low / 1.15, high=high * 1.15, start=start, end=end, log=True)
    return Scale(low=min(0.0, low) if zero else low, high=high * 1.05 or 1.0, start=start, end=end)


def picture(width: int, height: int, title: str, description: str, body: str, *, kind: str = "plot") -> Markup:
    """Return a whole picture with a title and a description for those who cannot see it."""
    return Markup(  # noqa: S704 -- its parts are made by the functions below, which escape every text
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><title>{escape(title)}</title><desc>{escape(description)}</desc>{body}</svg>'
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    """Return a line of text; one that is too long is cut, with the whole of it as its tooltip."""
    shown = words if len(words) <= LONGEST_LABEL else f"{words[: LONGEST_LABEL - 1]}…"
    tooltip = "" if shown == words else f"<title>{escape(words)}</title>"
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{name}>{escape(shown)}{tooltip}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return f'<path class="{kind}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'


def dot(x: float, y: float, kind: str, *, radius: float = 4, tip: str = "") -> str:
    """Return a dot with a tooltip."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{radius:g}">{title}</circle>'


def bar(x: float, y: float, width: float, height: float, kind: str, *, tip: str = "", style: str = "") -> str:
    """Return a bar with a tooltip."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    extra = f' style="{style}"' if style else ""
    place = f'x="{x:g}" y="{y:g}" width="{max(0.0, width):g}" height="{height:g}"'
    return f'<rect class="{kind}" {place}{extra}>{title}</rect>'


def polyline(points: Sequence[tuple[float, float]], kind: str, *, tip: str = "") -> str:
    """Return a line through points."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<path class="{kind}" d="M{"L".join(f"{x:g} {y:g}" for x, y in points)}">{title}</path>'


def x_axis(scale: Scale, top: float, bottom: float, label: str, show: Callable[[float], str]) -> Iterator[str]:
    """Yield grid lines with their values below, and the axis' label."""
    written = float(-TICK_PX)
    for value in scale.ticks():
        at = scale(value)
        yield line(at, top, at, bottom, "grid")
        if at - written >= TICK_PX:
            yield text(at, bottom + 16, show(value), anchor="middle", kind="tick")
            written = at
    yield text((scale.start + scale.end) / 2, bottom + 36, label, anchor="middle", kind="label")


def y_axis(scale: Scale, left: float, right: float, label: str, show: Callable[[float], str]) -> Iterator[str]:
    """Yield grid lines with their values to the left, and the axis' label above."""
    for value in scale.ticks():
        yield line(left, scale(value), right, scale(value), "grid")
        yield text(left - 6, scale(value) + 4, show(value), anchor="end", kind="tick")
    yield text(left, min(scale.start, scale.end) - 10, label, kind="label")


def short_number(value: float) -> str:
    """Return a tick's value: 0.25, 10, 2,000."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.6g}"  # noqa: PLR2004 -- below ten, digits count


def _log_ticks(low: float, high: float) -> list[float]:
    found = [factor * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
             for factor in (1, 2, 5)]  # fmt: skip
    inside = [value for value in found if low <= value <= high]
    decades = [value for value in inside if f"{value:e}".startswith("1.0")]
    if len(inside) > 9 and len(decades) > 2:  # noqa: PLR2004 -- as many as have room
        return decades
    return inside if len(inside) > 2 else [value for value in _linear_ticks(low, high) if value > 0]  # noqa: PLR2004


def _linear_ticks(low: float, high: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10((high - low) / 4 or 1))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)  # noqa: PLR2004
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def cell_bar(value: Interval, scale: Scale) -> Markup:
    """Return a bar that fills a cell of a table as far as the estimate, and its interval, on a scale from 0 to 100."""
    low, at, high = (
        min(100.0, max(0.0, scale(value.estimate if one is None else one)))
        for one in (value.low, value.estimate, value.high)
    )
    middle, width = (low + high) / 2, max(THINNEST, high - low)
    return Markup(  # noqa: S704 -- numbers of ours
        f'<svg class="bar" aria-hidden="true"><rect width="{at:g}%" height="7"/>'
        f'<rect x="{max(0.0, middle - width / 2):.4g}%" width="{width:.3g}%" y="2" height="3"/></svg>'
    )


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
    xs = [at for one in series for at, _ in one.points]
    ys = [at for one in series for _, at in one.points]
    across, up = fitted(xs, LEFT, right, log=x.log), fitted(ys, height, top, log=y.log, zero=y.zero)
    body = [*x_axis(across, top, height, x.label, x.tick), *y_axis(up, LEFT, right, y.label, y.tick)]
    for number, one in enumerate(series):
        points = [(across(at), up(value)) for at, value in one.points]
        body.append(polyline(points, f"curve s{number % KINDS}", tip=_named(one)))
        body += _legend(one, number, height + BOTTOM + 14, shape)
    rows = -(-len(series) // shape.columns)
    below = height + BOTTOM + 14 + rows * _legend_row(shape)
    return picture(shape.width, below, title, description, "".join(body), kind=shape.kind)


def _legend_row(shape: Shape) -> int:
    return 20 + shape.above


def _legend(one: Series, number: int, top: float, shape: Shape) -> Iterator[str]:
    x = (LEFT if shape.names else 0) + number % shape.columns * 350
    y = top + number // shape.columns * _legend_row(shape)
    yield line(x, y, x + 28, y, f"curve s{number % KINDS}")
    yield text(x + 36, y + 4, one.label, kind="name")
    if one.marked:
        yield text(min(x + 344, shape.width), y + 4 + shape.above, one.marked, anchor="end", kind="mark")


def _named(one: Series) -> str:
    return f"{one.label} ({one.marked})" if one.marked else one.label


def scatter(
    title: str, description: str, points: Sequence[tuple[Dot, float]], x: Axis, y: Axis, *, shape: Shape = WIDE
) -> Markup:
    """Return a dot with its name at each pair of values; the second of each pair is its height."""
    height, top, right = 320, 34, shape.width - RIGHT
    across = fitted([one.value for one, _ in points], LEFT, shape.width - shape.beside, log=x.log, zero=x.zero)
    up = fitted([value for _, value in points], height, top, log=y.log, zero=y.zero)
    body = [*x_axis(across, top, height, x.label, x.tick), *y_axis(up, LEFT, right, y.label, y.tick)]
    taken: list[tuple[float, float]] = []
    for one, value in sorted(points, key=lambda point: -point[1]):
        at, high = across(one.value), up(value)
        tip = f"{one.label}: {x.show(one.value)}, {y.show(value)}"
        body.append(dot(at, high, f"dot {one.kind}", tip=tip))
        if not any(abs(at - other) < 150 and abs(high - above) < 13 for other, above in taken):  # noqa: PLR2004 -- room
            body.append(_dot_name(one.label, at, high, shape))
            taken.append((at, high))
    return picture(shape.width, height + BOTTOM, title, description, "".join(body), kind=shape.kind)


def _dot_name(label: str, at: float, high: float, shape: Shape) -> str:
    """Return a dot's name: right of it, or where a phone has no room there, left of it."""
    if shape.names or at < shape.width / 2:
        return text(at + 8, high + 4, label, kind="name")
    return text(at - 8, high + 4, label, anchor="end", kind="name")
