"""Tests that versions are compared with the newest and the one before, and that a change is found where it lies."""

import io

import pytest
from rich.console import Console

from common.records.summary import Decision, Interval, Pair
from loadtests.experiments.history.report import sentences, table
from tests.support.records import history_run

VERSIONS = {f"toy@{version}+native": version for version in ("1.0", "1.1", "2.0")}
FIRST, SECOND, THIRD = VERSIONS
RUN = history_run(VERSIONS)


def pair(a: str, b: str, ratio: float, decision: Decision) -> Pair:
    """Return a comparison whose interval is 1 % to either side."""
    interval = Interval(estimate=ratio, low=ratio * 0.99, high=ratio * 1.01, n=10)
    return Pair(a=a, b=b, ratio=interval, p_value=0.01, decision=decision)


PAIRS = [
    pair(SECOND, FIRST, 1.0, Decision.EQUIVALENT),
    pair(FIRST, THIRD, 0.8, Decision.DIFFERENT),
    pair(THIRD, SECOND, 1.25, Decision.DIFFERENT),
]


def printed(pairs: list[Pair]) -> list[str]:
    """Return the lines of the table."""
    console = Console(file=io.StringIO(), width=150)
    console.print(table(RUN, pairs))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_every_version_has_its_speed_in_parts_of_the_newest() -> None:
    rows = {line.split()[0]: line.split()[1:] for line in printed(PAIRS) if line.strip()}
    assert rows["1.0"] == ["80.0%", "79.2%", "to", "80.8%", "different"]
    assert rows["2.0"] == ["100.0%", "-", "-"]


def test_speed_is_the_same_whichever_way_round_two_versions_were_compared() -> None:
    rows = {line.split()[0]: line.split()[1:] for line in printed(PAIRS) if line.strip()}
    assert rows["1.1"][0] == rows["1.0"][0]


def test_change_is_found_at_the_release_where_it_lies() -> None:
    *steps, last = sentences(RUN, PAIRS)
    assert steps[0].startswith(f"{SECOND} and {FIRST} are equivalent")
    assert steps[1].startswith(f"{THIRD} is faster than {SECOND} by 25.0%")
    assert last == f"the speed changed at {THIRD}."


def test_no_change_is_said_to_be_none() -> None:
    alike = [pair(a, b, 1.0, Decision.EQUIVALENT) for a, b in ((FIRST, SECOND), (SECOND, THIRD), (FIRST, THIRD))]
    assert list(sentences(RUN, alike))[-1] == "no release changed the speed measurably."


@pytest.mark.parametrize(
    ("pairs", "last"),
    [
        ([], f"{THIRD} was not compared with the version before it."),
        ([pair(FIRST, SECOND, 1.0, Decision.EQUIVALENT)], "no release that was compared changed the speed measurably."),
    ],
)
def test_version_that_could_not_be_measured_is_said_to_be_missing(pairs: list[Pair], last: str) -> None:
    assert any("not compared" in line for line in printed(pairs))
    said = list(sentences(RUN, pairs))
    assert f"{THIRD} was not compared with the version before it." in said
    assert said[-1] == last
