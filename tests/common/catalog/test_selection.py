"""Tests of name matching: spelling is forgiving, and an error names what exists."""

import pytest

from common.catalog.selection import select
from common.errors import UsageError

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
