"""What candidates need is named with the complete command that makes it."""

import io
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from common.aws.calls import AwsClient
from common.catalog.frameworks import frameworks
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack, image_tag, images
from common.engine.builds import BuildOutcome, BuildState
from common.errors import FailedError, UsageError
from common.project import PROJECT
from common.runtimes import preparation
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import (
    prepare,
    prepare_available,
    require_contrast,
    require_images,
    require_pushed,
)
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import REGISTRY, fargate_settings

FALCON = frameworks(only="falcon")["falcon"]
GTHREAD = SERVERS["gunicorn-gthread"]
USUAL = Stack(framework=FALCON, server=GTHREAD)
AT_VERSIONS = Stack(
    framework=replace(FALCON, name="falcon@4.2.0"), server=replace(GTHREAD, name="gunicorn-gthread@26.0.0")
)
OWN = Stack(framework=replace(FALCON, name="my-app-local", own_folder=Path("/home/me/my app")), server=GTHREAD)
PROCESSES = {"3.13": "/good", "3.14": "/bad"}
SLIM = f"{PROJECT}/falcon:gunicorn-gthread-slim-py3.13"


@pytest.mark.parametrize(
    ("stack", "variables"),
    [
        (USUAL, "FRAMEWORK=falcon SERVER=gunicorn-gthread IMAGE=fat PYTHON=3.12"),
        (AT_VERSIONS, "FRAMEWORK=falcon@4.2.0 SERVER=gunicorn-gthread@26.0.0 IMAGE=fat PYTHON=3.12"),
        (OWN, "FRAMEWORK='/home/me/my app' SERVER=gunicorn-gthread IMAGE=fat PYTHON=3.12"),
    ],
)
def test_an_image_missing_from_ecr_is_named_with_the_command_that_pushes_it(
    aws_api: Endpoint, aws_client: AwsClient, stack: Stack, variables: str
) -> None:
    """Of just this stack: the command's defaults would push others."""
    candidate = Candidate(stack=stack, image=images()["fat"], python="3.12")
    aws_api.images = set()
    settings = fargate_settings()
    settings.__dict__["cloud"] = aws_client
    with pytest.raises(UsageError) as refusal:
        require_pushed(settings, [candidate])
    missing = f"{REGISTRY}/{candidate.tag} is not in the registry."
    assert str(refusal.value) == f"{missing} Run: make push REGISTRY={REGISTRY} {variables}"


@pytest.mark.parametrize(("load_from", "missing"), [("here", False), ("task", True)])
def test_a_missing_load_generator_is_named_if_a_second_task_needs_it(
    aws_api: Endpoint, aws_client: AwsClient, load_from: str, *, missing: bool
) -> None:
    candidate = Candidate(stack=USUAL, image=images()["slim"])
    aws_api.images = {candidate.tag or ""}
    settings = fargate_settings(load_from=load_from)
    settings.__dict__["cloud"] = aws_client
    message = rf"generator:latest is not in the registry\. Run: make generator REGISTRY={REGISTRY}$"
    with pytest.raises(UsageError, match=message) if missing else nullcontext():
        require_pushed(settings, [candidate])


def test_the_first_image_missing_from_ecr_is_named(aws_api: Endpoint, aws_client: AwsClient) -> None:
    aws_api.images = {SLIM}
    settings = fargate_settings()
    settings.__dict__["cloud"] = aws_client
    require_images(settings, {SLIM: "make this"})
    tag = f"{PROJECT}/falcon:gunicorn-gthread-fat-py3.12"
    with pytest.raises(UsageError) as refusal:
        require_images(settings, {SLIM: "make this", tag: "make that"})
    assert str(refusal.value) == f"{REGISTRY}/{tag} is not in the registry. Run: make that"


@pytest.mark.parametrize(("region", "reconnected"), [("us-east-1", []), ("eu-central-1", ["eu-central-1"])])
def test_images_are_looked_up_in_the_region_and_account_of_their_registry(
    aws_api: Endpoint, aws_client: AwsClient, monkeypatch: pytest.MonkeyPatch, region: str, reconnected: list[str]
) -> None:
    """Not in those of the tasks, wherever their region is configured."""
    asked = []

    def connect(*, region: str) -> AwsClient:
        asked.append(region)
        return aws_client

    monkeypatch.setattr(preparation, "AwsClient", connect)
    settings = fargate_settings(registry=f"210987654321.dkr.ecr.{region}.amazonaws.com/team")
    settings.__dict__["cloud"] = aws_client  # of us-east-1, with REGION= unset
    require_images(settings, {SLIM: "make this"})
    assert asked == reconnected
    (request,) = aws_api.named("DescribeImages")
    assert (request["registryId"], request["repositoryName"]) == ("210987654321", f"team/{SLIM.partition(':')[0]}")


