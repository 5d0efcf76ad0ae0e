"""Anything missing is named before something is billed, with the complete command that makes it."""

import pytest

from common.aws import readiness
from common.aws.calls import BotoClient
from common.aws.readiness import require_contrast, require_images
from common.errors import UsageError
from common.project import PROJECT
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import REGISTRY, fargate_settings

SLIM = f"{PROJECT}/falcon:gunicorn-gthread-slim-py3.13"


def test_an_image_missing_from_ecr_is_named_with_the_command_that_pushes_it(
    aws_api: Endpoint, aws_client: BotoClient
) -> None:
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
    aws_api: Endpoint, aws_client: BotoClient, monkeypatch: pytest.MonkeyPatch, region: str, reconnected: list[str]
) -> None:
    """Not in those of the tasks, wherever their region is configured."""
    asked = []

    def connect(*, region: str) -> BotoClient:
        asked.append(region)
        return aws_client

    monkeypatch.setattr(readiness, "BotoClient", connect)
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
    aws_api: Endpoint, aws_client: BotoClient, without: list[str], through: list[str], message: str | None
) -> None:
    aws_api.endpoints = {"a": without, "b": through}
    if message is None:
        require_contrast(aws_client, "a", "b")
    else:
        with pytest.raises(UsageError, match=message):
            require_contrast(aws_client, "a", "b")
