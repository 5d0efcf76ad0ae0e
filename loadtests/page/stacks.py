"""The details of each stack on a page: versions, command, image, every window, how to repeat it. Pure."""

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from markupsafe import Markup

from common.catalog.frameworks import Framework, frameworks
from common.catalog.inventory import load_popularity
from common.catalog.stacks import make_command
from common.records.figure import Subject, subject_of
from common.records.load import Arrivals, LoadSpec, Setup, Tool
from common.records.run import Cell, Guest
from common.records.summary import DropReason
from common.records.window import Window
from common.words import counted
from loadtests.analysis.formatting import BYTES_PER_MB
from loadtests.analysis.values import by_cell, requests_per_cpu_s
from loadtests.board.bill import SCENARIO
from loadtests.board.rows import Row
from loadtests.experiments.sizes.records import FootprintRun, FootprintSummary, ImageFootprint
from loadtests.page.charts import Scale, fitted, line, picture, text
from loadtests.page.model import Page
from loadtests.page.sources import JoinedLoadTest
from loadtests.page.standing import (
    FigureLine,
    Neighbour,
    Occasion,
    figure_lines,
    history,
    neighbours,
    rank_sentence,
)
from loadtests.scenarios import own_requests
from loadtests.scenarios.scenario import DELAY_MS, USERS
from loadtests.scenarios.workloads import SCENARIOS

DROPPED = {
    DropReason.RESOLVED: "each of its pairs was decided",
    DropReason.PRECISE: "its interval was narrow enough",
    DropReason.OUT_OF_REACH: "more rounds were not likely to decide any of its pairs",
    DropReason.FAILED: "more rounds would not have helped",
}
LONGEST_ID = 100
_ODD = re.compile(r"[^A-Za-z0-9_.@+ ()~:/-]")
LARGEST = 8
"""The most layers of an image that are listed."""


@dataclass(frozen=True, kw_only=True)
class SizePart:
    """A stack at one size."""

    vcpu: float
    rank: str
    """A sentence."""
    verdict: str
    """With its reasons; empty where no load test holds the stack."""
    lines: Sequence[FigureLine]
    neighbours: Sequence[Neighbour]


@dataclass(frozen=True, kw_only=True)
class StackPart:
    """One stack with everything that is known of it, in one image."""

    id: str
    name: str
    rows: Sequence[Row]
    sizes: Sequence[SizePart]
    history: Sequence[Occasion]
    facts: Sequence[tuple[str, str]]
    packages: str
    layers: Sequence[tuple[str, str, str]]
    """Digest, compressed size and origin of each of the largest layers."""
    divergences: Mapping[str, str]
    windows: Markup | None
    not_as_planned: Sequence[str]
    """Sentences about windows that gave no number, lost requests or were made again, and about an early end."""
    command: str
    """The command that measures it again; empty where no record says from which folder."""

    @property
    def file(self) -> str:
        """Name of its page in a site."""
        return f"stacks/{self.id.removeprefix('stack-')}.html"


def stack_parts(page: Page) -> list[StackPart]:
    """Return a part for each stack, in the order of the table."""
    rows: dict[Subject, list[Row]] = {}
    for row in page.rows:
        rows.setdefault(row.subject, []).append(row)
    images = _images(page)
    windows = by_cell(visit for visit in page.test.visits if isinstance(visit, Window)) if page.test else {}
    return [_part(page, subject, of, images.get(subject), windows) for subject, of in rows.items()]


def part_id(subject: Subject) -> str:
    """Return a stack's name in the page's address and among the files of the site.

    A long name, or one with characters that none of ours has, is shortened and ends in a digest of the whole.
    """
    name = f"{subject.name}-{subject.runtime}"
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    if len(name) > LONGEST_ID or _ODD.search(name):
        plain = f"{plain[:LONGEST_ID]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return f"stack-{plain}"


