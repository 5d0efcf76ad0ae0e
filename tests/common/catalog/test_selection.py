"""Names are forgiving, errors are not vague."""

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
def test_names_match_whatever_their_case_and_dashes_in_the_order_of_what_exists(
    text: str, chosen: tuple[str, ...]
) -> None:
    assert select(text, KNOWN, variable="FRAMEWORK") == chosen


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
def test_an_unknown_name_is_answered_with_what_exists_and_the_nearest(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(text, KNOWN, variable="FRAMEWORK")
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("flask_restful, all.")
