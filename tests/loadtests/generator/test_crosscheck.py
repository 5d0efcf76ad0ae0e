"""Two tools on one stack: pairs within rounds, a ratio with its interval."""

import math

import pytest

from common.records.window import Window
from loadtests.analysis.values import requests_per_cpu_s
from loadtests.generator.crosscheck import failures, in_words, paired_ratio, sentences, table, values
from tests.support.records import cell, load, run, window

RUN = run([cell("a+b, locust"), cell("a+b, wrk")])


def windows(*pairs: tuple[int, int]) -> list[Window]:
    """Rounds in which ours and theirs had so many answers."""
    return [
        window(own.name, number, load(requests))
        for number, pair in enumerate(pairs, start=1)
        for own, requests in zip(RUN.cells, pair, strict=True)
    ]


def test_what_a_round_shares_falls_out_of_the_ratio() -> None:
    ratio = paired_ratio({1: 110.0, 2: 55.0, 3: 1100.0}, {1: 100.0, 2: 50.0, 3: 1000.0})
    assert ratio is not None
    assert ratio.low is not None
    assert math.isclose(ratio.estimate, 1.1)
    assert math.isclose(ratio.low, 1.1)


def test_the_interval_is_students_on_the_logarithms() -> None:
    """The logarithms of 1.0, 1.1, 1.21 have mean ln 1.1, standard deviation ln 1.1; t(0.975, 2) = 4.3027."""
    ratio = paired_ratio({1: 1.0, 2: 1.1, 3: 1.21}, {1: 1.0, 2: 1.0, 3: 1.0})
    assert ratio is not None
    assert ratio.high is not None
    assert ratio.high == pytest.approx(1.1 * math.exp(4.30265 * math.log(1.1) / math.sqrt(3)), rel=1e-4)


def test_a_round_that_only_one_has_is_left_out() -> None:
    ratio = paired_ratio({1: 2.0, 2: 9.0}, {1: 1.0})
    assert ratio is not None
    assert (ratio.estimate, ratio.n) == (2.0, 1)
    assert in_words(paired_ratio({2: 9.0}, {1: 1.0})) == "no round has both"


def test_the_sentences_name_both_ratios() -> None:
    cpu, wall = sentences(RUN, windows((22_000, 20_000), (11_000, 10_000)))
    assert cpu == "requests per server CPU-second, locust to wrk: 1.100 (95 % interval 1.100 to 1.100), 2 pairs"
    assert wall.startswith("wall rate, locust to wrk: 1.100 ")


def test_the_table_has_a_row_for_each_tool() -> None:
    assert table(RUN, windows((22_000, 20_000))).row_count == 2


def test_a_window_with_failures_or_without_load_is_named() -> None:
    found = [window("a", 1, load()), window("b", 3, None, "died"), window("c", 2, load(failures={"timeout": 3}))]
    assert list(failures(found)) == ["round 3 b: died", "round 2 c: timeout x 3"]
    assert values(found, requests_per_cpu_s) == {1: 10_000, 2: 10_000}
