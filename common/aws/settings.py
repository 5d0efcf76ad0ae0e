"""The variables that configure Fargate: where tasks run and what they may cost."""

import platform
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

from common.aws.calls import AwsClient, BotoClient
from common.aws.dry_run import DryRunClient
from common.aws.leases import Lease
from common.aws.removal import clean_command
from common.aws.spending import SpendingLimit
from common.errors import UsageError
from common.project import PROJECT
from common.registries.api import RegistryAddress
from common.registries.ecr import is_ecr

DEFAULT_ROLE = "ecsTaskExecutionRole"


@dataclass(frozen=True, kw_only=True)
class FargateSettings:
    """The variables of ``RUNTIME=fargate``, and what follows from them."""

    region: str | None = None
    cluster: str = "default"
    subnets: str = ""
    security_groups: str = ""
    assign_public_ip: Literal["enabled", "disabled"] = "enabled"
    registry: str = ""
    execution_role: str = ""
    log_group: str = ""
    load_from: Literal["here", "task"] = "here"
    architecture: Literal["auto", "x86_64", "arm64"] = "auto"
    max_dollars: float | None = None
    dry_run: bool = False

    @cached_property
    def cloud(self) -> AwsClient:
        """The client for AWS, or with ``DRY_RUN=1`` one that only prints calls."""
        return DryRunClient(region=self.region) if self.dry_run else BotoClient(region=self.region)

    @cached_property
    def budget(self) -> SpendingLimit:
        """The ceiling and the spending of all tasks that run with these settings."""
        return SpendingLimit.parse(
            self.max_dollars,
            architecture=self.cpu_architecture,
            region=self.cloud.known_region,
            dry_run=self.dry_run,
        )

    @cached_property
    def lease(self) -> Lease:
        """The ownership of all tasks and definitions that are made with these settings."""
        return Lease(cloud=self.cloud, cluster=self.cluster)

    @property
    def clean_command(self) -> str:
        """The command line that removes what is left of these settings' tasks."""
        return clean_command(self.cloud, self.cluster)

    @property
    def cpu_architecture(self) -> str:
        """The CPU architecture of tasks, as ECS names it.

        By default that of this machine, because the images it built run in the tasks.
        """
        name = platform.machine() if self.architecture == "auto" else self.architecture
        return "ARM64" if name in {"arm64", "aarch64"} else "X86_64"

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
        if "@" in self.registry:  # do not repeat the value: it would be printed, and kept in the task definition
            raise UsageError(
                "invalid REGISTRY=: contains a user or password; must be HOST[:PORT][/PREFIX]. To push, run docker "
                "login or set REGISTRY_USER and REGISTRY_PASSWORD; tasks pull from ECR with EXECUTION_ROLE=, and from "
                "other registries without a login"
            )
        RegistryAddress.parse(self.registry)

    def refuse_unused(self, runtime: str) -> None:
        """Raise ``UsageError`` if a variable is set that only Fargate uses."""
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                raise UsageError(f"{field.name.upper()}= needs RUNTIME=fargate, but RUNTIME is {runtime}")


def names(text: str) -> list[str]:
    """Split the comma-separated names of a variable."""
    return [name.strip() for name in text.split(",") if name.strip()]
