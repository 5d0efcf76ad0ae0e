"""Whatever goes wrong, no task is left and the ceiling holds: seeded scenarios in simulated time.

Each scenario is one run against an ECS that throttles, loses, delays and repeats calls, lists late and refuses, with
signals, kills, a laptop's sleep and other machines' sweeps. The suite plays the first few; all of them are played by

    FARGATE_SCENARIOS=200 python -m pytest -s tests/common/aws/test_scenarios.py
"""

import os
from collections import Counter

import pytest

from tests.support.fargate_scenario import Outcome, Scenario

SCENARIOS = int(os.environ.get("FARGATE_SCENARIOS", "40"))


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """The outcome of every scenario."""
    return [Scenario(seed).play() for seed in range(SCENARIOS)]


def test_no_task_is_left_and_the_ceiling_holds(outcomes: list[Outcome]) -> None:
    assert {outcome.seed: outcome.violations for outcome in outcomes if outcome.violations} == {}


def test_the_scenarios_hold_what_they_are_about(outcomes: list[Outcome]) -> None:
    endings = Counter(outcome.ending for outcome in outcomes)
    print(  # noqa: T201 -- the figures of this harness, with pytest -s
        f"\n{len(outcomes)} scenarios: {dict(endings)}; {sum(outcome.tasks for outcome in outcomes)} tasks, "
        f"{sum(outcome.calls for outcome in outcomes)} calls; "
        f"{sum(outcome.left_at_end for outcome in outcomes)} tasks outlived their process, "
        f"{sum(outcome.ended_by_deadline for outcome in outcomes)} ended by their own deadline, "
        f"{sum(outcome.swept for outcome in outcomes)} were swept, "
        f"{sum(bool(outcome.violations) for outcome in outcomes)} with violations; "
        f"at most {max(outcome.share_of_ceiling for outcome in outcomes):.1%} of MAX_DOLLARS spent"
    )
    assert {"completed", "interrupted", "killed", "CannotContinueError"} <= endings.keys()
    assert any(outcome.ended_by_deadline for outcome in outcomes)
    assert any(outcome.swept for outcome in outcomes)
    assert max(outcome.share_of_ceiling for outcome in outcomes) > 0.5


def test_a_scenario_repeats_exactly() -> None:
    assert Scenario(7).play() == Scenario(7).play()
