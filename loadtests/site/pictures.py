"""Pictures that stand alone: in the README, in a page of somebody else's. They follow light and dark by themselves."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from common.project import ROOT
from loadtests.page.charts import dot, picture, text
from loadtests.page.model import Page
from loadtests.page.plots import Plot, busy_response_times, costs, rates
from loadtests.page.writing import style_file

PICTURES = ROOT / "docs" / "pictures"
MAKERS: Mapping[str, Callable[[Page], Plot | None]] = {
    "rates.svg": rates,
    "costs.svg": costs,
    "response-times.svg": busy_response_times,
}


HEAD_PX = 58
"""Height of a picture's title and of its key."""
KEY_PX = 150


def pictures(page: Page) -> dict[str, str]:
    """Return the pictures of a page by their files' names; those that it has no numbers for are left out."""
    found = {name: make(page) for name, make in MAKERS.items()}
    return {name: alone(plot, page) for name, plot in found.items() if plot is not None}


def write_pictures(page: Page, folder: Path) -> list[Path]:
    """Write the pictures of a page; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, content in pictures(page).items():
        (folder / name).write_text(content)
        files.append(folder / name)
    return files


def alone(plot: Plot, page: Page) -> str:
    """Return a plot as a file of its own: with a title, its date and machine, a key and its style."""
    width, height = (int(size) for size in re.findall(r' (?:width|height)="(\d+)"', str(plot.svg))[:2])
    run = page.sources.runs[0].run
    about = f"{run.machine.cpu_model}, {run.machine.cores} cores, {run.started_at:%Y-%m-%d}"
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
