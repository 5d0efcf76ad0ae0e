"""Tests of the contract's parsing function and texts: a delay is 1 to 5 ASCII digits, up to 60000."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract import BAD_DELAY, MAX_DELAY_MS, parse_delay, sleep_seconds, slept

ACCEPTED = {"0": 0, "7": 7, "007": 7, "00000": 0, "59999": 59_999, "60000": 60_000}
REFUSED = [
    *("", "-1", "+5", " 5", "5 ", "5\n", "1.5", "1e3", "1_0", "0x1", "000001", "60001", "99999", "100000"),
    *("\N{ARABIC-INDIC DIGIT ONE}", "\N{FULLWIDTH DIGIT ONE}", "\N{SUPERSCRIPT TWO}", "5\0", "%31", "abc", "NaN"),
    *("9" * 400, "9" * 5000),
]


@pytest.mark.parametrize(("text", "delay_ms"), ACCEPTED.items())
def test_delay_is_read_as_decimal_digits(text: str, delay_ms: int) -> None:
    assert parse_delay(text) == delay_ms


@pytest.mark.parametrize("text", REFUSED)
def test_any_other_text_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(BAD_DELAY)):
        parse_delay(text)


@given(st.integers(0, MAX_DELAY_MS), st.integers(1, 5))
def test_leading_zeros_are_ignored(delay_ms: int, width: int) -> None:
    assert parse_delay(f"{delay_ms:0{width}d}") == delay_ms


@given(st.one_of(st.text(), st.from_regex(r"\d{1,6}"), st.integers().map(str)))
def test_accepted_text_is_always_a_number_in_ascii_digits(text: str) -> None:
    try:
        delay_ms = parse_delay(text)
    except ValueError as error:
        assert str(error) == BAD_DELAY  # noqa: PT017 -- both outcomes are valid, and each is checked
    else:
        assert text.isascii()
        assert text.lstrip("0") == (str(delay_ms) if delay_ms else "")
        assert 0 <= delay_ms <= MAX_DELAY_MS


@given(st.integers(1, MAX_DELAY_MS), st.floats(0, 1, exclude_max=True))
def test_sleep_on_a_clock_of_whole_milliseconds_is_never_too_short(delay_ms: int, offset_ms: float) -> None:
    """Both the start of a sleep and the clock that ends it are rounded down, as in libuv."""
    started_ms = 1000 + offset_ms
    ended_ms = int(started_ms) + round(sleep_seconds(delay_ms) * 1000)
    assert ended_ms - started_ms >= delay_ms


def test_zero_delay_does_not_sleep() -> None:
    assert sleep_seconds(0) == 0


def test_response_names_the_delay() -> None:
    assert slept(7) == "slept for 7 ms"
