"""What has to be in order before the first task is paid for: images in the registry, subnets as they should be."""

import re
from collections.abc import Callable, Iterable

from common.aws.calls import AwsCallError, AwsClient, BotoClient
from common.aws.leftovers import Leftovers
from common.aws.settings import FargateSettings, names
from common.catalog.images import GENERATOR
from common.errors import UsageError
from common.registries.ecr import ecr_region

PULL_ENDPOINTS = frozenset({"ecr.api", "ecr.dkr", "s3"})
"""The VPC endpoints that an image comes from ECR through: its manifest through the first two, its layers from S3."""


def sweep(settings: FargateSettings, report: Callable[[str], None]) -> None:
    """Remove what a killed process of this machine left."""
    orphans = Leftovers.find(settings.cloud, settings.cluster).orphans()
    orphans.remove(settings.cloud, settings.cluster)
    if orphans.tasks or orphans.definitions:
        report(f"removed {orphans} that a killed run had left")


def require_images(settings: FargateSettings, tags: Iterable[str]) -> None:
    """``UsageError`` names an image that ECR does not have; other registries are asked by Fargate alone."""
    if not settings.on_ecr:
        return
    region = ecr_region(settings.registry.partition("/")[0])
    cloud = settings.cloud if settings.region in {None, region} or settings.dry_run else BotoClient(region=region)
    for tag in sorted(set(tags)):
        _, _, path = settings.image(tag).partition("/")
        repository, _, name = path.rpartition(":")
        try:
            cloud.call("ecr", "DescribeImages", repositoryName=repository, imageIds=[{"imageTag": name}])
        except AwsCallError as error:
            if error.code not in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                raise
            verb = "generator" if tag.startswith(f"{GENERATOR}:") else "push"
            raise UsageError(
                f"{settings.image(tag)} is not in the registry. Run: make {verb} REGISTRY={settings.registry}"
            ) from error


def require_contrast(cloud: AwsClient, without: str, through: str) -> None:
    """``UsageError`` unless images reach the subnets ``through`` by VPC endpoints and the others not."""
    here, there = _pull_endpoints(cloud, without), _pull_endpoints(cloud, through)
    if cloud.dry_run:
        return
    if found := sorted(here - {"s3"}):
        raise UsageError(
            f"SUBNETS={without} have VPC endpoints for {', '.join(found)}. Accepted: subnets of a VPC without."
        )
    if lacking := sorted(PULL_ENDPOINTS - there):
        raise UsageError(f"ENDPOINT_SUBNETS={through} have no VPC endpoints for {', '.join(lacking)}. "
                         f"Accepted: subnets of a VPC with {', '.join(sorted(PULL_ENDPOINTS))}.")  # fmt: skip


def _pull_endpoints(cloud: AwsClient, subnets: str) -> set[str]:
    described = cloud.call("ec2", "DescribeSubnets", SubnetIds=names(subnets))["Subnets"]
    vpcs = sorted({row["VpcId"] for row in described})
    rows = cloud.call("ec2", "DescribeVpcEndpoints", Filters=[{"Name": "vpc-id", "Values": vpcs}])["VpcEndpoints"]
    services = {re.sub(r"^(com|cn)\.amazonaws\.(amazonaws\.)?[a-z0-9-]+\.", "", row["ServiceName"]) for row in rows}
    return services & PULL_ENDPOINTS
