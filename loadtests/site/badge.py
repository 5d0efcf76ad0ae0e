"""Badges: one figure with its interval, its machine and its date, never a rank."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from markupsafe import escape

from common.host.folders import named_if_unwritable
from common.records.figure import Figure, Metric, Subject
from loadtests.page.stacks import part_id
from loadtests.reports.formatting import estimate

HEIGHT = 20
PX_PER_CHARACTER = 6.6
PADDING = 8
LABEL_COLOUR, MESSAGE_COLOUR = "#3d444d", "#0b5cab"


@dataclass(frozen=True, kw_only=True)
class Badge:
    """The text of a badge."""

    label: str
    message: str

    @classmethod
    def of(cls, figure: Figure, cpu_model: str) -> "Badge":
        """Return the badge of a stack's requests per second per vCPU."""
        value = figure.value
        half = "" if value.low is None or value.high is None else f" ({value.low:,.0f} to {value.high:,.0f})"
        return cls(
            label=f"{figure.subject.name}",
            message=f"{estimate(value)}{half} req/s per vCPU, {cpu_model}, {figure.measured_at:%Y-%m-%d}",
        )

    def svg(self) -> str:
        """Return the badge as a picture."""
        widths = [round(len(text) * PX_PER_CHARACTER + 2 * PADDING) for text in (self.label, self.message)]
        whole, said = sum(widths), escape(f"{self.label}: {self.message}")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{HEIGHT}" role="img" '
            f'aria-label="{said}"><title>{said}</title>'
            f'<rect width="{widths[0]}" height="{HEIGHT}" fill="{LABEL_COLOUR}"/>'
            f'<rect x="{widths[0]}" width="{widths[1]}" height="{HEIGHT}" fill="{MESSAGE_COLOUR}"/>'
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
        return f'<text x="{left}" y="14" textLength="{width - 2 * PADDING}">{escape(words)}</text>'


def newest_rate(figures: Sequence[Figure]) -> Figure | None:
    """Return the newest requests per CPU-second among some figures of one stack."""
    rates = [one for one in figures if one.metric is Metric.REQUESTS_PER_CPU_S]
    return max(rates, key=lambda one: one.measured_at, default=None)


def write_badge(badge: Badge, folder: Path, subject: Subject) -> list[Path]:
    """Write both forms of a badge; return the files."""
    name = part_id(subject).removeprefix("stack-")
    picture, endpoint = folder / f"{name}.svg", folder / f"{name}.json"
    with named_if_unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        picture.write_text(badge.svg())
        endpoint.write_bytes(badge.endpoint())
    return [picture, endpoint]
