"""The words of a page say what was decided, and nothing of what was not."""

from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.prices import load_prices
from common.records.load import OwnRequest
from common.records.run import Design
from common.records.window import Window
from loadtests.page.answer import answer, headline, who_leads
from loadtests.page.model import make_page
from loadtests.page.sources import Source, Sources
from loadtests.page.writing import report
from tests.support.pages import RATES, load_test, page_of, source_of
from tests.support.records import cell, compare_run, load, run, window


def _said(page: object = None) -> str:
    return "\n".join(sentence for one in answer(page or page_of()) for sentence in one.sentences)  # type: ignore[arg-type]


def test_stacks_that_are_told_apart_are_named_with_how_many_times_as_many_requests_they_carry() -> None:
    said = _said(page_of(load_test({"fast+u": 30_000, "slow+g": 5_000})))
    assert "fast+u leads the frameworks." in said
    assert "fast+u carries 6." in said
    assert "as many requests per vCPU as slow+g." in said
    assert "Nothing: every pair of stacks was distinguished." in said


def test_a_difference_that_is_not_decided_is_not_called_one() -> None:
    said = _said(page_of(load_test({"a+u": 10_100, "b+u": 10_000}, spread=0.1)))
    assert "a+u and b+u lead the frameworks, and this run cannot tell which of them is first." in said
    assert "Undecided, which is not the same as equal: a+u and b+u." in said
    assert "times" not in said


def test_equivalent_stacks_are_called_so_with_the_margin() -> None:
    assert "Equivalent within 5%: fast+u and alike+u." in _said()


def test_floors_are_not_counted_among_the_frameworks() -> None:
    said = _said()
    assert "raw_asgi+u, no framework at all, is the floor that others are held to." in said
    assert "fast+u and alike+u lead the frameworks" in said


def test_what_a_vcpu_carries_has_its_interval_and_its_price() -> None:
    said = _said()
    assert "The most: fast+u carries 3" in said
    assert "for a million requests." in said
    assert "at 50% of capacity." in said


@pytest.mark.parametrize(
    ("rates", "rounds", "sentence"),
    [
        (RATES, 8, "fast+u and alike+u lead the frameworks, and this run cannot tell which of them is first."),
        ({"raw_asgi+u": 40_000, "fast+u": 30_000, "slow+g": 5_000}, 8, "fast+u leads the frameworks."),
        (RATES, 3, "Nothing is ranked: no stack's number is free of doubts; the table says why."),
        ({"raw_asgi+u": 40_000, "raw_wsgi+g": 10_000}, 8,
         "raw_asgi+u, no framework at all, is the floor that others are held to."),
    ],
)  # fmt: skip
def test_one_sentence_says_who_leads(rates: dict[str, float], rounds: int, sentence: str) -> None:
    page = page_of(load_test(rates, rounds=rounds))
    assert who_leads(page) == sentence
    assert sentence in _said(page)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"scenario": "mixed"}, "under mixed"),
        ({"scenario": "paths", "requests": [OwnRequest(path="/x")]}, "with requests of your own"),
    ],
)
def test_without_a_load_test_of_hello_every_sentence_says_what_was_sent(sent: dict[str, Any], words: str) -> None:
    said = answer(page_of(load_test(**sent)))
    assert [one.question for one in said][:2] == [
        f"Who leads {words}, and by how much?",
        f"What cannot be distinguished {words}?",
    ]
    sentences = [sentence for one in said[:2] for sentence in one.sentences]
    assert len(sentences) == 4
    assert all(words in sentence for sentence in sentences)


def test_a_run_whose_controls_object_ranks_nothing_and_says_why() -> None:
    cells = [cell("a+b"), cell("a+b#2", control_of="a+b")]
    made = run(cells, rounds=8)
    rates = {"a+b": 20_000, "a+b#2": 10_000}
    windows = [window(name, n, load(rate + n)) for n in range(1, 9) for name, rate in rates.items()]
    said = _said(page_of(source_of(made, windows)))
    assert "Nothing is ranked (control-differs)" in said
    assert "leads" not in said
    assert "No: see above." in said


def test_a_copy_that_differs_by_no_more_than_chance_explains_is_named() -> None:
    made = run([cell("a+b"), cell("c+d"), cell("a+b#2", control_of="a+b")])
    levels = {"a+b": [9000, 9010, 9020, 9030, 9040], "a+b#2": [9015, 9011, 9035, 9032, 9055], "c+d": [500] * 5}
    windows = [window(name, n, load(level)) for name, rounds in levels.items() for n, level in enumerate(rounds, 1)]
    said = _said(page_of(source_of(made, windows)))
    assert "two copies of a+b differ by no more than chance explains (ratio 0.999)" in said


def test_a_run_in_which_every_stack_is_in_doubt_is_not_to_be_believed() -> None:
    said = _said(page_of(load_test(rounds=3)))
    assert "Nothing is ranked" in said
    assert "No: every stack's number is in doubt, the first because: 3 windows" in said
    assert "Yes" not in said


def test_stacks_with_doubts_of_their_own_are_counted() -> None:
    made = load_test({"fast+u": 30_000, "slow+g": 5_000})
    failing = [replace(one, load=load(10_000, failures={"wrong body": 5000})) if one.cell == "slow+g" else one
               for one in made.visits if isinstance(one, Window)]  # fmt: skip
    said = _said(page_of(source_of(made.run, failing)))
    assert "Yes, as far as its controls can tell" in said
    assert "1 stack has a remark or a doubt: see the table." in said


def test_without_a_load_test_the_answer_says_what_to_run() -> None:
    page = page_of()
    page.sources.__dict__["ranking"] = None
    assert _said(page) == who_leads(page) == "No load test is among these runs: make loadtest."


def _comparison(**changes: Any) -> Source:  # noqa: ANN401 -- any field of a comparison
    """Return a comparison that found b 10 % slower than a."""
    rates = {"a": 10_000, "b": 9_000}
    made = compare_run([cell(name) for name in rates], design=Design.DUET, **changes)
    return source_of(
        made, [window(name, number, load(rate + number)) for number in range(1, 6) for name, rate in rates.items()]
    )


def test_a_page_of_a_comparison_says_what_it_decided_about_its_limit() -> None:
    page = page_of(_comparison(fail_if_slower=0.03))
    assert headline(page)[0].startswith("2026-01-02: b is slower than a by more than 3.0%: the difference is -10.0% (")
    assert "b is slower than a by more than 3.0%" in report(page)


def test_comparisons_stand_after_what_a_load_test_says() -> None:
    page = page_of(load_test(), _comparison())
    assert headline(page)[0].startswith("fast+u and alike+u lead the frameworks")
    assert [one.sentences for one in answer(page)][-1][0].startswith("2026-01-02: b is slower than a by 10.0% (")


def test_decisions_are_held_against_the_load_tests_of_other_machines() -> None:
    here, there = load_test({"a+u": 30_000, "b+u": 20_000}), load_test({"a+u": 50_000, "b+u": 40_000}, id="there")
    machine = replace(there.run.machine, cpu_identity="GenuineIntel, family 6")
    there = Source.of(replace(there.run, machine=machine), there.visits)
    assert "other machines" not in report(page_of(here))
    page = report(make_page(Sources(runs=[here], elsewhere=[there]), load_prices()))
    assert "Does it hold on other machines?" in page
    assert (
        "On another processor, Toy (GenuineIntel, family 6), 1 of 1 pair decided here and compared there came out alike"
        in page
    )
    assert page.count("holds on 2 of 2 machines") == 2
    assert "50,0" not in page