@pytest.mark.parametrize(
    ("without", "through", "message"),
    [
        ([], ["ecr.api", "ecr.dkr", "s3"], None),
        (["s3"], ["ecr.api", "ecr.dkr", "s3", "logs"], None),
        (["ecr.dkr"], ["ecr.api", "ecr.dkr", "s3"], "invalid SUBNETS=a: VPC has endpoints for ecr.dkr"),
        ([], ["ecr.dkr", "s3"], "invalid ENDPOINT_SUBNETS=b: VPC has no endpoints for ecr.api"),
    ],
)
def test_networks_that_are_compared_must_differ_in_their_endpoints(
    aws_api: Endpoint, aws_client: AwsClient, without: list[str], through: list[str], message: str | None
) -> None:
    aws_api.endpoints = {"a": without, "b": through}
    if message is None:
        require_contrast(aws_client, "a", "b")
    else:
        with pytest.raises(UsageError, match=message):
            require_contrast(aws_client, "a", "b")


def _candidates(*pythons: str) -> list[Candidate]:
    return [Candidate(stack=USUAL, image=images()["slim"], python=python) for python in pythons]


def _built(_: object, __: object, python: str, *, report: object) -> tuple[BuildOutcome, ...]:  # noqa: ARG001
    """Build for tests: there is no base of 3.12, and a package has no wheel for 3.15."""
    if python == "3.12":
        raise UsageError("the base image python:3.12-slim is not here and cannot be pulled.")
    tag = image_tag(USUAL, images()["slim"], python)
    if python == "3.15":
        return (BuildOutcome(tag=tag, state=BuildState.UNAVAILABLE, reason="toy 1.0 has no wheel for Python 3.15"),)
    return (BuildOutcome(tag=tag, state=BuildState.BUILT, duration_s=1.0, size_bytes=1),)


def test_a_python_that_cannot_be_had_leaves_out_its_stacks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "build_images", _built)
    printed = io.StringIO()
    no_image = Candidate(stack=USUAL, image=images()["alpine"], python="3.14t")
    ready, unavailable = prepare_available([*_candidates("3.12", "3.13", "3.15"), no_image], Console(file=printed))
    assert [one.python for one in ready] == ["3.13"]
    assert {name.rpartition("-")[2]: reason for name, reason in unavailable.items()} == {
        "py3.12": "the base image python:3.12-slim is not here and cannot be pulled.",
        "py3.15": "toy 1.0 has no wheel for Python 3.15",
        "py3.14t": "there is no alpine image of free-threaded builds. BASE= names an image of your own",
    }
    assert all(f"{name} is not available: {reason}" in printed.getvalue() for name, reason in unavailable.items())


def test_if_no_python_can_be_had_the_first_reason_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "build_images", _built)
    with pytest.raises(UsageError, match=r"^the base image python:3\.12-slim is not here"):
        prepare_available(_candidates("3.12", "3.15"), Console(file=io.StringIO()))


def test_what_is_needed_in_any_case_and_has_no_wheel_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "build_images", _built)
    with pytest.raises(FailedError, match=r"@slim-py3\.15 is not available: toy 1\.0 has no wheel for Python 3\.15$"):
        prepare(_candidates("3.13", "3.15"), Console(file=io.StringIO()))


def test_an_environment_that_cannot_be_made_leaves_out_its_stack_unless_it_is_of_this_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: Stack, python: Path | None) -> None:
        if python != Path("/good"):
            raise FailedError("uv exited with status 1")

    monkeypatch.setattr(preparation, "environment", fail)
    usual, good, bad = (
        Candidate(stack=USUAL),
        *(Candidate(stack=USUAL, python=name, interpreter=Path(path)) for name, path in PROCESSES.items()),
    )
    ready, unavailable = prepare_available([good, bad], Console(file=io.StringIO()))
    assert (ready, unavailable) == ([good], {bad.name: "uv exited with status 1"})
    with pytest.raises(FailedError, match="uv exited"):
        prepare_available([usual, good], Console(file=io.StringIO()))
