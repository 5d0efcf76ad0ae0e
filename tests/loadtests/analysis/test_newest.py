"""The newest figure of a stack is over the runs that repeat its run, with the interval that every table prints."""

import math
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from common.records.figure import Figure, Metric
from common.records.run import LoadRun
from common.records.summary import Summary
from loadtests.analysis.newest import newest_figures
from loadtests.analysis.together import over_runs, together
from loadtests.experiments.loadtest.report import figures, summarise
from tests.support.records import cell, load, run, window


def _figures(made: LoadRun, rate: int, **changes: Any) -> list[Figure]:  # noqa: ANN401 -- any field of a load
    visits = [window("a+b", number, load(rate * 2, **changes)) for number in range(1, made.rounds + 1)]
    return list(figures(made, summarise(made, visits)))


def _made(name: str, day: int, **changes: Any) -> LoadRun:  # noqa: ANN401 -- any field of a load test
    made = run([cell("a+b")], **({"id": name} | changes))
    return replace(made, started_at=made.started_at.replace(day=day))


def test_a_figure_is_over_all_runs_that_repeat_its_run_and_names_them() -> None:
    found = [one for day in (1, 2, 3) for one in _figures(_made(f"r{day}", day), 9_000 + 500 * day)]
    (rate,) = newest_figures(found)
    assert rate.pooled == ["r1", "r2", "r3"]
    assert rate.value.estimate == pytest.approx(math.prod(one.value.estimate for one in found) ** (1 / 3))
    assert (rate.run, rate.value.n) == ("r3", 3)


def test_a_rate_has_the_interval_that_tables_of_the_same_runs_print() -> None:
    """Three runs of eleven stacks, which vary from run to run, as the README, the page and ``make show`` pool them."""
    rng, summaries, found = np.random.default_rng(9), list[Summary](), list[Figure]()
    for day in (1, 2, 3):
        made = replace(_made(f"r{day}", day), cells=[cell(f"s{place}+b") for place in range(11)])
        own = {one.name: rng.normal(0, 0.01) for one in made.cells}
        windows = [
            window(one.name, number, load(round(20_000 * 1.1**place * math.exp(own[one.name] + rng.normal(0, 0.005)))))
            for number in range(1, 6)
            for place, one in enumerate(made.cells)
        ]
        summaries.append(summarise(made, windows))
        found += figures(made, summaries[-1])
    rows = {row.cell: row for row in together(summaries, 0.05).cells}
    newest = {one.subject.framework: one for one in newest_figures(found)}
    assert len(newest) == len(rows) == 11
    for name, one in newest.items():
        row = rows[f"{name}+b"]
        assert one.value == row.requests_per_cpu_s
        assert (one.error, one.between_runs) == (row.error, together(summaries, 0.05).between_runs)
        assert one.value.low is not None
        assert one.value.low < one.value.estimate / 1.003


def test_a_run_that_is_read_twice_counts_once() -> None:
    once = _figures(_made("r1", 1), 10_000)
    assert newest_figures([*once, *once]) == once


@pytest.mark.parametrize(
    ("changes", "of_load", "estimate"),
    [
        ({"revision": "other"}, {}, 12_000),
        ({"users": 4}, {}, 12_000),
        ({"cells": [cell("a+b", version="2")]}, {}, 12_000),
        ({"cells": [cell("a+b", source_digest="changed")]}, {}, 12_000),
        ({"cells": [cell("a+b"), cell("c+d")]}, {}, 12_000),
        ({}, {"failures": {"wrong body": 9}}, 10_000),
        ({"rounds": 3}, {}, 10_000),
    ],
)
def test_what_repeats_no_run_or_has_no_valid_number_is_not_pooled(
    changes: dict[str, Any], of_load: dict[str, Any], estimate: int
) -> None:
    """The newest valid figure is shown then, whether it is of the newest run or of the one before."""
    made = run([cell("a+b")], **{name: value for name, value in changes.items() if name != "cells"})
    made = replace(made, id="new", started_at=made.started_at.replace(day=3), cells=changes.get("cells", made.cells))
    (rate,) = newest_figures([*_figures(_made("old", 1), 10_000), *_figures(made, 12_000, **of_load)])
    assert round(rate.value.estimate) == estimate
    assert not rate.pooled


def test_a_run_that_was_interrupted_does_not_keep_others_from_being_pooled() -> None:
    found = [*_figures(_made("r1", 1), 10_000), *_figures(_made("r2", 2), 11_000)]
    (rate,) = newest_figures([*found, *_figures(_made("r3", 3, rounds=2), 20_000)])
    assert rate.pooled == ["r1", "r2"]


def test_only_load_tests_repeat_each_other() -> None:
    assert over_runs([None]) is None
    (one,) = _figures(_made("r1", 1), 10_000)
    assert one.metric is Metric.REQUESTS_PER_CPU_S
    assert newest_figures([replace(one, series=None), replace(one, series=None, run="r2")])[0].pooled == []
