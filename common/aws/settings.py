"""The variables that configure Fargate: where tasks run and what they may cost."""

import platform
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Literal

from cyclopts import Parameter

from common.aws.calls import AwsClient, DryRunClient
from common.aws.leases import Lease
from common.aws.spending import SpendingLimit
from common.catalog.sizes import TaskArchitecture
from common.errors import UsageError
from common.project import PROJECT
from common.registries.api import RegistryAddress
from common.registries.ecr import is_ecr

DEFAULT_ROLE = "ecsTaskExecutionRole"

Region = Annotated[str | None, Parameter(help="AWS region; boto3's own configuration unless given.")]
Cluster = Annotated[str, Parameter(help="ECS cluster.")]
DryRun = Annotated[bool, Parameter(help="Print the AWS calls instead of making them.")]


@dataclass(frozen=True, kw_only=True)
class FargateSettings:
    """The variables of ``RUNTIME=fargate``, and what follows from them."""

    region: Region = None
    cluster: Cluster = "default"
    subnets: Annotated[str, Parameter(help="Subnets that tasks run in, joined by commas. Required on Fargate.")] = ""
    security_groups: Annotated[
        str, Parameter(help="Security groups of tasks, joined by commas; the VPC's own unless given.")
    ] = ""
    assign_public_ip: Annotated[
        Literal["enabled", "disabled"],
        Parameter(help="Whether tasks get a public address; disabled for a machine inside their network."),
    ] = "enabled"
    registry: Annotated[
        str, Parameter(help="Registry that tasks pull images from: HOST[:PORT][/PREFIX]. Required on Fargate.")
    ] = ""
    execution_role: Annotated[
        str,
        Parameter(
            help=f"Name or ARN of the role that pulls images and writes logs; {DEFAULT_ROLE} if one is needed and none "
            "given."
        ),
    ] = ""
    log_group: Annotated[
        str, Parameter(help="CloudWatch log group, which must exist, for the logs of tasks; none unless given.")
    ] = ""
    load_from: Annotated[
        Literal["here", "task"],
        Parameter(help="Where load comes from: this machine, or a second task next to the server's."),
    ] = "here"
    architecture: Annotated[
        Literal["auto", "x86_64", "arm64"],
        Parameter(help="CPU architecture of tasks; auto is this machine's, as its images run in the tasks."),
    ] = "auto"
    max_dollars: Annotated[
        float | None, Parameter(help="The command's spending limit. Required on Fargate, except with DRY_RUN=1.")
    ] = None
    dry_run: DryRun = False

    @cached_property
    def cloud(self) -> AwsClient:
        """The client for AWS, or with ``DRY_RUN=1`` one that only prints calls."""
        return DryRunClient(region=self.region) if self.dry_run else AwsClient(region=self.region)

    @cached_property
    def budget(self) -> SpendingLimit:
        """The ceiling and the spending of all tasks that run with these settings."""
        return SpendingLimit.parse(
            self.max_dollars,
            architecture=self.cpu_architecture,
            region=self.cloud.known_region,
            public=self.public,
            dry_run=self.dry_run,
        )

    @cached_property
    def lease(self) -> Lease:
        """The ownership of all tasks and definitions that are made with these settings."""
        return Lease(cloud=self.cloud, cluster=self.cluster)

    @property
    def cpu_architecture(self) -> TaskArchitecture:
        """The CPU architecture of tasks.

        By default that of this machine, because the images it built run in the tasks.
        """
        name = platform.machine() if self.architecture == "auto" else self.architecture
        return TaskArchitecture.ARM64 if name in {"arm64", "aarch64"} else TaskArchitecture.X86_64

    @property
    def public(self) -> bool:
        """Whether tasks are reached at a public address."""
        return self.assign_public_ip == "enabled"

    @cached_property
    def role(self) -> str | None:
        """The ARN of the role that pulls images from ECR and writes logs to CloudWatch; ``None`` if neither is used."""
        name = self.execution_role or (DEFAULT_ROLE if self.on_ecr or self.log_group else "")
        if not name or name.startswith("arn:"):
            return name or None
        arn: str = self.cloud.call("iam", "GetRole", RoleName=name)["Role"]["Arn"]
        return arn

    @property
    def log_options(self) -> dict[str, str] | None:
        """The options of a container's awslogs driver; ``None`` if no log is kept."""
        if not self.log_group:
            return None
        return {
            "awslogs-group": self.log_group,
            "awslogs-region": self.cloud.region_name,
            "awslogs-stream-prefix": PROJECT,
        }

    @property
    def on_ecr(self) -> bool:
        """Whether the registry is Amazon ECR."""
        return is_ecr(self.registry.partition("/")[0])

    def image(self, tag: str) -> str:
        """Return the name that tasks pull an image by: the one that ``make push`` gives it in the registry."""
        return f"{self.registry.rstrip('/')}/{tag}"

    @property
    def load_from_task(self) -> bool:
        """Whether load comes from a second task next to the server's."""
        return self.load_from == "task"

    def refuse_load(self) -> None:
        """Raise ``UsageError`` for ``LOAD_FROM=task`` with a command that generates no load."""
        if self.load_from_task:
            raise UsageError("invalid LOAD_FROM=task: only loadtest and latency generate load; must be here")

    def check(self) -> None:
        """Raise ``UsageError`` if a variable that every task needs is not set, or ``REGISTRY=`` holds a login."""
        for variable, value, example in (
            ("SUBNETS", self.subnets, "subnet-0abc,subnet-0def"),
            ("REGISTRY", self.registry, "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
        ):
            if not value:
                raise UsageError(f"{variable}= is not set; RUNTIME=fargate needs it, for example {variable}={example}")
        RegistryAddress.parse(self.registry)

    def refuse_unused(self, runtime: str) -> None:
        """Raise ``UsageError`` if a variable is set that only Fargate uses."""
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                raise UsageError(f"{field.name.upper()}= needs RUNTIME=fargate, but RUNTIME is {runtime}")


def names(text: str) -> list[str]:
    """Split the comma-separated names of a variable."""
    return [name.strip() for name in text.split(",") if name.strip()]