def _part(
    page: Page,
    subject: Subject,
    rows: Sequence[Row],
    image: ImageFootprint | None,
    windows: Mapping[str, Sequence[Window]],
) -> StackPart:
    cell = page.sources.cells[subject]
    name = next((row.cell for row in rows if row.cell), "")
    made = list(windows[name]) if name and page.test else []
    return StackPart(
        id=part_id(subject),
        name=subject.name,
        rows=rows,
        sizes=[
            SizePart(
                vcpu=row.vcpu,
                rank=rank_sentence(page, row),
                verdict=". ".join([row.verdict, *row.doubts.values()]) if row.verdict else "",
                lines=figure_lines(row),
                neighbours=neighbours(page, row),
            )
            for row in rows
        ],
        history=history(page, rows),
        facts=[*_facts(cell, subject), *_released(cell, rows)],
        packages=" ".join(f"{package}=={version}" for package, version in sorted(cell.packages.items())),
        layers=[*_layers(image)] if image else [],
        divergences=cell.conformance.divergences if cell.conformance else {},
        windows=_window_dots(subject.name + page.test.under, made) if page.test and made else None,
        not_as_planned=[*_not_as_planned(page.test, name, made)] if page.test else [],
        command=_command(page.test.run.setup if page.test and name else None, subject, cell),
    )


def _facts(cell: Cell, subject: Subject) -> Iterator[tuple[str, str]]:
    yield from _parts_of_stack(cell) if cell.guest is None else [("server", "one of your own")]
    yield "connections", "kept alive" if cell.keep_alive else "closed after each response"
    for name, value in (("Python", cell.python), ("runtime", str(subject.runtime)),
                        ("command line", shlex.join(cell.command)), ("lock, SHA-256", cell.lock_sha256),
                        ("image", cell.image_tag), ("image digest", cell.image_id), ("base", cell.base),
                        ("base digest", cell.base_digest)):  # fmt: skip
        if value:
            yield name, value
    if cell.stand_in_base:
        yield "stand-in base", "built on a locally made base image, not on the official one"
    if cell.conformance:
        yield "conformance", f"{cell.conformance.passed} passed, {len(cell.conformance.failed)} failed"


def _parts_of_stack(cell: Cell) -> Iterator[tuple[str, str]]:
    yield "framework", f"{cell.title} {cell.version or '(a floor: no framework)'}"
    if (known := _popularity().get(cell.framework)) is not None:
        yield "popularity", known
    yield "interface", cell.interface
    yield "server", f"{cell.server} ({', '.join(cell.server_packages) or 'part of the framework'})"


@cache
def _frameworks() -> Mapping[str, Framework]:
    """Return every framework by name; read once, since a page has hundreds of rows."""
    return frameworks()


@cache
def _popularity() -> Mapping[str, str]:
    """Return a sentence on the popularity of each framework's package, by the framework's name."""
    popularity = load_popularity()
    known = {name: popularity.sentence(known.package) for name, known in _frameworks().items() if known.package}
    return {name: sentence for name, sentence in known.items() if sentence is not None}


