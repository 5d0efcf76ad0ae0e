"""A number is what its users write in digits; what only programs read as one is a mistake."""

import pytest

from common.catalog.numbers import counted, parse_decimal, parse_whole


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("16", 16), ("007", 7), ("-1", -1), ("9" * 18, 10**18 - 1)])
def test_whole_numbers_are_read(text: str, value: int) -> None:
    assert parse_whole(text) == value


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.25", 0.25), (".5", 0.5), ("16", 16.0)])
def test_numbers_are_read_with_a_point_and_without(text: str, value: float) -> None:
    assert parse_decimal(text) == value


@pytest.mark.parametrize("text", ["", " 1", "1\n", "+1", "1_0", "0x10", "1e3", "nan", "inf", "1.", "\u0661", "9" * 19])
def test_anything_else_is_no_number(text: str) -> None:
    for parse in (parse_whole, parse_decimal):
        with pytest.raises(ValueError, match=r"must be a .*number in digits"):
            parse(text)


@pytest.mark.parametrize(("count", "text"), [(0, "0 rounds"), (1, "1 round"), (12_000, "12,000 rounds")])
def test_a_count_is_written_with_its_noun(count: int, text: str) -> None:
    assert counted(count, "round") == text
