"""Anything missing is named before something is billed, with the complete command that makes it."""

import pytest

from common.aws.calls import BotoClient
from common.aws.readiness import require_contrast, require_images
from common.catalog.images import GENERATOR
from common.errors import UsageError
from common.project import PROJECT
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import REGISTRY, fargate_settings

SLIM = f"{PROJECT}/falcon:gunicorn-gthread-slim-py3.13"


@pytest.mark.parametrize(
    ("tag", "command"),
    [
        (
            f"{PROJECT}/falcon:gunicorn-gthread-fat-py3.12",
            f"make push REGISTRY={REGISTRY} FRAMEWORK=falcon SERVER=gunicorn-gthread IMAGE=fat PYTHON=3.12",
        ),
        (f"{GENERATOR}:latest", f"make generator REGISTRY={REGISTRY}"),
    ],
)
def test_an_image_missing_from_ecr_is_named_with_the_command_that_pushes_it(
    aws_api: Endpoint, aws_client: BotoClient, tag: str, command: str
) -> None:
    """Of just this stack: the command's defaults would push others."""
    aws_api.images = {SLIM}
    settings = fargate_settings()
    settings.__dict__["cloud"] = aws_client
    require_images(settings, [SLIM])
    with pytest.raises(UsageError) as refusal:
        require_images(settings, [SLIM, tag])
    assert str(refusal.value) == f"{REGISTRY}/{tag} is not in the registry. Run: {command}"


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
    aws_api: Endpoint, aws_client: BotoClient, without: list[str], through: list[str], message: str | None
) -> None:
    aws_api.endpoints = {"a": without, "b": through}
    if message is None:
        require_contrast(aws_client, "a", "b")
    else:
        with pytest.raises(UsageError, match=message):
            require_contrast(aws_client, "a", "b")
