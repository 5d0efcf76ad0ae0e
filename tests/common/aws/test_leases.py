"""A task or definition is its run's until an instant of AWS's time, and then it is removed by the next command."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.aws.calls import AwsClient, CannotContinueError
from common.aws.leases import DEFINITION_LEASE, SLACK, Lease, Leftovers, clean, expiry_of
from common.aws.removal import clean_command
from common.aws.requests import LEASE, OWNER
from common.aws.tasks import running_task, task_definition
from common.runtimes.preparation import sweep
from tests.support.fake_aws import Endpoint
from tests.support.fake_ecs import RefusalError
from tests.support.fargate_settings import ONE, fargate_settings


@pytest.mark.parametrize("ahead_s", [-7200.0, 0.0, 7200.0])
def test_a_task_is_its_runs_until_it_has_ended_by_itself_by_awss_clock(
    aws_api: Endpoint, aws_client: AwsClient, ahead_s: float
) -> None:
    """Nothing renews the lease, so a run that was killed or cut off loses it, and a live one needs it no longer."""
    aws_api.ahead_s = ahead_s
    settings = fargate_settings(region="us-east-1")
    settings.__dict__["cloud"] = aws_client
    settings.budget.approve([(ONE, 600.0)], lambda _: None)
    requested_at = datetime.now(UTC) + timedelta(seconds=ahead_s)
    with task_definition(settings, "image", ONE) as definition, running_task(settings, definition, ONE):
        (asked,) = aws_api.named("RunTask")
        expires_at, ends_at = expiry_of(asked), _ends_at(asked)
        assert expires_at == ends_at + SLACK
        assert abs(ends_at - requested_at - timedelta(seconds=600)) < timedelta(seconds=3)
        aws_api.ahead_s = ahead_s + 600
        assert Leftovers.find(aws_client, "default").orphans() == Leftovers()
        aws_api.ahead_s = ahead_s + 600 + SLACK.total_seconds() + 3
        assert str(Leftovers.find(aws_client, "default").orphans()) == "1 task and 0 task definitions"
        aws_api.ahead_s = ahead_s + DEFINITION_LEASE.total_seconds() + 3
        assert str(Leftovers.find(aws_client, "default").orphans()) == "1 task and 1 task definition"


def _ends_at(request: dict[str, Any]) -> datetime:
    """Return the deadline that a request gives to its task's container."""
    (container,) = request["overrides"]["containerOverrides"]
    (value,) = (variable["value"] for variable in container["environment"] if variable["name"] == "ENDS_AT")
    return datetime.fromtimestamp(int(value), UTC)


@pytest.mark.parametrize("value", ["soon", "", "2026-13-01T00:00:00+00:00"])
def test_a_tag_that_is_no_date_is_no_lease(value: str) -> None:
    assert expiry_of({"tags": [{"key": LEASE, "value": value}]}) is None
    assert expiry_of({}) is None


def test_an_expiry_is_read_as_it_was_written() -> None:
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert expiry_of({"tags": [{"key": LEASE, "value": at.isoformat()}]}) == at


def tags(expires_in_s: float | None, owner: str = "somebody") -> list[dict[str, str]]:
    """Return the tags of a run whose lease expires so soon, or of an older version without leases."""
    owned = [{"key": OWNER, "value": owner}]
    if expires_in_s is None:
        return owned
    return [*owned, {"key": LEASE, "value": (datetime.now(UTC) + timedelta(seconds=expires_in_s)).isoformat()}]


