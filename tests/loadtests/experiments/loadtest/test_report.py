"""Windows become rows, ranks and controls; these form tables, with notes for the reader."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.records.figure import Metric
from common.records.load import Arrivals, Objective, Rate
from common.records.run import Design, LoadRun, Slicing
from common.records.summary import Decision, Dropout, DropReason, Pair, Summary, Verdict
from common.records.window import Latency, LoadStep, Window
from loadtests.analysis.between_runs import FEW
from loadtests.analysis.dropping import pairs_of
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.experiments.loadtest import report as throughput
from loadtests.experiments.loadtest.notes import notes
from loadtests.experiments.loadtest.report import summarise
from tests.support.records import SLICING, cell, load, run, warmup, window


def test_a_windows_value_is_missing_rather_than_zero() -> None:
    assert requests_per_cpu_s(load(30_000, 1.5)) == 20_000
    assert requests_per_cpu_s(load(30_000, None)) is None
    assert requests_per_cpu_s(load(0, 1.5)) is None
    assert requests_per_cpu_s(None) is None


def test_valid_cells_are_ranked_and_the_others_follow() -> None:
    cells = [cell("slow+a"), cell("fast+a"), cell("wrong+a")]
    windows = [
        window(name, number, load(int(requests * (1 + number / 100)), failures=failures))
        for number in range(1, 6)
        for name, requests, failures in (
            ("slow+a", 10_000, {}),
            ("fast+a", 20_000 + number, {}),
            ("wrong+a", 90_000, {"wrong body": 3}),
        )
    ]
    fast, slow, wrong = summarise(run(cells), windows).cells
    assert [(row.cell, row.rank) for row in (fast, slow, wrong)] == [("fast+a", 1), ("slow+a", 2), ("wrong+a", None)]
    assert (wrong.verdict, wrong.errors) == (Verdict.WRONG_ANSWERS, 15)
    assert fast.requests_per_cpu_s is not None
    assert fast.requests_per_cpu_s.n == 5
    assert (fast.server_utilisation, fast.generator_utilisation) == (1.0, 0.25)


def test_a_floor_stands_among_the_others_without_a_rank() -> None:
    rates = {"bare+a": 30_000, "fast+a": 20_000, "bare+b": 15_000, "slow+b": 10_000}
    cells = [cell(name, **({"version": None} if name.startswith("bare") else {})) for name in rates]
    windows = [window(name, n, load(rate + n)) for n in range(1, 6) for name, rate in rates.items()]
    summary = summarise(run(cells), windows)
    assert [(row.cell, row.rank, row.rank_to, row.ties) for row in summary.cells] == [
        ("bare+a", None, None, []), ("fast+a", 1, 1, []), ("bare+b", None, None, []), ("slow+b", 2, 2, []),
    ]  # fmt: skip
    assert {row.verdict for row in summary.cells} == {Verdict.VALID}
    assert len(summary.pairs) == 6


def test_a_cell_without_windows_is_shown_as_not_measured() -> None:
    (row,) = summarise(run([cell("a+b")]), []).cells
    assert (row.rank, row.verdict, row.requests_per_cpu_s) == (None, Verdict.NOT_MEASURED, None)


def test_a_control_is_tested_and_shown_but_not_ranked() -> None:
    made, windows = _with_control(1.0)
    summary = summarise(made, windows)
    assert summary.controls is not None
    assert [(pair.a, pair.b) for pair in summary.controls.same] == [("a+b", "a+b#2")]
    assert summary.controls.same[0].decision is Decision.EQUIVALENT
    assert {row.cell: row.rank for row in summary.cells} == {"c+d": 1, "a+b": 2, "a+b#2": None}
    assert all("a+b#2" not in (pair.a, pair.b) for pair in summary.pairs)


def test_no_cell_is_ranked_if_a_control_differs() -> None:
    summary = summarise(*_with_control(1.2))
    assert {row.rank for row in summary.cells} == {None}
    assert summary.pairs == []
    assert {row.verdict for row in summary.cells} == {Verdict.CONTROL_DIFFERS}
    assert summary.controls is not None
    assert "two copies of a+b differ by 16" in summary.controls.warnings[Verdict.CONTROL_DIFFERS]


def test_a_copy_that_differs_by_no_more_than_chance_explains_costs_no_ranks() -> None:
    made, windows = _with_control(1.002)
    summary = summarise(made, windows)
    assert {row.cell: row.rank for row in summary.cells} == {"c+d": 1, "a+b": 2, "a+b#2": None}
    assert summary.controls is not None
    (same,) = summary.controls.same
    assert (same.decision, round(same.p_value, 3)) == (Decision.DIFFERENT, 0.035)


def _with_control(ratio: float) -> tuple[LoadRun, list[Window]]:
    made = run([cell("a+b"), cell("c+d"), cell("a+b#2", control_of="a+b")])
    levels = {"a+b": 10_000.0, "c+d": 20_000.0, "a+b#2": 10_000 * ratio}
    return made, [
        window(name, number, load(int(level * (1 + (-1) ** (number // place) / 1000))))
        for number in range(1, 6)
        for place, (name, level) in enumerate(levels.items(), 1)
    ]


def test_a_throttled_cell_is_ranked_with_a_remark() -> None:
    windows = [window("a+b", number, load(throttled_s=1.5)) for number in range(1, 6)]
    (row,) = summarise(run([cell("a+b")], vcpu=0.25), windows).cells
    assert (row.rank, row.verdict, row.throttled) == (1, Verdict.THROTTLED, 0.75)


def test_shares_are_of_the_time_of_cores() -> None:
    windows = [
        window("a+b", number, load(server_cpu_s=1.0, server_cores_busy_s=1.3, server_steal_s=0.02))
        for number in range(1, 6)
    ]
    (row,) = summarise(run([cell("a+b")]), windows).cells
    assert row.foreign == pytest.approx(0.15)
    assert row.steal == pytest.approx(0.01)


@pytest.mark.parametrize(("requests", "p99", "p999"), [(999, False, False), (1000, True, False), (10_000, True, True)])
def test_a_percentile_needs_ten_requests_beyond_it(requests: int, p99: bool, p999: bool) -> None:  # noqa: FBT001
    windows = [window("a+b", number, load(requests)) for number in range(1, 6)]
    (row,) = summarise(run([cell("a+b")]), windows).cells
    assert (row.p50_s is not None, row.p99_s is not None, row.p999_s is not None) == (True, p99, p999)


def test_percentiles_are_taken_in_each_window_and_averaged_over_windows() -> None:
    latencies = [Latency(p50=0.001 * 4**number, p90=1, p99=1, p999=1, max=1, mean=1) for number in range(5)]
    windows = [window("a+b", number, load(latency_s=one)) for number, one in enumerate(latencies, 1)]
    (row,) = summarise(run([cell("a+b")]), windows).cells
    assert row.p50_s is not None
    assert row.p50_s.estimate == pytest.approx(0.016)
    assert row.p50_s.n == 5


@pytest.mark.parametrize("design", [Design.SLICED, Design.ALONE])
def test_the_summary_decides_like_the_run_did(design: Design) -> None:
    """Stacks drop out of a run by the decisions that its table shows."""
    made = run([cell("a+b"), cell("c+d")], design=design, between_runs=FEW)
    windows = [
        window(name, number, load(level + noise * (-1) ** number))
        for number in range(1, 6)
        for name, level, noise in (("a+b", 10_000, 10), ("c+d", 10_900, 900))
    ]
    pairs = summarise(made, windows).pairs
    assert len(pairs) == 1
    assert pairs == list(pairs_of(made, windows))


def test_a_comparison_of_too_few_rounds_has_its_pair_and_says_how_many_are_lacking() -> None:
    made = run([cell("a+b"), cell("c+d")], design=Design.DUET)
    windows = [window(name, number, load(9000 + number)) for number in range(1, 4) for name in ("a+b", "c+d")]
    (pair,) = summarise(made, windows).pairs
    assert (pair.decision, pair.rounds_needed) == (Decision.UNDECIDED, 2)


def test_the_spread_is_split_where_cells_share_rounds() -> None:
    summary = summarise(*_with_control(1.0))
    assert summary.spread is not None
    assert 0 < summary.spread.servers < 0.01


def _made(**changes: object) -> tuple[LoadRun, Summary]:
    made = run([cell("falcon+gthread"), cell("flask+sync", keep_alive=False), cell("bad+gthread")], **changes)
    windows = [
        window(name, number, load(requests + 10 * number, failures=failures))
        for number in range(1, 6)
        for name, requests, failures in (
            ("falcon+gthread", 18_000, {}),
            ("flask+sync", 9_000, {}),
            ("bad+gthread", 99_000, {"status 500": 1}),
        )
    ]
    return made, summarise(made, windows)


def _printed(made: LoadRun, summary: Summary) -> str:
    console = Console(width=200, record=True, file=Path("/dev/null").open("w", encoding="utf-8"))  # noqa: SIM115
    console.print(throughput.table(made, summary))
    console.file.close()
    return console.export_text()


def test_a_terminal_shows_rate_interval_and_verdict_of_each_stack() -> None:
    text = _printed(*_made())
    assert "falcon+gthread" in text
    assert "9,015" in text
    assert "valid" in text


def test_a_closing_stack_is_labelled() -> None:
    made, summary = _made()
    assert "flask+sync (closing)" in _printed(made, summary)
    assert any(note.startswith("closing:") for note in notes(made, summary))


def test_an_invalid_number_is_shown_without_a_rank_and_explained() -> None:
    made, summary = _made()
    *_, row = throughput.rows(made, summary)
    assert row[:2] == ("", "bad+gthread")
    assert "wrong-answers" in row
    assert any("status 500 x 5" in note for note in notes(made, summary))


def test_a_stand_in_base_is_named_under_every_table_built_on_one() -> None:
    made = run([cell("a+b", stand_in_base=True)])
    summary = summarise(made, [])
    assert any("stand-in base" in note for note in notes(made, summary))


def test_a_python_that_was_compiled_here_is_named_with_its_options() -> None:
    options = {"stand_in_base": True, "base_configured": "--disable-gil"}
    made = run([cell("a+b", python="3.13.5t", **options), cell("c+d", stand_in_base=True)])
    said = list(notes(made, summarise(made, [])))
    assert "Python 3.13t was compiled here, with --disable-gil and nothing else." in said


def test_what_was_compiled_and_what_is_missing_is_said_per_stack() -> None:
    stacks = [cell("a+b@slim-py3.15", compiled=["toy==1.0"]), cell("a+b@slim-py3.15#2", control_of="a+b@slim-py3.15")]
    missing = {"a+b@slim-pypy3.11": "toy 1.0 has no wheel for Python pypy3.11", "c+b@slim-py3.12": "No base."}
    made = run([*stacks, cell("c+b", compiled=["toy==1.0"])], unavailable=missing)
    said = list(notes(made, summarise(made, [])))
    reason = "toy==1.0: no wheel for this Python, so it was compiled here."
    assert f"compiled: a+b@slim-py3.15, c+b: {reason}" in said
    assert "not available: a+b@slim-pypy3.11: toy 1.0 has no wheel for Python pypy3.11." in said
    assert "not available: c+b@slim-py3.12: No base." in said


def test_how_long_servers_took_to_be_warm_is_a_figure_and_a_note() -> None:
    took = {"jit+b": 20.0, "cold+b": None, "steady+b": 0.4, "quick+b": 0.3}
    made = run([cell(name) for name in took])
    windows = [window(name, number, load(warmup=warmup(at_s))) for number in range(1, 6) for name, at_s in took.items()]
    summary = summarise(made, windows)
    rows = {row.cell: row for row in summary.cells}
    seconds, requests = rows["jit+b"].until_warm_s, rows["jit+b"].until_warm_requests
    assert seconds is not None
    assert requests is not None
    assert seconds.estimate == pytest.approx(20.0)
    assert requests.estimate == pytest.approx(200_000)
    assert (rows["cold+b"].until_warm_s, rows["cold+b"].until_warm_requests) == (None, None)
    found = {one.subject.framework: one.value.estimate for one in throughput.figures(made, summary)
             if one.metric is Metric.WARM_S}  # fmt: skip
    assert found == {"jit": pytest.approx(20.0), "steady": pytest.approx(0.4), "quick": pytest.approx(0.3)}
    said = "warm-up, the load until a fresh server's rate no longer rose: "
    assert f"{said}jit+b 20.0 s and 200,000 requests; all others at most 0.4 s." in list(notes(made, summary))
    few = run(made.cells[2:])
    assert f"{said}all at most 0.4 s." in list(notes(few, summarise(few, windows)))


def test_a_wall_rate_below_the_servers_capacity_is_marked() -> None:
    made = run([cell("a+b")])
    summary = summarise(made, [window("a+b", number, load(1000, 0.5)) for number in range(1, 6)])
    (row,) = throughput.rows(made, summary)
    assert row[[*throughput.COLUMNS].index("wall req/s")] == "~500"


def test_a_99th_percentile_is_shown_in_milliseconds() -> None:
    made = run([cell("a+b")])
    summary = summarise(made, [window("a+b", number, load()) for number in range(1, 6)])
    (row,) = throughput.rows(made, summary)
    assert row[[*throughput.COLUMNS].index("p99 ms")] == "4.00"


def test_a_figure_is_a_rate_and_a_99th_percentile_only_at_a_share_of_the_capacity() -> None:
    """A closed loop, or a rate common to all stacks, loads each of them differently; a copy is no stack of its own."""
    cells = [cell("a+b"), cell("a+b#2", control_of="a+b")]
    windows = [window(one.name, number, load()) for one in cells for number in range(1, 6)]
    for rate, metrics in (
        (None, {Metric.REQUESTS_PER_CPU_S: 10_000}),
        (Rate(rps=100), {Metric.REQUESTS_PER_CPU_S: 10_000}),
        (Rate(share=0.5), {Metric.REQUESTS_PER_CPU_S: 10_000, Metric.P99_S: 0.004}),
    ):
        made = run(cells, rate=rate)
        found = list(throughput.figures(made, summarise(made, windows)))
        assert len(found) == len(metrics)
        assert {one.metric: one.value.estimate for one in found} == pytest.approx(metrics)
        assert {one.conditions.load_share for one in found} == {rate and rate.share}


@pytest.mark.parametrize("later_bytes", [2**19, 2**20])
def test_sleepers_that_hold_no_more_the_more_there_are_have_no_size(later_bytes: int) -> None:
    """A server that gives memory back while connections are added does not show what each one costs."""
    step = LoadStep(target=1, throughput_rps=1, requests=1, p50_s=None, p99_s=None, generator_cpu_share=0)
    steps = [replace(step, memory_bytes=2**20), replace(step, target=2, memory_bytes=later_bytes)]
    windows = [window("a+b", number, load(steps=steps)) for number in range(1, 6)]
    (row,) = summarise(run([cell("a+b")], scenario="sleepers"), windows).cells
    assert row.sleeper_bytes is None


def test_the_table_so_far_shows_which_stacks_are_done_and_which_are_given_up() -> None:
    made = run([cell(name) for name in ("done+a", "open+a", "lost+a")])
    pairs = [
        Pair(a=a, b=b, ratio=None, p_value=1, decision=decision)
        for a, b, decision in (
            ("done+a", "open+a", Decision.DIFFERENT),
            ("done+a", "lost+a", Decision.EQUIVALENT),
            ("open+a", "lost+a", Decision.UNDECIDED),
        )
    ]
    windows = [window("open+a", number, load()) for number in (1, 2)]
    shown = throughput.table_so_far(made, windows, pairs, active={"open+a"})
    columns = [list(column.cells) for column in shown.columns]
    assert columns[:2] == [["done+a", "open+a", "lost+a"], ["0", "2", "0"]]
    assert columns[-1] == ["done", "1", "1, out of reach"]
    before_any_look = throughput.table_so_far(made, windows, None, active={"open+a"})
    assert list(before_any_look.columns[-1].cells) == ["-", "-", "-"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"scenario": "rate", "rate": Rate(rps=500), "arrivals": Arrivals.POISSON},
            ["open loop: poisson arrivals at 500 a second; p99 counts from the intended send."],
        ),
        (
            {"scenario": "rate", "rate": Rate(share=0.5), "arrivals": Arrivals.CONSTANT},
            ["open loop: constant arrivals at 50% of each stack's own capacity; p99 counts from the intended send."],
        ),
        (
            {"scenario": "ramp", "rate": Rate(rps=500), "arrivals": Arrivals.POISSON},
            [
                "knee: the highest step that held p99<50ms; the row above is that step's.",
                "knee of a+b: 200 (200 to 200, n = 5) req/s.",
            ],
        ),
        (
            {"scenario": "sleepers", "objective": Objective(fraction=0.5, limit_s=0.2)},
            [
                "knee: the highest step that held p50<200ms; the row above is that step's.",
                "knee of a+b: 200 (200 to 200, n = 5) sleepers in flight.",
                "a sleeper of a+b holds 10,000 (10,000 to 10,000, n = 5) bytes of private memory.",
            ],
        ),
        ({}, []),
    ],
    ids=["rate", "share", "ramp", "sleepers", "closed loop"],
)
def test_open_loops_and_climbs_are_explained(changes: dict[str, Any], expected: list[str]) -> None:
    step = LoadStep(target=100, throughput_rps=1, requests=1, p50_s=None, p99_s=None, generator_cpu_share=0)
    steps = [replace(step, memory_bytes=2_000_000), replace(step, target=200, memory_bytes=3_000_000)]
    climbs = changes.get("scenario") in {"ramp", "sleepers"}
    windows = [window("a+b", number, load(steps=steps if climbs else [])) for number in range(1, 6)]
    made = run([cell("a+b")], **changes)
    said = [
        one for one in notes(made, summarise(made, windows)) if "open loop" in one or "knee" in one or "holds" in one
    ]
    assert said == expected


def test_without_cpu_time_rounds_are_those_with_a_wall_rate() -> None:
    made = run([cell("a+b")])
    summary = summarise(made, [window("a+b", number, load(server_cpu_s=None)) for number in range(1, 4)])
    (row,) = throughput.rows(made, summary)
    assert row[[*throughput.COLUMNS].index("rounds")] == "3"


def test_a_server_that_is_not_quiet_while_others_are_loaded_is_named_with_its_mean_share() -> None:
    made = run([cell("a+b"), cell("c+d")], slicing=SLICING)
    shares = {"a+b": (0.01, 0.03), "c+d": (0.001, 0.003)}
    windows = [
        window(name, number, load(idle_cpu_share=share))
        for name, both in shares.items()
        for number, share in enumerate(both, 1)
    ]
    assert "not quiet while others were loaded, of a core: a+b 2.0%." in notes(made, summarise(made, windows))


def test_slices_that_were_made_again_are_counted_over_all_stacks() -> None:
    made, summary = _made(slicing=SLICING)
    rows = [replace(row, slices=130, slices_disturbed=7) for row in summary.cells]
    (note,) = (one for one in notes(made, replace(summary, cells=rows)) if one.startswith("sliced:"))
    assert note.endswith("24 slices of 0.08 s each, 36 at most; 21 of 390 were disturbed and made again.")


def test_stacks_that_dropped_out_are_explained_by_each_reason() -> None:
    made, summary = _made()
    reasons = (DropReason.RESOLVED, DropReason.OUT_OF_REACH, None)
    rows = [
        replace(row, dropout=None if reason is None else Dropout(after_round=5, reason=reason))
        for row, reason in zip(summary.cells, reasons, strict=True)
    ]
    said = list(notes(made, replace(summary, cells=rows)))
    assert "rounds: a stack drops out once each of its pairs is decided." in said
    assert len([one for one in said if one.startswith("*: dropped out undecided: ")]) == 1
    assert not [one for one in notes(made, summary) if "drop" in one]
    marked = [row[[*throughput.COLUMNS].index("rounds")] for row in throughput.rows(made, replace(summary, cells=rows))]
    assert marked == ["5", "5*", "5"]


def test_a_stack_whose_slices_are_fewer_since_it_is_slow_is_named() -> None:
    slicing = Slicing(passes=32, most_passes=48, slice_s=0.08, skipped_s=0.04)
    made, summary = _made(slicing=slicing)
    rows = [replace(row, slices=40 if row.cell == "flask+sync" else 160) for row in summary.cells]
    (note,) = (one for one in notes(made, replace(summary, cells=rows)) if one.startswith("slow:"))
    assert note == "slow: slices of flask+sync are counted to their last response, and are fewer."


@pytest.mark.parametrize(
    ("step", "note"),
    [(1, "a+b is equivalent to c+d within 5%."), (100, "a+b cannot be distinguished from c+d.")],
)
def test_stacks_that_do_not_differ_share_a_range_of_ranks_and_are_named_once(step: int, note: str) -> None:
    made = run([cell("a+b"), cell("c+d")])
    values = {"a+b": (1, 2, 3, 4, 5), "c+d": (2, 4, 1, 5, 3)}
    windows = [
        window(name, number, load(1000 + step * value))
        for name in values
        for number, value in enumerate(values[name], 1)
    ]
    summary = summarise(made, windows)
    assert [row[0] for row in throughput.rows(made, summary)] == ["1-2", "1-2"]
    assert [one for one in notes(made, summary) if "a+b" in one] == [note]


def test_a_failed_control_is_reported_first() -> None:
    made = run([cell("a+b"), cell("a+b#2", control_of="a+b")])
    windows = [
        window(name, n, load(level + n)) for n in range(1, 6) for name, level in (("a+b", 9000), ("a+b#2", 8000))
    ]
    summary = summarise(made, windows)
    first, *_ = _printed(made, summary).splitlines()
    assert first.startswith("control-differs: nothing is ranked: two copies of a+b differ by 12.")
    assert sum("two copies of a+b differ by" in note for note in notes(made, summary)) == 0


def test_a_copy_that_differs_by_no_more_than_chance_explains_is_shown_with_its_p_value() -> None:
    made = run([cell("a+b"), cell("a+b#2", control_of="a+b")])
    levels = {"a+b": [9000, 9010, 9020, 9030, 9040], "a+b#2": [9015, 9011, 9035, 9032, 9055]}
    windows = [window(name, n, load(level)) for name, rounds in levels.items() for n, level in enumerate(rounds, 1)]
    summary = summarise(made, windows)
    assert throughput.warnings(summary) == []
    (line,) = (note for note in notes(made, summary) if note.startswith("controls: "))
    assert "two copies of a+b differ (ratio 0.999, 0.998 to 1.000; p = 0.0" in line


def test_controls_and_undecided_pairs_are_printed() -> None:
    made = run([cell("a+b"), cell("c+d"), cell("a+b#2", control_of="a+b")])
    levels = {"a+b": (2000, 2300, 2100, 2200, 2000), "c+d": (2100, 2000, 2200, 2100, 2300), "a+b#2": (2200,) * 5}
    windows = [window(name, n, load(row[n - 1])) for n in range(1, 6) for name, row in levels.items()]
    text = "\n".join(notes(made, summarise(made, windows)))
    assert "two copies of a+b cannot be distinguished (ratio 0.9" in text
    assert "steal 0.0%" in text
    assert "undecided: 1 of 1 pairs; about" in text
    assert "between fresh servers" in text


@pytest.mark.parametrize(
    ("rounds_needed", "note"),
    [
        ([7], "undecided: 1 of 1 pairs; about 7 more rounds would decide it."),
        ([None], "undecided: 1 of 1 pairs; it is out of reach."),
        ([3, None], "undecided: 2 of 2 pairs; half of them or more are out of reach."),
        ([3, 7, None], "undecided: 3 of 3 pairs; about 7 more rounds would decide half of them."),
    ],
)
def test_undecided_pairs_are_counted_with_the_rounds_that_half_of_them_need(
    rounds_needed: list[int | None], note: str
) -> None:
    made, summary = _made()
    undecided = [
        Pair(a="a", b="b", ratio=None, p_value=1, decision=Decision.UNDECIDED, rounds_needed=more)
        for more in rounds_needed
    ]
    assert note in notes(made, replace(summary, pairs=undecided))
