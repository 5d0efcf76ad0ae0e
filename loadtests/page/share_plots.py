"""Plots of how much of a request is the framework, a picture for each scenario. Pure."""

from collections.abc import Sequence
from functools import partial

from common.records.share import Share
from common.words import counted
from loadtests.analysis.formatting import US_PER_S
from loadtests.analysis.shares import HELLO
from loadtests.board.shares import HEADINGS, by_scenario, cells, names, percentage, title
from loadtests.page.chart_kinds import Axis, Bar, bars
from loadtests.page.model import Page
from loadtests.page.plots import MOST, Plot, cut

KEYS = (("server", "server"), ("work", "driver and JSON"), ("framework", "framework and app"),
        ("database", "PostgreSQL, beside"))  # fmt: skip
"""The parts of a bar from left to right, each with what it is."""
ALL_OF_FLOOR = ("server", "server, driver and JSON")
"""What the first part is where no load test tells a floor's server from what the floor does."""


def share_plots(page: Page) -> list[Plot]:
    """Return a plot for each scenario in which a framework's share is known, and that does some work."""
    return [
        _plot(name, of)
        for name, of in by_scenario(page.sources.shares).items()
        if any(share.share is not None for share in of) and name != HELLO
    ]


def _plot(scenario: str, shares: Sequence[Share]) -> Plot:
    marks = [Bar(label=share.cell, parts=_parts(share)) for share in shares[:MOST]]
    return Plot(
        id=f"shares-{scenario}",
        title=title(scenario),
        caption="Driver and JSON are what a bare app takes beyond its hello; framework and app, what a stack takes "
        "beyond that app. PostgreSQL runs on other cores: its part is drawn beside the server's and not counted."
        + cut(len(shares), MOST),
        draw=partial(bars, title(scenario), _spoken(shares), marks, Axis(label="CPU µs/request", show=_us)),
        headings=HEADINGS,
        rows=[cells(share) for share in shares],
        keys=[key for key in _keys(shares) if any(key[0] == kind for mark in marks for kind, _ in mark.parts)],
    )


def _parts(share: Share) -> list[tuple[str, float]]:
    """Return the sizes of the parts, which add up to the whole whatever the rounding of each estimate."""
    above = 0.0 if share.framework_s is None else max(0.0, share.framework_s.estimate)
    bare = share.cost_s.estimate - above
    server = bare if share.server_s is None else min(bare, share.server_s.estimate)
    beside = 0.0 if share.database_s is None else share.database_s.estimate
    sizes = {"server": server, "work": bare - server, "framework": above, "database": beside}
    return [(kind, size * US_PER_S) for kind, size in sizes.items() if size > 0]


def _keys(shares: Sequence[Share]) -> Sequence[tuple[str, str]]:
    told_apart = all(share.server_s is not None for share in shares if share.floor is not None)
    return KEYS if told_apart else (ALL_OF_FLOOR, *KEYS[1:])


def _us(value: float) -> str:
    return f"{value:,.1f}"


def _spoken(shares: Sequence[Share]) -> str:
    """Return the first shares in words, for those who do not see the picture."""
    name, known = names(shares), [share for share in shares if share.share is not None]
    said = ", ".join(f"{name(share)} {percentage(share)}" for share in known[:3])
    return f"{counted(len(shares), 'stack')}, the cheapest first; the framework's share: {said}."
