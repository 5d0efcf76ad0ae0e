"""Tasks of an ECS that really runs them: they answer, and whatever ends them, nothing is left."""

import signal
import threading
import time
from typing import Any

import pytest
from botocore.config import Config

import common.runtimes.fargate
from common.aws.calls import AwsCallError, BotoClient, CannotContinueError
from common.aws.leftovers import Leftovers
from common.aws.readiness import require_contrast, require_images, sweep
from common.aws.requests import OWNER
from common.aws.tasks import owner, running_task, task_definition, undisturbed
from common.catalog.images import image_tag
from common.catalog.stacks import Stack
from common.errors import FailedError, UsageError
from common.host.http_probe import responds
from common.runtimes.base import RunningServer
from common.runtimes.fargate import started
from loadtests.fargate.experiments import measured
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import ONE, REGISTRY, SLIM, fargate_settings, up
from tests.support.waiting import wait_until


@pytest.mark.parametrize("assign_public_ip", ["enabled", "disabled"])
def test_a_task_answers_at_its_address_and_is_gone_afterwards(
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
    (asked,) = aws.named("RunTask")
    assert asked["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-1", "subnet-2"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": assign_public_ip.upper(),
    }
    assert aws.ecs.deleted


def test_everything_made_carries_its_owner(aws: Endpoint, toy_on_slim: Stack) -> None:
    with up(toy_on_slim, fargate_settings()):
        pass
    mine = [{"key": OWNER, "value": owner()}]
    assert [asked["tags"] for name in ("RegisterTaskDefinition", "RunTask") for asked in aws.named(name)] == [mine] * 2


def test_ecr_is_pulled_from_with_a_role_and_other_registries_without(aws: Endpoint, toy_on_slim: Stack) -> None:
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


def test_what_is_being_removed_is_removed_whole_and_the_interrupt_comes_after() -> None:
    done = []

    def remove() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("removed")

    with pytest.raises(KeyboardInterrupt):
        remove()
    assert done == ["removed"]


def test_a_task_whose_start_is_never_confirmed_is_found_and_stopped(
    aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an interrupt between question and answer."""
    where = fargate_settings()
    ask = aws.ecs.run_task

    def run_and_break(asked: dict[str, Any]) -> dict[str, Any]:
        ask(asked)
        raise ConnectionError

    with task_definition(where, where.image(image_tag(toy_on_slim, SLIM)), ONE) as arn:
        monkeypatch.setattr(aws.ecs, "run_task", run_and_break)
        object.__setattr__(where, "cloud", BotoClient(config=Config(retries={"total_max_attempts": 1})))
        with pytest.raises(AwsCallError, match="did not answer ecs RunTask"), running_task(where, arn, ONE):
            pytest.fail("the start was confirmed")
        assert len(aws.ecs.tasks) == 1
        assert aws.ecs.running == []


def test_a_repeated_start_is_one_task(aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that was lost is asked for again, and ECS knows the token."""
    ask, lost = aws.ecs.run_task, threading.Event()

    def lose_the_first(asked: dict[str, Any]) -> dict[str, Any]:
        found = ask(asked)
        if not lost.is_set():
            lost.set()
            raise ConnectionError
        return found

    monkeypatch.setattr(aws.ecs, "run_task", lose_the_first)
    with up(toy_on_slim, fargate_settings()):
        assert len(aws.named("RunTask")) == 2
        assert len(aws.ecs.tasks) == 1


def test_a_throttled_call_is_asked_again(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.faults = {"RegisterTaskDefinition": ["ThrottlingException"], "StopTask": ["ThrottlingException"]}
    with up(toy_on_slim, fargate_settings()):
        pass
    assert len(aws.named("RegisterTaskDefinition")) == 2


def test_a_hanging_call_ends_with_one_line(aws: Endpoint) -> None:
    aws.faults = {"ListTasks": ["hang"]}
    hurried = BotoClient(config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    with pytest.raises(AwsCallError, match=r"AWS did not answer ecs ListTasks: [^\n]+"):
        Leftovers.find(hurried, "default")


def test_room_that_comes_late_is_waited_for(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.no_capacity_times = 2
    with up(toy_on_slim, fargate_settings()) as running:
        assert responds(running.url)


def test_no_room_is_said_as_fargate_says_it(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.no_capacity_times = 99
    with (
        pytest.raises(FailedError, match="started no task: Capacity is unavailable"),
        up(toy_on_slim, fargate_settings()),
    ):
        pytest.fail("it came up")


def test_a_task_that_stops_before_it_runs_ends_the_wait(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.stops_before_it_runs = "CannotPullContainerError: not found"
    begun = time.monotonic()
    with pytest.raises(FailedError, match="ended before it answered: TaskFailedToStart: CannotPullContainerError"):
        up(toy_on_slim, fargate_settings()).__enter__()
    assert time.monotonic() - begun < 10


def test_a_container_that_ends_is_told_with_its_exit_status_and_its_last_lines(
    aws: Endpoint, toy_on_slim: Stack
) -> None:
    aws.ecs.behaviour.runs_instead = "exec 2>&1; seq 9; echo 'no such  table: users' >&2; exit 3"
    with pytest.raises(FailedError) as told:
        up(toy_on_slim, fargate_settings(log_group="ours")).__enter__()
    assert str(told.value).endswith(
        "ended before it answered: EssentialContainerExited: Essential container in task exited: exit status 3; "
        "the end of its log: 6 | 7 | 8 | 9 | no such table: users"
    )
    (asked,) = aws.named("RegisterTaskDefinition")
    assert asked["containerDefinitions"][0]["logConfiguration"]["options"]["awslogs-region"] == "us-east-1"
    assert asked["executionRoleArn"]


@pytest.mark.parametrize(
    ("group", "refused", "told"),
    [
        ("", [], "exit status 3; LOG_GROUP= would keep its log"),
        ("ours", [], "exit status 3; its log is empty"),
        ("ours", ["AccessDeniedException"], "exit status 3; its log cannot be read: these AWS credentials may not"),
    ],
)
def test_a_log_that_says_nothing_hides_no_reason(
    aws: Endpoint, toy_on_slim: Stack, group: str, refused: list[str], told: str
) -> None:
    aws.faults = {"GetLogEvents": refused}
    aws.ecs.behaviour.runs_instead = "exit 3"
    with pytest.raises(FailedError, match=told):
        up(toy_on_slim, fargate_settings(log_group=group)).__enter__()


def test_a_task_that_never_runs_is_given_up_at_the_deadline(
    aws: Endpoint, toy_on_slim: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.runtimes.fargate, "START_DEADLINE_S", 0.5)
    aws.ecs.behaviour.never_runs = True
    with pytest.raises(FailedError, match=r"did not answer with 200 within 0\.5 s; it is PROVISIONING"):
        up(toy_on_slim, fargate_settings()).__enter__()


def test_how_a_server_ended_is_told(aws: Endpoint, toy_on_slim: Stack) -> None:
    running: RunningServer
    with up(toy_on_slim, fargate_settings()) as running:
        (container,) = aws.ecs.containers()
        container.kill()
        wait_until(lambda: running.exit_reason() is not None)
        assert "EssentialContainerExited" in str(running.exit_reason())
        assert "137" in str(running.exit_reason())


def test_money_that_runs_out_ends_a_server(aws: Endpoint, toy_on_slim: Stack) -> None:  # noqa: ARG001 -- its environment
    where = fargate_settings()
    with up(toy_on_slim, where) as running:
        where.budget.max_dollars = where.budget.total / 2
        assert "is spent" in str(running.exit_reason())


def test_expired_credentials_end_the_run_and_say_what_is_left(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.faults = {"ListTasks": ["ExpiredTokenException"]}
    with (
        pytest.raises(CannotContinueError, match=r"started as afb-\w+ is left behind.*expired.*make fargate-clean"),
        up(toy_on_slim, fargate_settings()),
    ):
        pass
    assert aws.ecs.running
    for arn in aws.ecs.running:
        aws.ecs.stop_task({"task": arn})


def test_missing_pull_times_are_missing(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.without_pull_times = True
    where = fargate_settings()
    with (
        task_definition(where, where.image(image_tag(toy_on_slim, SLIM)), ONE) as arn,
        started("toy", arn, ONE, where) as one,
    ):
        found = measured(one)
    assert (found["provisioning_s"], found["pull_s"], found["start_s"]) == (None, None, None)
    assert found["total_s"] > 0


def test_phases_are_those_that_the_task_took(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.provisioning_s, aws.ecs.behaviour.pull_s = 0.3, 0.5
    where = fargate_settings()
    with (
        task_definition(where, where.image(image_tag(toy_on_slim, SLIM)), ONE) as arn,
        started("toy", arn, ONE, where) as one,
    ):
        found = measured(one)
    assert found["provisioning_s"] == pytest.approx(0.3, abs=0.1)
    assert found["pull_s"] == pytest.approx(0.5, abs=0.1)
    assert found["ready_s"] < 5


def test_an_answer_before_ecs_says_running_is_waited_out(aws: Endpoint, toy_on_slim: Stack) -> None:
    aws.ecs.behaviour.late_running_s = 1.5
    where = fargate_settings()
    with (
        task_definition(where, where.image(image_tag(toy_on_slim, SLIM)), ONE) as arn,
        started("toy", arn, ONE, where) as one,
    ):
        found = measured(one)
    assert found["ready_s"] < 0
    assert found["total_s"] == pytest.approx(
        sum(found[f"{name}_s"] for name in ("provisioning", "pull", "start", "ready"))
    )


def test_an_image_that_ecr_lacks_is_named_before_anything_is_paid_for(aws: Endpoint) -> None:
    aws.images = {"project/falcon:slim"}
    require_images(fargate_settings(), ["project/falcon:slim"])
    with pytest.raises(UsageError, match=r"falcon:fat is not in the registry. Run: make push REGISTRY="):
        require_images(fargate_settings(), ["project/falcon:slim", "project/falcon:fat"])


@pytest.mark.parametrize(
    ("here", "there", "told"),
    [
        ([], ["ecr.api", "ecr.dkr", "s3"], None),
        (["s3"], ["ecr.api", "ecr.dkr", "s3", "logs"], None),
        (["ecr.dkr"], ["ecr.api", "ecr.dkr", "s3"], "SUBNETS=a have VPC endpoints for ecr.dkr"),
        ([], ["ecr.dkr", "s3"], "ENDPOINT_SUBNETS=b have no VPC endpoints for ecr.api"),
    ],
)
def test_the_networks_compared_differ_in_their_endpoints(
    aws: Endpoint, here: list[str], there: list[str], told: str | None
) -> None:
    aws.endpoints = {"a": here, "b": there}
    if told is None:
        require_contrast(BotoClient(), "a", "b")
    else:
        with pytest.raises(UsageError, match=told):
            require_contrast(BotoClient(), "a", "b")


def test_a_sweep_takes_what_the_dead_left_and_nothing_else(aws: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, families = (
        BotoClient(),
        {"dead": owner().partition("/")[0] + "/1:0", "mine": owner(), "elsewhere": "other/1:0"},
    )
    for name, whose in families.items():
        asked = {"containerDefinitions": [], "tags": [{"key": OWNER, "value": whose}]}
        cloud.call("ecs", "RegisterTaskDefinition", family=f"api-framework-benchmark-{name}", **asked)
    cloud.call("ecs", "RegisterTaskDefinition", family="api-framework-benchmark-not-ours", containerDefinitions=[])
    said: list[str] = []
    sweep(fargate_settings(), said.append)
    assert [arn.rpartition("-")[2] for arn in aws.ecs.deleted] == ["dead:1"]
    assert said == ["removed 0 tasks and 1 task definitions that a killed run had left"]
    found = Leftovers.find(cloud, "default")
    assert [one.arn.rpartition("-")[2] for one in found.definitions] == ["mine:1", "elsewhere:1"]
    assert found.orphans().less(found) is None
    found.remove(cloud, "default")
    assert [arn.rpartition("-")[2] for arn in aws.ecs.definitions] == ["ours:1"]
    monkeypatch.setattr(aws.ecs, "definitions", {})


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        ("UnrecognizedClientException", UsageError, "does not accept the credentials"),
        ("AccessDeniedException", UsageError, "may not do this"),
        ("ClusterNotFoundException", AwsCallError, "ClusterNotFoundException"),
        ("ExpiredTokenException", CannotContinueError, "have expired"),
    ],
)
def test_a_refusal_is_one_line(aws: Endpoint, code: str, kind: type[Exception], told: str) -> None:
    aws.faults = {"ListTasks": [code]}
    with pytest.raises(kind, match=told) as error:
        Leftovers.find(BotoClient(), "default")
    assert "\n" not in str(error.value)
    assert "dummy-secret" not in str(error.value)