def _released(cell: Cell, rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yield when the version was released, and how old it was when it was measured, if that is known."""
    framework = _frameworks().get(cell.framework)
    day = None if framework is None else framework.released(cell.version)
    measured = max((figure.measured_at.date() for row in rows for figure in row.figures.values()), default=None)
    if day and measured:
        yield "released", f"{day}, {(measured - day).days} days before it was measured"


def _layers(image: ImageFootprint) -> Iterator[tuple[str, str, str]]:
    for layer in sorted(image.layers, key=lambda layer: -layer.compressed_bytes)[:LARGEST]:
        origin = "unknown" if layer.of_base is None else "base" if layer.of_base else "stack"
        yield layer.digest[:19], f"{layer.compressed_bytes / BYTES_PER_MB:,.2f}", origin


def _images(page: Page) -> dict[Subject, ImageFootprint]:
    """Return the newest weighed image of each stack."""
    found: dict[Subject, ImageFootprint] = {}
    for source in reversed(page.sources.of(FootprintRun)):
        assert isinstance(source.run, FootprintRun)
        assert isinstance(source.summary, FootprintSummary)
        cells = {cell.name: cell.stack for cell in source.run.cells}
        found |= {subject_of(source.run, cells[name]): image for name, image in source.summary.images.items()}
    return found


def _not_as_planned(test: JoinedLoadTest, name: str, made: Sequence[Window]) -> Iterator[str]:
    for window in made:
        number = f"Round {window.round}{'' if len(test.ids) == 1 else f' of run {window.run}'}"
        if window.error is not None:
            yield f"{number} gave no number: {window.error}"
        elif window.load is not None and window.load.failures:
            count = sum(window.load.failures.values())
            yield f"{number}: {counted(count, 'request')} failed, first {min(window.load.failures)}."
        if window.load is not None and (discarded := window.load.discarded):
            times = counted(len(discarded), "time")
            yield f"{number}: the window was made again {times}, at first because {discarded[0].reason}."
    row = next((row for row in test.summary.cells if row.cell == name), None)
    if row is not None and row.slices_disturbed:
        seen = f"{row.slices_disturbed:,} of {row.slices:,} slices were disturbed"
        yield f"{seen} by other work or by a slow machine, and made again."
    if row is not None and row.dropout is not None:
        yield f"Not measured after round {row.dropout.after_round}: {DROPPED[row.dropout.reason]}."


def _command(setup: Setup | None, subject: Subject, cell: Cell) -> str:
    """Return the command that measures the stack again, at the size and under the load of ``setup`` if there is one.

    A word to fill in stands for what no record holds.
    """
    if cell.is_local:
        return ""
    asked = replace(subject.stack, python=cell.python_asked)
    given: dict[str, str | None] = {**(asked.variables if cell.guest is None else _guest_variables(cell.guest))}
    if setup is not None:
        given |= setup.size.variables | _load_variables(setup.load)
    return make_command("loadtest", given)


def _load_variables(load: LoadSpec) -> dict[str, str | None]:
    """Return the variables of a load that are not at their defaults."""
    default_rate = SCENARIOS[load.scenario].default_rate if load.scenario in SCENARIOS else None
    values: dict[str, tuple[object, object]] = {
        "SCENARIO": (load.scenario, own_requests.NAME if load.requests else SCENARIO),
        "PATHS": ("FILE" if load.requests else None, None),
        "USERS": (load.users, USERS),
        "DELAY": (load.delay_ms, DELAY_MS),
        "RATE": (load.rate, default_rate),
        "ARRIVALS": (load.arrivals, Arrivals.CONSTANT),
        "OBJECTIVE": (load.objective, None),
        "TOOL": (load.tool, Tool.LOCUST),
        "GENERATOR_WORKERS": (load.generator_workers, 0),
    }
    return {name: str(value) for name, (value, default) in values.items() if value not in (None, default)}


def _guest_variables(guest: Guest) -> dict[str, str | None]:
    given = {"TARGET_IMAGE": guest.image, "URL": guest.url}
    if guest.image is not None and guest.capabilities:
        given["TARGET_CAPS"] = guest.capabilities
    if guest.meter is None:
        return given
    return given | ({"PID": "PID"} if guest.meter.startswith("tree:") else {"CONTAINER": "NAME"})


def _window_dots(name: str, made: Sequence[Window]) -> Markup | None:
    """Return every window's value in the order of time, as one path of round dots."""
    ordered = sorted(made, key=lambda window: (window.started_at, window.round))
    known = [(number, value) for number, window in enumerate(ordered, start=1)
             if (value := requests_per_cpu_s(window.load)) is not None]  # fmt: skip
    if not known:
        return None
    width, height, left = 560, 120, 64
    across = Scale(low=1, high=max(2, len(ordered)), start=left + 12, end=width - 12)
    up = fitted([value for _, value in known], height - 24, 12)
    marks = "".join(f"M{across(number):g} {up(value):g}h0" for number, value in known)
    body = [*(line(left, up(at), width, up(at), "grid") for at in up.ticks()),
            *(text(left - 6, up(at) + 4, f"{at:,.0f}", anchor="end", kind="tick") for at in up.ticks()),
            text(width / 2, height - 4, "windows in the order of time", anchor="middle", kind="label"),
            f'<path class="windows" d="{marks}"/>']  # fmt: skip
    low, high = min(value for _, value in known), max(value for _, value in known)
    words = f"{counted(len(known), 'window')} between {low:,.0f} and {high:,.0f} req/s per vCPU."
    return picture(width, height, f"Every window of {name}", words, "".join(body))
