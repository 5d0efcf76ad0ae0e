"""Runs that repeat each other say together what none of them knows alone."""

from collections.abc import Collection, Mapping

import pytest
from msgspec.structs import replace

from common.records.summary import Decision, Summary, Verdict
from loadtests.analysis.comparison import better_of
from loadtests.analysis.thresholds import MARGIN
from loadtests.analysis.together import repeated_rates, series_of, together, trusted
from loadtests.experiments.loadtest import report as throughput
from loadtests.experiments.loadtest.report import summarise
from tests.support.records import cell, load, run, window


def _summary(level: float, number: int = 1, **rates: int) -> Summary:
    cells = [cell(name) for name in rates]
    rounds = range(1, 6)
    return summarise(
        run(cells, id=f"r{number}"),
        [window(name, n, load(round(rates[name] * level))) for n in rounds for name in rates],
    )


def test_repeats_give_intervals_over_runs() -> None:
    """The machine is 10 % faster in one of three runs, which no comparison of its stacks shows."""
    rows = repeated_rates([_summary(level, n, a=4000, b=1000) for n, level in enumerate((1.0, 1.1, 1.0))])
    assert [row.cell for row in rows] == ["a", "b"]
    fast = rows[0]
    assert fast.requests_per_cpu_s.n == 3
    assert 1 < (fast.requests_per_cpu_s.high or 0) / (fast.requests_per_cpu_s.low or 1) < 1.02
    assert fast.relative.estimate == pytest.approx(2, rel=1e-3)
    assert 1 < (fast.relative.high or 0) / (fast.relative.low or 1) < 1.02


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


def test_a_pair_is_decided_by_what_the_runs_show_together_and_ranks_follow() -> None:
    summaries = [_levels({"a": 40_000, "b": 39_000 + 2_000 * n, "c": 10_000}, n) for n in range(3)]
    assert [better_of(one.pairs[0]) for one in summaries] == ["a", "b", "b"]
    found = together(summaries, MARGIN)
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
    found = together(summaries, MARGIN)
    assert [(row.cell, row.rank) for row in found.cells] == [("bare", None), ("a", 1), ("b", 2)]
    assert len(found.pairs) == 3


def test_a_stack_in_doubt_in_any_run_has_no_rank_and_the_doubt_says_in_how_many() -> None:
    summaries = [_levels({"a": 40_000, "b": 20_000}, n) for n in range(3)]
    doubted = [replace(row, doubts={Verdict.DISTURBED: "Seen."}) if row.cell == "b" else row for row in
               summaries[2].cells]  # fmt: skip
    rows = {row.cell: row for row in together([*summaries[:2], replace(summaries[2], cells=doubted)], MARGIN).cells}
    assert (rows["a"].rank, rows["a"].rank_to) == (1, 1)
    assert (rows["b"].rank, rows["b"].verdict) == (None, Verdict.DISTURBED)
    assert rows["b"].doubts == {"disturbed": "Seen. (in 1 of 3 runs)"}


def test_a_run_that_its_controls_put_in_doubt_is_left_out_of_several() -> None:
    first, second = (_levels({"a": 40_000, "b": 20_000}, n) for n in range(2))
    doubts = {str(Verdict.CONTROL_DIFFERS): "Copies differ."}
    doubted = replace(first, cells=[replace(row, doubts=doubts) for row in first.cells])
    assert trusted([doubted, second]) == [second]
    assert trusted([doubted, doubted]) == [doubted]
    assert together([second], MARGIN) is second


def test_means_over_runs_are_of_every_kind_of_figure() -> None:
    whole = together([_levels({"a": 40_000}, n) for n in range(3)], MARGIN)
    (row,) = whole.cells
    assert row.p99_s is not None
    assert (row.p99_s.n, row.requests) == (3, sum(40_000 + n for n in range(1, 9)) * 3)
    assert row.requests_per_cpu_s is not None
    assert row.requests_per_cpu_s.n == 3
