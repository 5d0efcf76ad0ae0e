"""Tasks on a fake ECS that runs real containers: they serve, and nothing is left whatever ends them."""

import os
import signal
import threading
import time
from typing import Any

import pytest
from botocore.config import Config

import common.runtimes.fargate
from common.aws.calls import AwsCallError, AwsClient, CannotContinueError
from common.aws.tasks import running_task, task_definition
from common.catalog.stacks import Stack, image_tag
from common.errors import FailedError
from common.host.readiness import responds
from common.runtimes.running_server import RunningServer
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import ONE, REGISTRY, SLIM, fargate_settings, up
from tests.support.waiting import wait_until


@pytest.mark.parametrize("assign_public_ip", ["enabled", "disabled"])
def test_a_task_serves_at_its_address_and_is_removed_afterwards(
    aws: Endpoint, toy_on_slim: Stack, assign_public_ip: str
) -> None:
    with up(toy_on_slim, fargate_settings(assign_public_ip=assign_public_ip, security_groups="sg-1")) as running:
        assert responds(running.url)
        assert running.cpu_meter is None
        assert running.exit_reason() is None
        (container,) = aws.ecs.containers()
        assert container.attrs["HostConfig"]["NanoCpus"] == 10**9
        assert container.attrs["HostConfig"]["Memory"] == 2 * 1024**3
    assert bool(aws.named("DescribeNetworkInterfaces")) is (assign_public_ip == "enabled")
    (request,) = aws.named("RunTask")
    assert request["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-1", "subnet-2"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": assign_public_ip.upper(),
    }
    assert aws.ecs.deleted


def test_only_pulls_from_ecr_use_a_role(aws: Endpoint, toy_on_slim: Stack) -> None:
    for registry in (REGISTRY, "registry.test:5000"):
        with up(toy_on_slim, fargate_settings(registry=registry)):
            pass
    first, second = aws.named("RegisterTaskDefinition")
    assert first["executionRoleArn"] == "arn:aws:iam::123456789012:role/ecsTaskExecutionRole"
    assert "executionRoleArn" not in second


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FailedError("x"), ValueError("x")])
def test_nothing_is_left_whatever_ends_the_block(aws: Endpoint, toy_on_slim: Stack, error: BaseException) -> None:
    def fail() -> None:
        with up(toy_on_slim, fargate_settings()):
            assert aws.ecs.containers()
            raise error

    with pytest.raises(type(error)):
        fail()


@pytest.mark.parametrize("lost_replies", [1, 99])
def test_a_task_is_stopped_even_if_the_reply_that_names_it_is_lost(
    aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch, lost_replies: int
) -> None:
    """Its client token finds it, or if ``RunTask`` goes on failing, a listing does."""
    settings = fargate_settings()
    run_task = aws.ecs.run_task
    lost: list[dict[str, Any]] = []

    def lose_replies(request: dict[str, Any]) -> dict[str, Any]:
        reply = run_task(request)
        if len(lost) < lost_replies:
            lost.append(reply)
            raise ConnectionError
        return reply

    with task_definition(settings, settings.image(image_tag(toy_on_slim, SLIM)), ONE) as arn:
        monkeypatch.setattr(aws.ecs, "run_task", lose_replies)
        object.__setattr__(settings, "cloud", AwsClient(config=Config(retries={"total_max_attempts": 1})))
        with pytest.raises(AwsCallError, match="did not answer ecs RunTask"), running_task(settings, arn, ONE):
            pytest.fail("the start was confirmed")
        assert len(aws.ecs.tasks) == 1
        assert aws.ecs.running == []
    assert len({request["clientToken"] for request in aws.named("RunTask")}) == 1


