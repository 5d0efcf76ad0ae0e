"""Spelling of names is forgiving, and an error names what exists; a number is what people write in digits."""

import pytest

from common.errors import UsageError
from common.words import counted, first_names, last_lines, parse_decimal, parse_whole, select

KNOWN = ("falcon", "falcon_asgi", "flask", "flask_restful")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("falcon", ("falcon",)),
        ("falcON", ("falcon",)),
        ("Flask-RESTful", ("flask_restful",)),
        ("flask_restful", ("flask_restful",)),
        (" flask , falcon ", ("falcon", "flask")),
        ("flask,FLASK", ("flask",)),
        ("all", KNOWN),
        ("ALL", KNOWN),
    ],
)
def test_names_match_in_any_case_with_dashes_or_underscores_and_keep_the_order_of_what_exists(
    text: str, chosen: tuple[str, ...]
) -> None:
    assert select(text, KNOWN, variable="FRAMEWORK") == chosen


def test_group_stands_for_its_names_and_may_be_joined_with_others() -> None:
    groups = {"small": ("falcon", "flask")}
    assert select("SMALL,flask-restful", KNOWN, variable="FRAMEWORK", groups=groups) == (
        "falcon",
        "flask",
        "flask_restful",
    )
    with pytest.raises(UsageError, match=r"Accepted: .*, all, small\.$"):
        select("smal", KNOWN, variable="FRAMEWORK", groups=groups)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flusk", "FRAMEWORK=flusk is unknown. Did you mean flask? Accepted: falcon, falcon_asgi, flask,"),
        ("falcon,Flask-Restfull", "FRAMEWORK=Flask-Restfull is unknown. Did you mean flask_restful?"),
        ("quart", "FRAMEWORK=quart is unknown. Accepted: falcon,"),
        ("", "FRAMEWORK=(empty) is unknown."),
        ("flask,", "FRAMEWORK=(empty) is unknown."),
    ],
)
def test_unknown_name_is_refused_with_what_exists_and_the_nearest_match(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(text, KNOWN, variable="FRAMEWORK")
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("flask_restful, all.")


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


@pytest.mark.parametrize(
    ("output", "line"),
    [("", ""), ("one\n", "one"), ("one\r\n\n  two\n \n", "one | two"), ("one\ntwo\nthree\nfour", "two | three | four")],
)
def test_end_of_an_output_is_one_line(output: str, line: str) -> None:
    assert last_lines(output, 3) == line


@pytest.mark.parametrize(
    ("names", "listed"), [(["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more")]
)
def test_only_the_first_of_many_names_are_listed(names: list[str], listed: str) -> None:
    assert first_names(names, 2) == listed
