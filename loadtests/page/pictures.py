"""Pictures that stand alone, in the README or in a page of somebody else's: plots and badges.

Plots follow light and dark by themselves. A badge is one figure with its interval, machine and date, never a rank.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from markupsafe import escape

from common.host.folders import named_if_unwritable, write_files
from common.project import ROOT
from common.records.figure import Figure, Subject
from common.tables import harmless
from loadtests.analysis.formatting import with_bounds
from loadtests.page.charts import dot, picture, text
from loadtests.page.heat import pythons, servers
from loadtests.page.model import Page
from loadtests.page.plots import Plot, busy_response_times, costs, rates
from loadtests.page.share_plots import share_plots
from loadtests.page.stacks import part_id
from loadtests.page.writing import style_file

PICTURES = ROOT / "docs" / "pictures"
MAKERS: Mapping[str, Callable[[Page], Plot | None]] = {
    "rates.svg": rates,
    "costs.svg": costs,
    "response-times.svg": busy_response_times,
    "servers.svg": servers,
    "pythons.svg": pythons,
}

HEAD_PX = 58
"""Height of a picture's title and of its key."""
KEY_PX = 150
BADGE_PX = 20
"""Height of a badge."""
PX_PER_CHARACTER = 6.6
PADDING = 8
LABEL_COLOUR, MESSAGE_COLOUR = "#3d444d", "#0b5cab"


def pictures(pages: Sequence[Page]) -> dict[str, str]:
    """Return the pictures by file name, each of the first page that has numbers for it."""
    found = {name: next(_made(make, pages), None) for name, make in MAKERS.items()}
    shares = {f"{plot.id}.svg": alone(plot, page) for page in reversed(pages) for plot in share_plots(page)}
    return {name: text for name, text in found.items() if text is not None} | shares


def _made(make: Callable[[Page], Plot | None], pages: Sequence[Page]) -> Iterator[str]:
    for page in pages:
        if (plot := make(page)) is not None:
            yield alone(plot, page)


def alone(plot: Plot, page: Page) -> str:
    """Return a plot as a file of its own: with a title, its date and machine, a key and its style."""
    width, height = (int(size) for size in re.findall(r' (?:width|height)="(\d+)"', str(plot.svg))[:2])
    run = page.sources.runs[0].run
    about = f"{run.machine.cpu_model}, {run.machine.cores} cores, {run.started_at:%Y-%m-%d}{_count(page)}"
    dark = f"@media (prefers-color-scheme: dark) {{ .plot {{ {style_file('dark.css')} }} }}"
    keys = "".join(
        dot(18 + KEY_PX * number, 42, f"dot {kind}", radius=5) + text(30 + KEY_PX * number, 46, meaning)
        for number, (kind, meaning) in enumerate(plot.keys)
    )
    body = (
        f"<style>svg {{ background: var(--paper, #fff); }} .title {{ font-size: 15px; font-weight: 600; }}"
        f"{style_file('charts.css')}{dark}</style>"
        f"{text(12, 22, plot.title, kind='title')}{text(width - 12, 22, about, anchor='end', kind='tick')}{keys}"
        + str(plot.svg).replace("<svg ", f'<svg y="{HEAD_PX}" ', 1)
    )
    return picture(width, height + HEAD_PX, plot.title, plot.caption, body) + "\n"


def _count(page: Page) -> str:
    count = len(page.sources.runs)
    return f", {count} runs" if count > 1 else ""


@dataclass(frozen=True, kw_only=True)
class Badge:
    """The text of a badge."""

    label: str
    message: str

    @classmethod
    def of(cls, figure: Figure, cpu_model: str) -> "Badge":
        """Return the badge of a stack's requests per second per vCPU."""
        return cls(
            label=figure.subject.name,
            message=f"{with_bounds(figure.value)} req/s per vCPU, {cpu_model}, {figure.measured_at:%Y-%m-%d}",
        )

    def svg(self) -> str:
        """Return the badge as a picture."""
        widths = [round(len(text) * PX_PER_CHARACTER + 2 * PADDING) for text in (self.label, self.message)]
        whole, said = sum(widths), escape(harmless(f"{self.label}: {self.message}"))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{BADGE_PX}" role="img" '
            f'aria-label="{said}"><title>{said}</title>'
            f'<rect width="{widths[0]}" height="{BADGE_PX}" fill="{LABEL_COLOUR}"/>'
            f'<rect x="{widths[0]}" width="{widths[1]}" height="{BADGE_PX}" fill="{MESSAGE_COLOUR}"/>'
            f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
            f"{self._text(self.label, PADDING, widths[0])}{self._text(self.message, widths[0] + PADDING, widths[1])}"
            "</g></svg>\n"
        )

    def endpoint(self) -> bytes:
        """Return the badge as JSON in the format that badge services read from an endpoint."""
        said = {"schemaVersion": 1, "label": self.label, "message": self.message, "color": "blue"}
        return msgspec.json.format(msgspec.json.encode(said)) + b"\n"

    @staticmethod
    def _text(words: str, left: int, width: int) -> str:
        return f'<text x="{left}" y="14" textLength="{width - 2 * PADDING}">{escape(harmless(words))}</text>'


def write_badge(badge: Badge, folder: Path, subject: Subject) -> list[Path]:
    """Write both forms of a badge; return the files."""
    name = part_id(subject).removeprefix("stack-")
    picture, endpoint = folder / f"{name}.svg", folder / f"{name}.json"
    with named_if_unwritable(folder):
        write_files({picture: badge.svg(), endpoint: badge.endpoint()})
    return [picture, endpoint]
