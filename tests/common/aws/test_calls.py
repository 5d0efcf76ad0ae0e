"""Errors of AWS are one line each, and say whether a call may have been carried out."""

import logging
import random
from pathlib import Path

import pytest
from botocore.config import Config

from common.aws.calls import REPLIES, AwsCallError, AwsClient, CannotContinueError, may_have_happened
from common.errors import BenchmarkError, UsageError
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import fargate_settings
from tests.support.unreliable_aws import Faults, UnreliableNetwork
from tests.support.virtual_time import START_S, VirtualTime


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("UnrecognizedClientException", UsageError, "rejected the credentials"),
        ("AccessDeniedException", UsageError, "do not permit ecs ListTasks"),
        ("ClusterNotFoundException", AwsCallError, "ClusterNotFoundException"),
        ("ExpiredTokenException", CannotContinueError, "have expired"),
    ],
)
def test_a_refusal_is_one_line(
    aws_api: Endpoint, aws_client: AwsClient, code: str, kind: type[Exception], message: str
) -> None:
    aws_api.faults = {"ListTasks": [code]}
    with pytest.raises(kind, match=message) as refusal:
        aws_client.call("ecs", "ListTasks")
    assert "\n" not in str(refusal.value)
    assert "dummy-secret" not in str(refusal.value)


def test_each_call_is_logged_with_its_parameters(aws_client: AwsClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="common.aws"):
        aws_client.call("ecs", "ListTasks", cluster="benchmark")
    assert 'AWS ecs ListTasks {"cluster": "benchmark"}' in caplog.messages


def test_a_call_without_a_reply_ends_with_one_line(aws: Endpoint) -> None:
    aws.faults = {"ListTasks": ["hang"]}
    impatient = AwsClient(config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    with pytest.raises(AwsCallError, match=r"AWS did not answer ecs ListTasks: [^\n]+") as failure:
        impatient.call("ecs", "ListTasks")
    assert failure.value.transient


@pytest.mark.parametrize(
    ("fates", "code", "happened"),
    [
        (["answered"], "AccessDeniedException", False),
        (["answered"] * 5, "ThrottlingException", True),
        (["server_error"] * 5, None, True),
        (["lost_reply"] * 5, None, True),
        (["lost_reply", "answered"], "AccessDeniedException", True),
    ],
)
def test_a_refusal_proves_nothing_of_the_attempts_before_it(
    aws_api: Endpoint, fates: list[str], code: str | None, *, happened: bool
) -> None:
    """boto3 repeats a call whose reply was lost, and reports only how the last attempt ended."""
    if code is not None:
        aws_api.faults = {"ListTasks": [code] * len(fates)}
    errors: list[BenchmarkError] = []
    world = VirtualTime()
    network = _Fated(endpoint=aws_api, faults=Faults(), random=random.Random(0), later=lambda _, __: None)  # noqa: S311
    network.fates = fates

    def call() -> None:
        with pytest.raises(BenchmarkError) as failure:
            network.client().call("ecs", "ListTasks")
        errors.append(failure.value)

    with world.installed():
        world.spawn(call)
        world.run(START_S + 1000)
    assert [may_have_happened(error) for error in errors] == [happened]


def test_a_call_that_is_never_made_has_not_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="REGION= is not set") as refusal:
        AwsClient().call("ecs", "ListTasks")
    assert not may_have_happened(refusal.value)


@pytest.mark.parametrize(
    ("content", "profile", "message"),
    [
        ("[default]\n", "nope", r"profile \(nope\) could not be found"),
        ("[default\n", None, "Unable to parse config file"),
    ],
)
def test_an_invalid_configuration_ends_a_command_in_one_line_and_a_dry_run_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, profile: str | None, message: str
) -> None:
    """The budget needs the region before the first call."""
    file = tmp_path / "config"
    file.write_text(content)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    if profile is not None:
        monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(UsageError, match=rf"^cannot call AWS for a region: [^\n]*{message}[^\n]*$"):
        fargate_settings().budget  # noqa: B018 -- the property raises
    assert fargate_settings(dry_run=True).cloud.call("ecs", "ListTasks") == REPLIES["ListTasks"]


class _Fated(UnreliableNetwork):
    """A network whose attempts fare as a test says."""

    fates: list[str]

    def _draw(self) -> str:
        return self.fates.pop(0)
