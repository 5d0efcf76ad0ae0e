"""What candidates need is named with the complete command that makes it."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from common.aws.calls import BotoClient
from common.catalog.frameworks import frameworks
from common.catalog.images import images
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack
from common.errors import UsageError
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import require_pushed
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import REGISTRY, fargate_settings

FALCON = frameworks(only="falcon")["falcon"]
GTHREAD = SERVERS["gunicorn-gthread"]
USUAL = Stack(framework=FALCON, server=GTHREAD)
AT_VERSIONS = Stack(
    framework=replace(FALCON, name="falcon@4.2.0"), server=replace(GTHREAD, name="gunicorn-gthread@26.0.0")
)
OWN = Stack(framework=replace(FALCON, name="my-app-local", own_folder=Path("/home/me/my app")), server=GTHREAD)


@pytest.mark.parametrize(
    ("stack", "variables"),
    [
        (USUAL, "FRAMEWORK=falcon SERVER=gunicorn-gthread IMAGE=fat PYTHON=3.12"),
        (AT_VERSIONS, "FRAMEWORK=falcon@4.2.0 SERVER=gunicorn-gthread@26.0.0 IMAGE=fat PYTHON=3.12"),
        (OWN, "'FRAMEWORK=/home/me/my app' SERVER=gunicorn-gthread IMAGE=fat PYTHON=3.12"),
    ],
)
def test_an_image_missing_from_ecr_is_named_with_the_command_that_pushes_it(
    aws_api: Endpoint, aws_client: BotoClient, stack: Stack, variables: str
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
    aws_api: Endpoint, aws_client: BotoClient, load_from: str, *, missing: bool
) -> None:
    candidate = Candidate(stack=USUAL, image=images()["slim"])
    aws_api.images = {candidate.tag or ""}
    settings = fargate_settings(load_from=load_from)
    settings.__dict__["cloud"] = aws_client
    message = rf"generator:latest is not in the registry\. Run: make generator REGISTRY={REGISTRY}$"
    with pytest.raises(UsageError, match=message) if missing else nullcontext():
        require_pushed(settings, [candidate])