def make(client: AwsClient, name: str, tagged: list[dict[str, str]], *, cluster: str = "default") -> str:
    """Register a definition and start a task of it; return the task's ARN."""
    definition = client.call(
        "ecs", "RegisterTaskDefinition", family=f"api-framework-benchmark-{name}", cpu="256", memory="512",
        containerDefinitions=[{"name": "stack"}], tags=tagged,
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    in_an_hour = int(datetime.now(UTC).timestamp()) + 3600
    limits = [{"name": "ENDS_AT", "value": str(in_an_hour)}, {"name": "LIFETIME_S", "value": "3600"}]
    reply = client.call(
        "ecs", "RunTask", cluster=cluster, taskDefinition=definition, startedBy=name, clientToken=name, tags=tagged,
        overrides={"containerOverrides": [{"name": "stack", "environment": limits}]},
    )  # fmt: skip
    arn: str = reply["tasks"][0]["taskArn"]
    return arn


def names(arns: list[str]) -> list[str]:
    """Return the names in the ARNs of definitions."""
    return [arn.rpartition("benchmark-")[2].partition(":")[0] for arn in arns]


def test_a_sweep_removes_only_what_expired_leases_hold(aws_api: Endpoint, aws_client: AwsClient) -> None:
    """Neither a host name nor a PID says whose something is: other machines have the same."""
    for name, tagged in {"dead": tags(-1), "alive": tags(60), "old": tags(None), "foreign": []}.items():
        make(aws_client, name, tagged)
    reports: list[str] = []
    settings = fargate_settings(region="us-east-1")
    settings.__dict__["cloud"] = aws_client
    sweep(settings, reports.append)
    assert names(aws_api.ecs.deleted) == ["dead"]
    assert len(aws_api.ecs.running) == 3
    assert reports == ["removed 1 task and 1 task definition that a killed run left behind"]


@pytest.mark.parametrize(("expires_in_s", "orphaned"), [(60, True), (3660, False)])
def test_whether_a_lease_has_expired_is_judged_by_awss_dates(
    aws_api: Endpoint, aws_client: AwsClient, expires_in_s: float, *, orphaned: bool
) -> None:
    """This machine's clock is an hour behind."""
    aws_api.ahead_s = 3600
    make(aws_client, "run", tags(expires_in_s))
    leftovers = Leftovers.find(aws_client, "default")
    assert leftovers.orphans() == (leftovers if orphaned else Leftovers())


def test_two_runs_never_share_an_owner(aws_client: AwsClient) -> None:
    owners = {Lease(cloud=aws_client, cluster="default").owner for _ in range(10)}
    assert len(owners) == 10


def test_cleaning_reports_what_it_left_and_how_to_remove_it(aws_api: Endpoint, aws_client: AwsClient) -> None:
    make(aws_client, "dead", tags(-1))
    alive = tags(60)
    make(aws_client, "alive", alive)
    make(aws_client, "older", tags(30))
    make(aws_client, "old", tags(None))
    reports: list[str] = []
    clean(aws_client, "default", everyones=False, report=reports.append)
    assert reports[0] == "removed 1 task and 1 task definition"
    latest = datetime.fromisoformat(alive[1]["value"])
    assert reports[1] == (
        "left 3 tasks and 3 task definitions, whose runs' leases have not expired. "
        f"Run after {latest:%Y-%m-%d %H:%M:%S} UTC: make fargate-clean REGION=us-east-1 CLUSTER=default; "
        "or now with EVERYONES=1, which also stops what runs still in progress use"
    )
    clean(aws_client, "default", everyones=True, report=reports.append)
    assert reports[2:] == ["removed 3 tasks and 3 task definitions"]
    assert aws_api.ecs.running == []


def test_one_task_that_cannot_be_stopped_keeps_nothing_else(aws_api: Endpoint, aws_client: AwsClient) -> None:
    """Every task is tried, the definitions are removed, and what is left is named with the command that removes it."""
    stubborn, *_ = sorted(make(aws_client, name, tags(-1), cluster="mine") for name in ("a", "b", "c"))
    refuse(aws_api, "stop_task", lambda request: request["task"] == stubborn)
    reports: list[str] = []
    with pytest.raises(CannotContinueError) as failure:
        clean(aws_client, "mine", everyones=False, report=reports.append)
    assert aws_api.ecs.running == [stubborn]
    assert aws_api.ecs.definitions == {}
    assert reports == ["removed 2 tasks and 3 task definitions"]
    assert str(failure.value).startswith(f"left behind: {stubborn}: AWS refused ecs StopTask: ThrottlingException")
    assert str(failure.value).endswith("Run again: make fargate-clean REGION=us-east-1 CLUSTER=mine")
    assert failure.value.exit_status == 1


def test_a_task_is_stopped_although_definitions_cannot_be_listed(aws_api: Endpoint, aws_client: AwsClient) -> None:
    make(aws_client, "dead", tags(-1))
    refuse(aws_api, "list_task_definition_families", lambda _: True, code="AccessDeniedException")
    with pytest.raises(
        CannotContinueError, match="task definitions that could not be listed: the AWS credentials do not"
    ):
        clean(aws_client, "default", everyones=False, report=lambda _: None)
    assert aws_api.ecs.running == []


@pytest.mark.parametrize(
    ("code", "attempts"), [("ThrottlingException", 4), ("ServerException", 4), ("AccessDeniedException", 1)]
)
def test_only_what_may_succeed_later_is_tried_again(
    aws_api: Endpoint, aws_client: AwsClient, code: str, attempts: int
) -> None:
    make(aws_client, "dead", tags(-1))
    asked = refuse(aws_api, "stop_task", lambda _: True, code=code)
    with pytest.raises(CannotContinueError):
        clean(aws_client, "default", everyones=False, report=lambda _: None)
    assert len(asked) == attempts


def test_a_refusal_in_a_reply_that_succeeds_is_noticed(
    aws_api: Endpoint, aws_client: AwsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(aws_client, "dead", tags(-1))
    failures = {"failures": [{"arn": "api-framework-benchmark-dead:1", "reason": "a service uses it"}]}
    monkeypatch.setattr(aws_api.ecs, "delete_task_definitions", lambda _: failures)
    with pytest.raises(
        CannotContinueError, match=r"left behind: .*-dead:1: AWS did not delete it: a service uses it\."
    ):
        clean(aws_client, "default", everyones=False, report=lambda _: None)


def test_what_another_sweep_has_removed_meanwhile_is_no_error(aws_api: Endpoint, aws_client: AwsClient) -> None:
    make(aws_client, "dead", tags(-1))
    leftovers = Leftovers.find(aws_client, "default")
    leftovers.remove(aws_client, "default")
    aws_api.ecs.tasks.clear()
    leftovers.remove(aws_client, "default")


def test_the_command_is_complete_and_quoted(aws_client: AwsClient) -> None:
    assert clean_command(aws_client, "a b") == "make fargate-clean REGION=us-east-1 CLUSTER='a b'"


def refuse(
    aws_api: Endpoint, operation: str, when: Callable[[dict[str, str]], bool], code: str = "ThrottlingException"
) -> list[dict[str, str]]:
    """Refuse the calls of an operation for which a condition holds; return the list that they are noted in."""
    carry_out = getattr(aws_api.ecs, operation)
    refused: list[dict[str, str]] = []

    def answer(request: dict[str, str]) -> object:
        if when(request):
            refused.append(request)
            raise RefusalError(code, "refused by a test")
        return carry_out(request)

    setattr(aws_api.ecs, operation, answer)
    return refused
