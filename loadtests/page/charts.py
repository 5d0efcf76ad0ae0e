"""What charts in SVG are made of: scales, axes and marks. Pure.

Every text is escaped, and every name is kept in its own direction.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from common.records.summary import Interval
from common.tables import harmless

LONGEST_LABEL = 42
"""Longer labels are cut on the picture; the whole name is in its tooltip and in the table below."""
TICK_PX = 46
"""Pixels that a value below an axis takes; of values that are nearer to each other, only some are written."""
THINNEST = 1.2
"""Per cent of a cell's width that an interval takes at least, so that it is seen."""


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
        low, high, at = (self._at(number) for number in (self.low, self.high, value))
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
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{_escaped(kind)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img"><title>{_escaped(title)}</title>'
        f"<desc>{_escaped(description)}</desc>{body}</svg>"
    )


def _escaped(words: str) -> Markup:
    """Return a text that neither markup nor XML's rules on characters can be broken by."""
    return escape(harmless(words))


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "", longest: int = LONGEST_LABEL) -> str:
    """Return a line of text; one that is too long is cut, with the whole of it as its tooltip."""
    shown = words if len(words) <= longest else f"{words[: longest - 1]}…"
    tooltip = "" if shown == words else f"<title>{_escaped(words)}</title>"
    name = f' class="{_escaped(kind)}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{_escaped(anchor)}"{name}>{_escaped(shown)}{tooltip}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return f'<path class="{_escaped(kind)}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'


def dot(x: float, y: float, kind: str, *, radius: float = 4, tip: str = "") -> str:
    """Return a dot with a tooltip."""
    title = f"<title>{_escaped(tip)}</title>" if tip else ""
    return f'<circle class="{_escaped(kind)}" cx="{x:g}" cy="{y:g}" r="{radius:g}">{title}</circle>'


def bar(x: float, y: float, width: float, height: float, kind: str, *, tip: str = "", style: str = "") -> str:
    """Return a bar with a tooltip."""
    title = f"<title>{_escaped(tip)}</title>" if tip else ""
    extra = f' style="{_escaped(style)}"' if style else ""
    place = f'x="{x:g}" y="{y:g}" width="{max(0.0, width):g}" height="{height:g}"'
    return f'<rect class="{_escaped(kind)}" {place}{extra}>{title}</rect>'


def polyline(points: Sequence[tuple[float, float]], kind: str, *, tip: str = "") -> str:
    """Return a line through points."""
    title = f"<title>{_escaped(tip)}</title>" if tip else ""
    return f'<path class="{_escaped(kind)}" d="M{"L".join(f"{x:g} {y:g}" for x, y in points)}">{title}</path>'


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
        min(100.0, max(0.0, scale(value.estimate if edge is None else edge)))
        for edge in (value.low, value.estimate, value.high)
    )
    middle, width = (low + high) / 2, max(THINNEST, high - low)
    return Markup(  # noqa: S704 -- numbers of ours
        f'<svg class="bar" aria-hidden="true"><rect width="{at:g}%" height="7"/>'
        f'<rect x="{max(0.0, middle - width / 2):.4g}%" width="{width:.3g}%" y="2" height="3"/></svg>'
    )
