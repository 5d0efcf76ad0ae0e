"""The costs of load generators are compared within rounds and form a table; so do the workers of one window."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.records.window import Load, Window
from loadtests.experiments.bench_generator.report import summarise, table
from loadtests.experiments.crosscheck.report import crosscheck_sentences, crosscheck_table, summarise_crosscheck
from loadtests.experiments.distributed.report import summarise_distributed, workers_table
from tests.support.generator_records import CELLS, crosscheck_run, distributed_run, generator_run, generator_visit
from tests.support.records import cell, load, setup, window, worker

OURS, WRK, FAST = CELLS

RUN = crosscheck_run([cell("a+b, locust"), cell("a+b, wrk")])


def windows(*pairs: tuple[int, int]) -> list[Window]:
    """Return rounds with these numbers of answers for our tool and for wrk."""
    return [
        window(own.name, number, load(requests))
        for number, pair in enumerate(pairs, start=1)
        for own, requests in zip(RUN.cells, pair, strict=True)
    ]


def test_differences_between_rounds_cancel_in_the_ratio() -> None:
    summary = summarise_crosscheck(RUN, windows((11_000, 10_000), (5_500, 5_000), (110_000, 100_000)))
    for ratio in (summary.requests_per_cpu_s_ratio, summary.throughput_ratio):
        assert ratio is not None
        assert ratio.low is not None
        assert (round(ratio.estimate, 9), round(ratio.low, 9), ratio.n) == (1.1, 1.1, 3)


def test_all_windows_on_a_server_give_one_value() -> None:
    turns = windows((12_000, 10_000), (10_000, 10_000))
    summary = summarise_crosscheck(RUN, [replace(one, round=1) for one in turns])
    for ratio in (summary.requests_per_cpu_s_ratio, summary.throughput_ratio):
        assert ratio is not None
        assert (round(ratio.estimate, 9), ratio.n) == (1.1, 1)


def test_a_round_of_only_one_tool_is_left_out() -> None:
    *both, _ = windows((22_000, 20_000), (90_000, 10_000))
    ratio = summarise_crosscheck(RUN, both).throughput_ratio
    assert ratio is not None
    assert (round(ratio.estimate, 9), ratio.n) == (1.1, 1)
    assert summarise_crosscheck(RUN, both[:1]).throughput_ratio is None


def test_each_tool_has_a_row_with_its_rates_and_core_shares() -> None:
    ours, theirs = summarise_crosscheck(RUN, windows((22_000, 20_000))).rows
    assert (ours.cell, theirs.cell) == ("a+b, locust", "a+b, wrk")
    assert ours.requests_per_cpu_s is not None
    assert ours.throughput_rps is not None
    assert (round(ours.requests_per_cpu_s.estimate), round(ours.throughput_rps.estimate)) == (11_000, 11_000)
    assert (ours.server_utilisation, ours.generator_utilisation) == (1.0, 0.25)


def test_a_window_with_failures_or_without_load_is_named() -> None:
    found = [
        window("a+b, locust", 1, load()),
        window("a+b, wrk", 3, None, "died"),
        window("a+b, wrk", 2, load(failures={"timeout": 3})),
    ]
    summary = summarise_crosscheck(RUN, found)
    assert summary.failures == ["round 3 a+b, wrk: died", "round 2 a+b, wrk: timeout x 3"]


def test_the_sentences_name_both_ratios() -> None:
    cpu, wall = crosscheck_sentences(summarise_crosscheck(RUN, windows((22_000, 20_000), (11_000, 10_000))))
    assert cpu == "requests per server CPU-second, locust to wrk: 1.100 (95 % interval 1.100 to 1.100), 2 servers"
    assert wall.startswith("wall rate, locust to wrk: 1.100 ")


def test_a_sentence_says_if_no_server_was_loaded_by_both_tools() -> None:
    (_, wall) = crosscheck_sentences(summarise_crosscheck(RUN, windows((22_000, 20_000))[:1]))
    assert wall == "wall rate, locust to wrk: no server was loaded by both"


def test_the_table_has_a_row_for_each_tool() -> None:
    console = Console(width=150, file=io.StringIO(), record=True)
    console.print(crosscheck_table(RUN, summarise_crosscheck(RUN, windows((22_000, 20_000)))))
    text = console.export_text()
    assert text.startswith("crosscheck: 16 connections, 5 servers, 1 x 2 s by each tool")
    (ours,) = [line for line in text.splitlines() if line.lstrip().startswith("a+b, locust")]
    assert ours.split() == ["a+b,", "locust", "11,000", "-", "11,000", "-", "100%", "25%"]


def test_generators_are_compared_within_rounds() -> None:
    """The second round is twice as fast for all, which cancels."""
    visits = [
        generator_visit(cell, number, requests * number)
        for number in (1, 2)
        for cell, requests in ((OURS, 9000), (WRK, 10_000), (FAST, 1000))
    ]
    ours, wrk, fast = summarise(generator_run(), visits).rows
    assert ours.requests_per_cpu_s is not None
    assert ours.requests_per_cpu_s.estimate == pytest.approx(18_000 * 2**0.5)
    assert ours.to_wrk is not None
    assert ours.to_wrk.estimate == pytest.approx(0.9)
    assert ours.to_wrk.low == pytest.approx(0.9)
    assert wrk.to_wrk is not None
    assert wrk.to_wrk.estimate == 1
    assert fast.to_wrk is not None
    assert fast.to_wrk.estimate == pytest.approx(0.1)
    assert ours.to_fast_http_user is not None
    assert ours.to_fast_http_user.estimate == pytest.approx(9)
    assert ours.core_share == 0.5


def test_a_window_without_requests_has_no_value() -> None:
    visits = [generator_visit(OURS, 1, 0, generator_cpu_s=0.0, duration_s=0.0, error="it sent nothing")]
    ours, wrk, _ = summarise(generator_run(), visits).rows
    assert (ours.requests_per_cpu_s, ours.core_share, ours.to_wrk) == (None, None, None)
    assert wrk.requests_per_cpu_s is None


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (load(workers=[worker()]), None),
        (load(server_gone="it died"), "the server was lost: it died."),
        (load(failures={"timeout": 2, "wrong body": 1}), "failures: timeout x 2, wrong body x 1."),
        (load(workers_lost=1), "1 worker lost"),
        (load(workers=[worker(joined_late=True)]), "1 worker joined in mid-window"),
        (load(workers=[worker(generator_cpu_s=1.7)]), "worker one used 85% of a core; use more workers."),
    ],
)
def test_each_problem_of_a_distributed_window_is_named(found: Load, problem: str | None) -> None:
    summary = summarise_distributed(distributed_run(setup()), [window("here", 1, found)])
    assert summary.load == found
    assert len(summary.problems) == (0 if problem is None else 1)
    assert (problem or "") in "".join(summary.problems)


def test_a_distributed_run_without_a_window_says_why() -> None:
    summary = summarise_distributed(distributed_run(setup()), [window("here", 1, None, "no worker joined")])
    assert (summary.load, summary.problems) == (None, ["no worker joined"])


def test_the_table_has_a_row_for_each_generator_with_its_ratios() -> None:
    visits = [
        generator_visit(cell, number, requests * number)
        for number in (1, 2)
        for cell, requests in zip(CELLS, (9000, 10_000, 1000), strict=True)
    ]
    found = table(summarise(generator_run(), visits))
    columns = {str(column.header): list(column.cells) for column in found.columns}
    assert columns["generator"] == ["ours", "wrk", "FastHttpUser"]
    assert columns["to wrk"] == ["0.90 (0.90 to 0.90)", "1.00 (1.00 to 1.00)", "0.10 (0.10 to 0.10)"]
    assert columns["to FastHttpUser"][0] == "9.00 (9.00 to 9.00)"
    assert columns["core used"] == ["50%"] * 3


def test_the_table_of_a_distributed_window_has_totals_in_its_title_and_a_row_per_worker() -> None:
    found = workers_table(load(workers=[worker(), worker(name="two", joined_late=True)]))
    assert str(found.title) == "10,000 req/s; p50 1.00 ms, p99 4.00 ms, maximum 6.00 ms"
    rows = list(zip(*(column.cells for column in found.columns), strict=True))
    assert rows == [
        ("one", "16", "20,000", "10,000", "25%", ""),
        ("two", "16", "20,000", "10,000", "25%", "yes"),
    ]
