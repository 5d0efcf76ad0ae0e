"""The page of a profile: words from the shares, a bar for every function, nothing from elsewhere, names as text."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.profiles.flame import WIDTH, difference, page, words
from loadtests.profiles.owners import CallStack, Frame, Owners, Profile
from tests.support.hostile import HOSTILE, Markup

PACKAGES = Path("/env/site-packages")
OWNERS = Owners(packages=PACKAGES, server=frozenset({"gunicorn"}), app=(Path("/frameworks/toy"),))
RUN = Frame("run", "/env/site-packages/gunicorn/app.py", 10)
ROUTE = Frame("route", "/env/site-packages/toy/routing.py", 20)
HELLO = Frame("hello", "/frameworks/toy/app.py", 3)


def _profile(name: str, route: int, hello: int) -> Profile:
    stacks = [CallStack((RUN, ROUTE), route), CallStack((RUN, ROUTE, HELLO), hello)]
    return Profile(name=name, stacks=stacks, owners=OWNERS)


def _bars(text: str) -> list[tuple[str, float, str]]:
    found = re.findall(r'<g class="f-([a-z]+)" data-x="[0-9.]+" data-w="([0-9.]+)".*?<title>([^<]*)</title>', text)
    return [(title, float(width), kind) for kind, width, title in found]


def test_the_words_say_whose_code_it_is() -> None:
    (sentence,) = words(_profile("toy", 60, 40))
    assert "60% in the framework and all other packages" in sentence
    assert "40% in the app" in sentence
    assert sentence.endswith("(100 samples).")


def test_a_bar_is_as_wide_as_its_functions_share() -> None:
    bars = _bars(page([_profile("toy", 60, 40)]))
    assert bars == [
        ("all: 100.0%", WIDTH, "all"),
        ("run (gunicorn/app.py:10): 100.0%", WIDTH, "server"),
        ("route (toy/routing.py:20): 100.0%", WIDTH, "framework"),
        ("hello (toy/app.py:3): 40.0%", pytest.approx(WIDTH * 0.4), "app"),
    ]


def test_a_comparison_marks_what_changed() -> None:
    before, after = _profile("old", 60, 40), _profile("new", 90, 10)
    second = _bars(page([before, after]))[4:]
    assert [kind for _, _, kind in second] == ["all", "same", "same", "less"]
    (sentence,) = difference(before, after)
    assert "framework 60% to 90%, app 40% to 10%" in sentence


def test_of_two_profiles_one_alone_has_a_driver() -> None:
    before, after = _profile("old", 60, 40), _profile("new", 60, 40)
    query = Frame("fetch", "/env/site-packages/asyncpg/pool.py", 1)
    with_driver = replace(after, stacks=[*after.stacks, CallStack((RUN, query), 100)],
                          owners=replace(OWNERS, driver=frozenset({"asyncpg"})))  # fmt: skip
    (sentence,) = difference(before, with_driver)
    assert "driver 0% to 50%" in sentence
    assert "the database&#39;s driver" in page([before, with_driver])
    assert "the database&#39;s driver" not in page([before])


def test_functions_of_one_name_under_one_caller_are_compared_together() -> None:
    """Their files differ between versions, and so tell nothing."""
    made = [Frame("__init__", f"/env/site-packages/toy/{name}.py", 1) for name in ("request", "response")]
    stacks = [CallStack((RUN, one), 500) for one in made]
    both = [Profile(name=name, stacks=stacks, owners=OWNERS) for name in ("old", "new")]
    second = _bars(page(both))[4:]
    assert [kind for _, _, kind in second] == ["all", "same", "same", "same"]


def test_the_page_needs_nothing_else_and_names_are_text() -> None:
    evil = Frame("<script>alert(1)</script>", "/env/site-packages/toy/x.py", 1)
    text = page([Profile(name="<b>toy</b>", stacks=[CallStack((RUN, evil), 3)], owners=OWNERS)])
    assert "<script>alert" not in text
    assert "<b>toy" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "/frameworks/" not in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(50))
def test_nothing_that_a_profile_says_is_markup(text: str) -> None:
    honest = Markup(page([_profile("old", 60, 40), _profile("new", 90, 10)]))
    frames = [Frame(f"{text}{number}", f"{folder}{text}{number}", number)
              for number, folder in enumerate(("/env/site-packages/", "/frameworks/toy/", ""))]  # fmt: skip
    stacks = [CallStack(tuple(frames[: depth + 1]), 5 + depth) for depth in range(3)]
    found = Markup(page([Profile(name=f"{name}{text}", stacks=stacks, owners=OWNERS) for name in ("", "b")]))
    assert found.found <= honest.found
    assert found.links <= honest.links
