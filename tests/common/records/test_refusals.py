"""A record that is refused is refused in one line: the field, the value that it has, and what is accepted."""

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from common.errors import UsageError
from common.records.schema import decode


class Colour(StrEnum):
    """A closed choice."""

    RED = "red"
    GREEN = "green"


class Part(Struct):
    """A record within another."""

    colour: Colour | None = None
    size: Annotated[int, Meta(ge=1, le=9)] = 1


class Whole(Struct, tag_field="made", tag="whole"):
    """A record with a field of each kind."""

    parts: list[Part] = []
    by_name: dict[str, Part] = {}
    by_colour: dict[Colour, int] = {}
    speed: Literal["slow", "fast"] = "slow"
    named: str = ""


class Half(Struct, tag_field="made", tag="half"):
    """Another kind of record."""

    parts: list[Whole] = []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"made": "half-way"}', 'made is "half-way": must be one of whole, half'),
        ('{"made": "whole", "speed": "b\\n"}', r'speed is "b\n": must be one of fast, slow'),
        ('{"made": "whole", "parts": [{}, {"colour": "\'blue\\""}]}',
         r"""parts[1].colour is "'blue\"": must be one of red, green"""),
        ('{"made": "whole", "by_name": {"a": {"colour": "x"}}}',
         'by_name[...].colour is "x": must be one of red, green'),
        ('{"made": "whole", "by_colour": {"red": 1, "x": 2}}', 'a key of by_colour is "x": must be one of red, green'),
        ('{"made": "half", "parts": [{"made": "third"}]}', 'parts[0].made is "third": must be one of whole'),
        ('{"made": "whole", "parts": [{"size": 10}]}', "parts[0].size is 10: must be `int` <= 9"),
        ('{"made": "whole", "named": [1, 2]}', "named is [1,2]: must be `str`"),
    ],
)  # fmt: skip
def test_the_field_its_value_and_what_is_accepted_are_named(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as refused:
        decode(text, Whole | Half, what="toy", source="toy.json")
    assert str(refused.value) == f"toy.json is not a valid toy of schema version 3: {problem}."


def test_a_long_value_is_cut() -> None:
    with pytest.raises(UsageError, match=r'is "x{79}\.\.\.: must be one of fast, slow\.$'):
        decode(f'{{"made": "whole", "speed": "{"x" * 5000}"}}', Whole | Half, what="toy", source="toy.json")


@pytest.mark.parametrize(
    "text",
    [
        b'{"made": "whole", "speed": "x", "other": "\xff"}',
        b'{"made": "whole", "speed": "x", "other": 1e999}',
        b'{"made": "whole", "speed": "x", "other": ' + b"[" * 10_000,
        b'{"made": "whole", "speed": "x"',
        b'{"speed": "slow"}',
        b"[]",
        b'{"made": "whole", "by_colour": {"red": "x"}}',
    ],
)
def test_a_record_that_is_wrong_in_another_way_is_refused_in_one_line(text: bytes) -> None:
    with pytest.raises(UsageError, match=r"^toy\.json is not a valid toy of schema version 3: .*\.$") as refused:
        decode(text, Whole | Half, what="toy", source="toy.json")
    assert "\n" not in str(refused.value)
