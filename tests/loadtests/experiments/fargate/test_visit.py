"""One start of a task: its phases add up, and failures are recorded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.aws.calls import CannotContinueError
from common.aws.requests import Task
from common.aws.settings import FargateSettings
from common.aws.tasks import task_definition
from common.catalog.stacks import Stack, image_tag
from common.runtimes.fargate import TaskWatch
from loadtests.experiments.fargate.records import FargateCell, TaskStart
from loadtests.experiments.fargate.visit import measure_task, startup_phases
from tests.support import records
from tests.support.fake_aws import Endpoint
from tests.support.fargate_records import task_start
from tests.support.fargate_settings import ONE, SLIM, fargate_settings

pytestmark = pytest.mark.parallel

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)


def task(**given: Any) -> Task:  # noqa: ANN401 -- what ECS may say
    """Return a task as ECS describes it."""
    return Task.read({"taskArn": "arn:aws:ecs:task", "lastStatus": "RUNNING", **given})


def after(seconds: float) -> datetime:
    """Return an instant this many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


TIMES = {"createdAt": NOON, "pullStartedAt": after(10), "pullStoppedAt": after(18), "startedAt": after(19.5)}


def test_the_phases_follow_each_other_and_add_up() -> None:
    found = startup_phases(task(**TIMES), after(18.5), timedelta(seconds=2))
    phases = [found[name] for name in ("provisioning_s", "pull_s", "start_s", "ready_s")]
    assert phases == [10, 8, 1.5, 1]
    assert found["total_s"] == sum(phases)


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [
        ("createdAt", {"provisioning_s", "total_s"}),
        ("pullStartedAt", {"provisioning_s", "pull_s"}),
        ("pullStoppedAt", {"pull_s", "start_s"}),
        ("startedAt", {"start_s", "ready_s"}),
    ],
)
def test_a_phase_without_an_end_is_missing_rather_than_zero(lacking: str, missing: set[str]) -> None:
    found = startup_phases(task(**{name: at for name, at in TIMES.items() if name != lacking}), after(20))
    assert {name for name in found if name.endswith("_s") and found[name] is None} == missing


def measured(stack: Stack, where: FargateSettings, **changes: Any) -> TaskStart:  # noqa: ANN401 -- fields of the cell
    """Return the start of one task of a stack."""
    image = where.image(image_tag(stack, SLIM))
    fields: dict[str, Any] = {"stack": records.cell("a"), "image": image, "size": ONE, "subnets": where.subnets}
    cell = FargateCell(name="a", **fields | changes)
    with task_definition(where, image, ONE) as arn:
        return measure_task(task_start("a", 1, dollars=None), cell, where, arn)


def test_phases_are_those_that_the_task_took(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.provisioning_s, aws.ecs.behaviour.pull_s = 0.3, 0.5
    found = measured(toy_on_slim, fargate_settings())
    assert found.error is None
    (made,) = aws.ecs.tasks.values()
    assert found.provisioning_s == pytest.approx(made["pullStartedAt"] - made["createdAt"], abs=0.001)
    assert found.pull_s == pytest.approx(made["pullStoppedAt"] - made["pullStartedAt"], abs=0.001)
    assert found.start_s == pytest.approx(made["startedAt"] - made["pullStoppedAt"], abs=0.001)
    assert found.ready_s is not None
    assert found.ready_s < 5
    assert found.clock_uncertainty_s is not None
    assert found.dollars is not None
    assert found.dollars > 0


def test_missing_pull_times_stay_missing(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.without_pull_times = True
    found = measured(toy_on_slim, fargate_settings())
    assert (found.provisioning_s, found.pull_s, found.start_s) == (None, None, None)
    assert found.total_s is not None
    assert found.total_s > 0


def test_a_task_that_answers_before_ecs_says_it_runs_is_asked_for_again(
    aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.ecs.behaviour.may_report_running.clear()
    settled = TaskWatch.settled

    def runs_once_it_has_answered(watch: TaskWatch, wait_s: float) -> Task:
        aws.ecs.behaviour.may_report_running.set()
        return settled(watch, wait_s)

    monkeypatch.setattr(TaskWatch, "settled", runs_once_it_has_answered)
    found = measured(toy_on_slim, fargate_settings())
    assert found.ready_s is not None
    assert found.ready_s < 0
    phases = [found.provisioning_s, found.pull_s, found.start_s, found.ready_s]
    assert found.total_s == pytest.approx(sum(phase for phase in phases if phase is not None))


def test_a_task_starts_in_the_cells_own_network(aws: Endpoint, toy_on_slim: Stack) -> None:
    measured(toy_on_slim, fargate_settings(), subnets="subnet-9", security_groups="sg-9")
    (asked,) = aws.named("RunTask")
    network = asked["networkConfiguration"]["awsvpcConfiguration"]
    assert (network["subnets"], network["securityGroups"]) == (["subnet-9"], ["sg-9"])


def test_a_task_that_does_not_start_is_recorded_with_its_reason_and_its_cost(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.stops_before_it_runs = "CannotPullContainerError: timeout"
    found = measured(toy_on_slim, fargate_settings())
    assert found.error is not None
    assert "CannotPullContainerError: timeout" in found.error
    assert found.total_s is None
    assert found.dollars is not None
    assert found.dollars > 0, "ECS bills a minute at least"


def test_a_spending_limit_that_is_reached_ends_the_run(aws: Endpoint, toy_on_slim: Stack) -> None:
    where = fargate_settings()
    where.budget.max_dollars = 0.0001
    with pytest.raises(CannotContinueError, match="leaves nothing for another task"):
        measured(toy_on_slim, where)
    assert aws.named("RunTask") == []
