"""Each stack's part of the page says what it is."""

from loadtests.page.stacks import stack_parts
from tests.support.pages import load_test, page_of


def test_a_part_says_how_much_its_framework_is_used_where_that_is_known() -> None:
    parts = stack_parts(page_of(load_test({"falcon+u": 20_000.0, "unheard_of+u": 10_000.0})))
    facts = {part.name: dict(part.facts) for part in parts}
    assert "GitHub stars" in facts["falcon+u"]["popularity"]
    assert "popularity" not in facts["unheard_of+u"]