def test_a_task_is_stopped_that_no_listing_shows_yet(
    aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fargate_settings()
    run_task = aws.ecs.run_task
    monkeypatch.setattr(aws.ecs, "list_tasks", lambda _: {"taskArns": []})

    def interrupt_the_first(request: dict[str, Any]) -> dict[str, Any]:
        reply = run_task(request)
        if len(aws.named("RunTask")) == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return reply

    monkeypatch.setattr(aws.ecs, "run_task", interrupt_the_first)
    with (
        pytest.raises(KeyboardInterrupt),
        task_definition(settings, settings.image(image_tag(toy_on_slim, SLIM)), ONE) as arn,
        running_task(settings, arn, ONE),
    ):
        pytest.fail("the start was not interrupted")
    assert len(aws.ecs.tasks) == 1
    assert aws.ecs.running == []


def test_a_repeated_request_starts_one_task(aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose reply was lost is repeated, and ECS recognises its token."""
    run_task, lost = aws.ecs.run_task, threading.Event()

    def lose_the_first_reply(request: dict[str, Any]) -> dict[str, Any]:
        reply = run_task(request)
        if not lost.is_set():
            lost.set()
            raise ConnectionError
        return reply

    monkeypatch.setattr(aws.ecs, "run_task", lose_the_first_reply)
    with up(toy_on_slim, fargate_settings()):
        assert len(aws.named("RunTask")) == 2
        assert len(aws.ecs.tasks) == 1


def test_a_throttled_call_is_repeated(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.faults = {"RegisterTaskDefinition": ["ThrottlingException"], "StopTask": ["ThrottlingException"]}
    with up(toy_on_slim, fargate_settings()):
        pass
    assert len(aws.named("RegisterTaskDefinition")) == 2


def test_late_capacity_is_waited_for(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.no_capacity_times = 2
    with up(toy_on_slim, fargate_settings()) as running:
        assert responds(running.url)


def test_the_reason_why_no_task_started_is_reported(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.no_capacity_times = 99
    with (
        pytest.raises(FailedError, match="started no task: Capacity is unavailable"),
        up(toy_on_slim, fargate_settings()),
    ):
        pytest.fail("it came up")


def test_a_task_that_stops_before_it_runs_ends_the_wait(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.stops_before_it_runs = "CannotPullContainerError: not found"
    started_s = time.monotonic()
    with pytest.raises(FailedError, match="ended before it answered: TaskFailedToStart: CannotPullContainerError"):
        up(toy_on_slim, fargate_settings()).__enter__()
    assert time.monotonic() - started_s < 10


def test_a_container_that_exits_is_reported_with_its_exit_status_and_last_lines(
    aws: Endpoint, toy_on_slim: Stack
) -> None:
    aws.ecs.behaviour.runs_instead = "exec 2>&1; seq 9; echo 'no such  table: users' >&2; exit 3"
    with pytest.raises(FailedError) as failure:
        up(toy_on_slim, fargate_settings(log_group="ours")).__enter__()
    assert str(failure.value).endswith(
        "ended before it answered: EssentialContainerExited: Essential container in task exited: exit status 3; "
        "the end of its log: 6 | 7 | 8 | 9 | no such table: users"
    )
    (request,) = aws.named("RegisterTaskDefinition")
    assert request["containerDefinitions"][0]["logConfiguration"]["options"]["awslogs-region"] == "us-east-1"
    assert request["executionRoleArn"]


@pytest.mark.parametrize(
    ("group", "refused", "message"),
    [
        ("", [], "exit status 3; set LOG_GROUP= to keep its log"),
        ("ours", [], "exit status 3; its log is empty"),
        ("ours", ["AccessDeniedException"], "exit status 3; its log cannot be read: the AWS credentials do not permit"),
    ],
)
def test_a_missing_log_does_not_hide_why_a_task_ended(
    aws: Endpoint, toy_on_slim: Stack, group: str, refused: list[str], message: str
) -> None:
    aws.faults = {"GetLogEvents": refused}
    aws.ecs.behaviour.runs_instead = "exit 3"
    with pytest.raises(FailedError, match=message):
        up(toy_on_slim, fargate_settings(log_group=group)).__enter__()


def test_a_task_that_never_runs_is_given_up_at_the_deadline(
    aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.runtimes.fargate, "START_DEADLINE_S", 0.5)
    aws.ecs.behaviour.never_runs = True
    with pytest.raises(FailedError, match=r"did not answer with 200 within 0\.5 s; it is PROVISIONING"):
        up(toy_on_slim, fargate_settings()).__enter__()


def test_a_killed_server_has_an_exit_reason(aws: Endpoint, toy_on_slim: Stack) -> None:
    running: RunningServer
    with up(toy_on_slim, fargate_settings()) as running:
        (container,) = aws.ecs.containers()
        container.kill()
        wait_until(lambda: running.exit_reason() is not None)
        assert "EssentialContainerExited" in str(running.exit_reason())
        assert "137" in str(running.exit_reason())


def test_spending_the_ceiling_ends_a_server(aws: Endpoint, toy_on_slim: Stack) -> None:  # noqa: ARG001 -- its environment
    settings = fargate_settings()
    with up(toy_on_slim, settings) as running:
        settings.budget.max_dollars = settings.budget.total / 2
        assert "is spent" in str(running.exit_reason())


def test_expired_credentials_end_the_run_and_name_what_is_left(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.faults = {"StopTask": ["ExpiredTokenException"]}
    with (
        pytest.raises(
            CannotContinueError,
            match=r"task/default/\w+ is left behind, and ends by itself at [\d:]+ UTC: .*expired.*"
            r"Run after [\d: -]+ UTC: make fargate-clean REGION=us-east-1 CLUSTER=default; or now with EVERYONES=1",
        ),
        up(toy_on_slim, fargate_settings()),
    ):
        pass
    assert aws.ecs.running
    for arn in aws.ecs.running:
        aws.ecs.stop_task({"task": arn})
