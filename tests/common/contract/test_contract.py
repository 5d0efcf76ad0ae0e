"""A delay is 1 to 5 ASCII digits up to 60000, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract import BAD_DELAY, MAX_DELAY_MS, parse_delay, seconds, slept

ACCEPTED = {"0": 0, "7": 7, "007": 7, "00000": 0, "59999": 59_999, "60000": 60_000}
REFUSED = [
    *("", "-1", "+5", " 5", "5 ", "5\n", "1.5", "1e3", "1_0", "0x1", "000001", "60001", "99999", "100000"),
    *("\N{ARABIC-INDIC DIGIT ONE}", "\N{FULLWIDTH DIGIT ONE}", "\N{SUPERSCRIPT TWO}", "5\0", "%31", "abc", "NaN"),
]


@pytest.mark.parametrize(("text", "delay_ms"), ACCEPTED.items())
def test_a_delay_is_read_as_decimal_digits(text: str, delay_ms: int) -> None:
    assert parse_delay(text) == delay_ms


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(BAD_DELAY)):
        parse_delay(text)


@given(st.integers(0, MAX_DELAY_MS), st.integers(1, 5))
def test_leading_zeros_change_nothing(delay_ms: int, width: int) -> None:
    assert parse_delay(f"{delay_ms:0{width}d}") == delay_ms


@given(st.one_of(st.text(), st.from_regex(r"\d{1,6}"), st.integers().map(str)))
def test_whatever_is_accepted_is_a_number_that_was_written_in_ascii(text: str) -> None:
    try:
        delay_ms = parse_delay(text)
    except ValueError as error:
        assert str(error) == BAD_DELAY  # noqa: PT017 -- either outcome is right, and each is checked
    else:
        assert text.isascii()
        assert text.lstrip("0") == (str(delay_ms) if delay_ms else "")
        assert 0 <= delay_ms <= MAX_DELAY_MS


@given(st.integers(1, MAX_DELAY_MS), st.floats(0, 1, exclude_max=True))
def test_a_sleep_on_a_clock_of_whole_milliseconds_is_never_too_short(delay_ms: int, offset_ms: float) -> None:
    """As libuv counts: the start is rounded down to a whole millisecond, and so is the clock that ends the sleep."""
    started_ms = 1000 + offset_ms
    ended_ms = int(started_ms) + round(seconds(delay_ms) * 1000)
    assert ended_ms - started_ms >= delay_ms


def test_no_delay_is_no_sleep() -> None:
    assert seconds(0) == 0


def test_an_answer_names_the_number() -> None:
    assert slept(7) == "slept for 7 ms"
