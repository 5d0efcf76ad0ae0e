"""Runs that repeat each other say together what none of them knows alone."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from common.records.figure import Figure, Metric
from common.records.run import LoadRun
from common.records.summary import Decision, Summary, Verdict
from loadtests.analysis.comparison import better_of
from loadtests.analysis.together import newest_figures, over_runs, repeated_rates, series_of, together, trusted
from loadtests.experiments.loadtest import report as throughput
from loadtests.experiments.loadtest.report import figures, summarise
from tests.support.records import cell, load, run, window


def _summary(level: float, **rates: int) -> Summary:
    cells = [cell(name) for name in rates]
    rounds = range(1, 6)
    return summarise(
        run(cells), [window(name, number, load(round(rates[name] * level))) for number in rounds for name in rates]
    )


def test_repeats_give_intervals_over_runs() -> None:
    """The machine is 10 % faster in one of three runs, so the rates differ and what they are of the mean does not."""
    rows = repeated_rates([_summary(level, a=4000, b=1000) for level in (1.0, 1.1, 1.0)])
    assert [row.cell for row in rows] == ["a", "b"]
    fast = rows[0]
    assert fast.requests_per_cpu_s.n == 3
    assert (fast.requests_per_cpu_s.high or 0) / (fast.requests_per_cpu_s.low or 1) > 1.2
    assert fast.relative.estimate == pytest.approx(2, rel=1e-3)
    assert (fast.relative.high or 0) / (fast.relative.low or 1) == pytest.approx(1, rel=1e-3)


def test_controls_are_no_stacks_of_repeats() -> None:
    """Each run draws the stack that it copies, so a copy is seldom in all of them, and says nothing of its own."""
    copied = []
    for original in "ab":
        cells = [cell("a"), cell("b"), cell(f"{original}#2", control_of=original)]
        windows = [window(one.name, number, load(4000)) for number in range(1, 6) for one in cells]
        copied.append(summarise(run(cells), windows))
    rows = repeated_rates(copied)
    assert [row.cell for row in rows] == ["a", "b"]
    assert len(list(throughput.repeated_notes(rows, copied))) == 1


def test_a_stack_without_a_valid_number_in_each_run_is_left_out_by_name() -> None:
    whole = _summary(1.0, a=4000, b=1000)
    (last,) = [row for row in whole.cells if row.cell == "b"]
    other = replace(
        whole, cells=[row for row in whole.cells if row != last] + [replace(last, verdict=Verdict.DISTURBED)]
    )
    rows = repeated_rates([whole, other])
    assert [row.cell for row in rows] == ["a"]
    *_, last_note = throughput.repeated_notes(rows, [whole, other])
    assert last_note == "left out, since not every run has a valid number for them: b."
    assert throughput.repeated_table(rows, 2).row_count == 1


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
    assert rate.value == over_runs([one.value for one in found])
    assert (rate.run, rate.value.n) == ("r3", 3)


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


def test_runs_repeat_each_other_whatever_stacks_were_copied_and_however_long_they_took() -> None:
    alone = run([cell("a+b"), cell("c+d")])
    copied = run([cell("a+b"), cell("c+d"), cell("c+d#2", control_of="c+d")], rounds=9, id="other", seed=7)
    assert series_of(alone) == series_of(copied)


def _levels(rates: Mapping[str, int], number: int, floors: Collection[str] = ()) -> Summary:
    made = run(
        [cell(name, **({"version": None} if name in floors else {})) for name in rates], id=f"r{number}", rounds=8
    )
    windows = [window(name, n, load(rate + n)) for n in range(1, 9) for name, rate in rates.items()]
    return summarise(made, windows)


def test_a_pair_is_decided_where_every_run_decides_it_alike_and_ranks_follow() -> None:
    summaries = [_levels({"a": 40_000, "b": 39_800 + 900 * n, "c": 10_000}, n) for n in range(3)]
    assert [better_of(one.pairs[0]) for one in summaries] == ["a", "b", "b"]
    found = together(summaries)
    decided = {(pair.a, pair.b): pair.decision for pair in found.pairs}
    assert decided == {
        ("a", "b"): Decision.UNDECIDED, ("a", "c"): Decision.DIFFERENT, ("b", "c"): Decision.DIFFERENT,
    }  # fmt: skip
    assert {row.cell: (row.rank, row.rank_to, row.ties) for row in found.cells} == {
        "a": (1, 2, ["b"]), "b": (1, 2, ["a"]), "c": (3, 3, []),
    }  # fmt: skip
    (ratio,) = [pair.ratio for pair in found.pairs if pair.b == "b"]
    assert ratio is not None
    assert ratio.n == 3


def test_floors_have_no_rank_over_runs_either() -> None:
    summaries = [_levels({"bare": 50_000, "a": 40_000, "b": 30_000}, n, floors={"bare"}) for n in range(3)]
    found = together(summaries)
    assert [(row.cell, row.rank) for row in found.cells] == [("bare", None), ("a", 1), ("b", 2)]
    assert len(found.pairs) == 3


def test_a_stack_in_doubt_in_any_run_has_no_rank_and_the_doubt_says_in_how_many() -> None:
    summaries = [_levels({"a": 40_000, "b": 20_000}, n) for n in range(3)]
    doubted = [replace(row, doubts={Verdict.DISTURBED: "Seen."}) if row.cell == "b" else row for row in
               summaries[2].cells]  # fmt: skip
    rows = {row.cell: row for row in together([*summaries[:2], replace(summaries[2], cells=doubted)]).cells}
    assert (rows["a"].rank, rows["a"].rank_to) == (1, 1)
    assert (rows["b"].rank, rows["b"].verdict) == (None, Verdict.DISTURBED)
    assert rows["b"].doubts == {"disturbed": "Seen. (in 1 of 3 runs)"}


def test_a_run_that_its_controls_put_in_doubt_is_left_out_of_several() -> None:
    first, second = (_levels({"a": 40_000, "b": 20_000}, n) for n in range(2))
    doubts = {str(Verdict.CONTROL_DIFFERS): "Copies differ."}
    doubted = replace(first, cells=[replace(row, doubts=doubts) for row in first.cells])
    assert trusted([doubted, second]) == [second]
    assert trusted([doubted, doubted]) == [doubted]
    assert together([second]) is second


def test_means_over_runs_are_of_every_kind_of_figure() -> None:
    whole = together([_levels({"a": 40_000}, n) for n in range(3)])
    (row,) = whole.cells
    assert row.p99_s is not None
    assert (row.p99_s.n, row.requests) == (3, sum(40_000 + n for n in range(1, 9)) * 3)
    assert row.requests_per_cpu_s is not None
    assert row.requests_per_cpu_s.n == 3


def test_only_load_tests_repeat_each_other() -> None:
    assert over_runs([None]) is None
    (one,) = _figures(_made("r1", 1), 10_000)
    assert one.metric is Metric.REQUESTS_PER_CPU_S
    assert newest_figures([replace(one, series=None), replace(one, series=None, run="r2")])[0].pooled == []
