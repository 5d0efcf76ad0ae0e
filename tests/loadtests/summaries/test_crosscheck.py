"""Two load generators on one stack are compared within rounds."""

from msgspec.structs import replace

from common.records.window import Window
from loadtests.summaries.crosscheck import summarise
from tests.support.generator_records import crosscheck_run
from tests.support.records import cell, load, window

RUN = crosscheck_run([cell("a+b, locust"), cell("a+b, wrk")])


def windows(*pairs: tuple[int, int]) -> list[Window]:
    """Return rounds with these numbers of answers for our tool and for wrk."""
    return [
        window(own.name, number, load(requests))
        for number, pair in enumerate(pairs, start=1)
        for own, requests in zip(RUN.cells, pair, strict=True)
    ]


def test_differences_between_rounds_cancel_in_the_ratio() -> None:
    summary = summarise(RUN, windows((11_000, 10_000), (5_500, 5_000), (110_000, 100_000)))
    for ratio in (summary.requests_per_cpu_s_ratio, summary.throughput_ratio):
        assert ratio is not None
        assert ratio.low is not None
        assert (round(ratio.estimate, 9), round(ratio.low, 9), ratio.n) == (1.1, 1.1, 3)


def test_all_windows_on_a_server_give_one_value() -> None:
    turns = windows((12_000, 10_000), (10_000, 10_000))
    summary = summarise(RUN, [replace(one, round=1) for one in turns])
    for ratio in (summary.requests_per_cpu_s_ratio, summary.throughput_ratio):
        assert ratio is not None
        assert (round(ratio.estimate, 9), ratio.n) == (1.1, 1)


def test_a_round_of_only_one_tool_is_left_out() -> None:
    *both, _ = windows((22_000, 20_000), (90_000, 10_000))
    ratio = summarise(RUN, both).throughput_ratio
    assert ratio is not None
    assert (round(ratio.estimate, 9), ratio.n) == (1.1, 1)
    assert summarise(RUN, both[:1]).throughput_ratio is None


def test_each_tool_has_a_row_with_its_rates_and_core_shares() -> None:
    ours, theirs = summarise(RUN, windows((22_000, 20_000))).rows
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
    summary = summarise(RUN, found)
    assert summary.failures == ["round 3 a+b, wrk: died", "round 2 a+b, wrk: timeout x 3"]
