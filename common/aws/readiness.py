"""What has to be in order before the first task is paid for: images in the registry, subnets as they should be."""

import re
from collections.abc import Callable, Iterable

from common.aws.calls import Aws, Cloud, CloudError
from common.aws.leftovers import Leftovers
from common.aws.settings import Fargate, names
from common.catalog.images import GENERATOR
from common.errors import UsageError
from common.registries.ecr import ecr_region

PULL_ENDPOINTS = frozenset({"ecr.api", "ecr.dkr", "s3"})
"""The VPC endpoints that an image comes from ECR through: its manifest through the first two, its layers from S3."""


def sweep(place: Fargate, report: Callable[[str], None]) -> None:
    """Remove what a killed process of this machine left."""
    orphans = Leftovers.find(place.cloud, place.cluster).orphans()
    orphans.remove(place.cloud, place.cluster)
    if orphans.tasks or orphans.definitions:
        report(f"removed {orphans} that a killed run had left")


def require_images(place: Fargate, tags: Iterable[str]) -> None:
    """``UsageError`` names an image that ECR does not have; other registries are asked by Fargate alone."""
    if not place.on_ecr:
        return
    region = ecr_region(place.registry.partition("/")[0])
    cloud = place.cloud if place.region in {None, region} or place.dry_run else Aws(region=region)
    for tag in sorted(set(tags)):
        _, _, path = place.image(tag).partition("/")
        repository, _, name = path.rpartition(":")
        try:
            cloud.call("ecr", "DescribeImages", repositoryName=repository, imageIds=[{"imageTag": name}])
        except CloudError as error:
            if error.code not in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                raise
            verb = "generator" if tag.startswith(f"{GENERATOR}:") else "push"
            raise UsageError(
                f"{place.image(tag)} is not in the registry. Run: make {verb} REGISTRY={place.registry}"
            ) from error


def require_contrast(cloud: Cloud, without: str, through: str) -> None:
    """``UsageError`` unless images reach the subnets ``through`` by VPC endpoints and the others not."""
    here, there = _pull_endpoints(cloud, without), _pull_endpoints(cloud, through)
    if cloud.rehearsal:
        return
    if found := sorted(here - {"s3"}):
        raise UsageError(
            f"SUBNETS={without} have VPC endpoints for {', '.join(found)}. Accepted: subnets of a VPC without."
        )
    if lacking := sorted(PULL_ENDPOINTS - there):
        raise UsageError(f"ENDPOINT_SUBNETS={through} have no VPC endpoints for {', '.join(lacking)}. "
                         f"Accepted: subnets of a VPC with {', '.join(sorted(PULL_ENDPOINTS))}.")  # fmt: skip


def _pull_endpoints(cloud: Cloud, subnets: str) -> set[str]:
    described = cloud.call("ec2", "DescribeSubnets", SubnetIds=names(subnets))["Subnets"]
    vpcs = sorted({row["VpcId"] for row in described})
    rows = cloud.call("ec2", "DescribeVpcEndpoints", Filters=[{"Name": "vpc-id", "Values": vpcs}])["VpcEndpoints"]
    services = {re.sub(r"^(com|cn)\.amazonaws\.(amazonaws\.)?[a-z0-9-]+\.", "", row["ServiceName"]) for row in rows}
    return services & PULL_ENDPOINTS
