"""Checks made before the first billable task: images are in the registry, subnets have the endpoints they should."""

import re
from collections.abc import Callable, Mapping

from common.aws.calls import AwsCallError, AwsClient, BotoClient
from common.aws.leftovers import Leftovers
from common.aws.settings import FargateSettings, names
from common.errors import UsageError
from common.registries.ecr import ecr_account, ecr_region

PULL_ENDPOINTS = frozenset({"ecr.api", "ecr.dkr", "s3"})
"""The VPC endpoints that a pull from ECR uses: the first two for manifests, S3 for layers."""


def sweep(settings: FargateSettings, report: Callable[[str], None]) -> None:
    """Remove what killed runs left on AWS, from any machine, once their leases have expired."""
    orphans = Leftovers.find(settings.cloud, settings.cluster).orphans()
    orphans.remove(settings.cloud, settings.cluster)
    if orphans.tasks or orphans.definitions:
        report(f"removed {orphans} that a killed run left behind")


def require_images(settings: FargateSettings, commands: Mapping[str, str]) -> None:
    """Raise ``UsageError`` for an image that is not in ECR; other registries are queried by Fargate alone.

    ``commands`` are the command lines that push the images, by their tags. ECR is that of the registry's own region and
    account, which may be others than those of the tasks.
    """
    if not settings.on_ecr:
        return
    host, cloud = settings.registry.partition("/")[0], settings.cloud
    region = ecr_region(host)
    if not cloud.dry_run and cloud.known_region != region:
        cloud = BotoClient(region=region)
    for tag, command in sorted(commands.items()):
        _, _, path = settings.image(tag).partition("/")
        repository, _, name = path.rpartition(":")
        image = {"repositoryName": repository, "imageIds": [{"imageTag": name}]}
        try:
            cloud.call("ecr", "DescribeImages", registryId=ecr_account(host), **image)
        except AwsCallError as error:
            if error.code not in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                raise
            raise UsageError(f"{settings.image(tag)} is not in the registry. Run: {command}") from error


def require_contrast(cloud: AwsClient, without: str, through: str) -> None:
    """Raise ``UsageError`` unless only the subnets ``through`` have VPC endpoints for pulling images."""
    present_without, present_through = _pull_endpoints(cloud, without), _pull_endpoints(cloud, through)
    if cloud.dry_run:
        return
    # A gateway endpoint for S3 is free and common, and pulls still leave the VPC for ECR itself.
    if unwanted := sorted(present_without - {"s3"}):
        raise UsageError(
            f"invalid SUBNETS={without}: VPC has endpoints for {', '.join(unwanted)}; must be in a VPC without them"
        )
    if missing := sorted(PULL_ENDPOINTS - present_through):
        raise UsageError(
            f"invalid ENDPOINT_SUBNETS={through}: VPC has no endpoints for {', '.join(missing)}; "
            f"must be in a VPC with {', '.join(sorted(PULL_ENDPOINTS))}"
        )


def _pull_endpoints(cloud: AwsClient, subnets: str) -> set[str]:
    described = cloud.call("ec2", "DescribeSubnets", SubnetIds=names(subnets))["Subnets"]
    vpcs = sorted({row["VpcId"] for row in described})
    rows = cloud.call("ec2", "DescribeVpcEndpoints", Filters=[{"Name": "vpc-id", "Values": vpcs}])["VpcEndpoints"]
    services = {re.sub(r"^com\.amazonaws\.[a-z0-9-]+\.", "", row["ServiceName"]) for row in rows}
    return services & PULL_ENDPOINTS
