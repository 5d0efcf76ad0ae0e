"""Pages for tests: a load test of stacks whose speeds are given, and what else is known of them."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace as struct_replace

from common.catalog.prices import load_prices
from common.catalog.sizes import Runtime
from common.console import Terminal
from common.records.figure import Conditions, Figure, Metric, figure
from common.records.run import Cell, Run
from common.records.schema import Visit
from common.records.summary import Interval, Verdict
from loadtests.campaign.store import VISITS, RunFolder
from loadtests.page.model import Page, make_page
from loadtests.page.sources import Source, Sources, read_sources
from tests.support.records import cell, load, run, window

RATES = {"raw_wsgi+g": 10_000, "raw_asgi+u": 40_000, "fast+u": 30_000, "alike+u": 29_900, "slow+g": 5_000}
"""Requests per CPU-second of each stack; those that begin with ``raw_`` are floors."""
ROWS = 360
"""The rows of a large page: 40 stacks in 3 images at 3 sizes."""


def load_test(
    rates: Mapping[str, float] = RATES,
    *,
    rounds: int = 8,
    spread: float = 0.01,
    histogram: Sequence[tuple[int, int]] = ((1000, 1),),
    **changes: Any,  # noqa: ANN401 -- any field of a load test
) -> Source:
    """Return a load test that measured stacks at these rates, each window off by some per cent."""
    cells = [cell_of(name) for name in rates]
    made = run(cells, rounds=rounds, **changes)
    chance = random.Random(1)  # noqa: S311 -- not for secrets
    visits = [
        struct_replace(
            window(name, number, load(int(2 * rate * chance.gauss(1, spread)), histogram=list(histogram))), run=made.id
        )
        for number in range(1, rounds + 1)
        for name, rate in rates.items()
    ]
    return source_of(made, visits)


def source_of(made: Run, visits: Sequence[Visit]) -> Source:
    """Return a run with what its visits amount to."""
    return Source.of(made, visits)


def large_run() -> Source:
    """Return a load test of 40 stacks in 3 images, ranked in 84 rounds."""
    rates = {
        f"framework{number}+{'ug'[number % 2]}@{image}": 5_000.0 + 300 * number
        for number in range(40)
        for image in ("fat", "slim", "alpine")
    }
    return load_test(rates, rounds=84, runtime=Runtime.DOCKER, histogram=[(1000 + n, 50) for n in range(300)])


def write_run(place: Path, source: Source) -> RunFolder:
    """Write a run's manifest and visits into a folder, all visits at once."""
    folder = RunFolder.create(place, source.run)
    lines = b"\n".join(msgspec.json.encode(one) for one in source.visits)
    (folder.folder / VISITS).write_bytes(lines + b"\n")
    return folder


def page_of_three_sizes(folder: RunFolder) -> Page:
    """Return the page of a run, with figures of its stacks at two more sizes."""
    (read,) = read_sources([folder], Terminal()).runs
    for vcpu in (0.25, 0.5):
        read = with_figures(read, [(Metric.START_S, 0.5), (Metric.P99_S, 0.01)], vcpu=vcpu, load_share=0.5)
    return page_of(read)


def ranked_rows() -> Page:
    """Return a page of ``ROWS`` ranked stacks, most of which cannot be told apart from several others."""
    rates = {f"name{number}+{'ug'[number % 2]}@slim": 5_000.0 + 90 * number for number in range(ROWS)}
    return page_of(load_test(rates, rounds=5, runtime=Runtime.DOCKER))


def cell_of(name: str) -> Cell:
    """Return the cell of ``framework+server`` or ``framework+server@image``; ``u`` serves ASGI, a floor is ``raw_``."""
    stack, _, image = name.partition("@")
    return cell(
        name,
        server=stack.rpartition("+")[2],
        image=image or None,
        version=None if name.startswith("raw_") else "1.2.3",
        interface="asgi" if stack.endswith("+u") else "wsgi",
    )


def page_of(*sources: Source) -> Page:
    """Return the page of these runs, or of a load test of ``RATES``."""
    return make_page(Sources(runs=sources or (load_test(),)), load_prices())


def with_figures(source: Source, metrics: Iterable[tuple[Metric, float]], **conditions: Any) -> Source:  # noqa: ANN401
    """Return a source that also knows these figures of each of its stacks."""
    more: list[Figure] = [
        figure(source.run, one, metric, Interval(estimate=value, low=value, high=value, n=3), Verdict.VALID,
               conditions=Conditions(**conditions))
        for one in source.stacks
        for metric, value in metrics
    ]  # fmt: skip
    return replace(source, figures=[*source.figures, *more])
