"""Where tasks run, and what they may cost, as the user sets it."""

import platform
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

from common.aws.calls import AwsClient, BotoClient
from common.aws.dry_run import DryRunClient
from common.aws.spending import SpendingLimit
from common.errors import UsageError
from common.registries.ecr import is_ecr

DEFAULT_ROLE = "ecsTaskExecutionRole"


@dataclass(frozen=True, kw_only=True)
class FargateSettings:
    """The variables of ``RUNTIME=fargate``."""

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
        """AWS, or with ``DRY_RUN=1`` a rehearsal."""
        return DryRunClient(region=self.region) if self.dry_run else BotoClient(region=self.region)

    @cached_property
    def budget(self) -> SpendingLimit:
        """What may be spent and what is; one for all tasks of this place."""
        return SpendingLimit.parse(self.max_dollars, architecture=self.cpu_architecture, dry_run=self.dry_run)

    @property
    def cpu_architecture(self) -> str:
        """As ECS names it; that of this machine, whose images are run, unless ``ARCHITECTURE=`` is another."""
        name = platform.machine() if self.architecture == "auto" else self.architecture
        return "ARM64" if name in {"arm64", "aarch64"} else "X86_64"

    @property
    def public(self) -> bool:
        """Whether tasks are reached by a public address."""
        return self.assign_public_ip == "enabled"

    @cached_property
    def role(self) -> str | None:
        """The ARN of the role that pulls images and keeps logs; without one, neither ECR nor CloudWatch can be used."""
        name = self.execution_role or (DEFAULT_ROLE if self.on_ecr or self.log_group else "")
        if not name or name.startswith("arn:"):
            return name or None
        arn: str = self.cloud.call("iam", "GetRole", RoleName=name)["Role"]["Arn"]
        return arn

    @property
    def on_ecr(self) -> bool:
        """Whether the registry is Amazon's own."""
        return is_ecr(self.registry.partition("/")[0])

    def image(self, tag: str) -> str:
        """What a task pulls: the image's name in the registry, as ``make push`` leaves it there."""
        return f"{self.registry.rstrip('/')}/{tag}"

    @property
    def load_from_task(self) -> bool:
        """Whether load comes from a second task beside the server's."""
        return self.load_from == "task"

    def refuse_load(self) -> None:
        """``UsageError`` where load is wanted from a task though nothing is loaded."""
        if self.load_from_task:
            raise UsageError("LOAD_FROM=task is for loadtest and latency; without load there is no second task.")

    def check(self) -> None:
        """``UsageError`` where something that every task needs is not set."""
        for variable, value, example in (
            ("SUBNETS", self.subnets, "subnet-0abc,subnet-0def"),
            ("REGISTRY", self.registry, "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
        ):
            if not value:
                raise UsageError(f"{variable}= is not set; RUNTIME=fargate needs it. Accepted: such as {example}.")

    def refuse_unused(self, runtime: str) -> None:
        """``UsageError`` where a variable is set that only Fargate takes."""
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                raise UsageError(f"{field.name.upper()}= needs RUNTIME=fargate, and RUNTIME is {runtime}.")


def names(text: str) -> list[str]:
    """The comma-separated names of a variable."""
    return [name.strip() for name in text.split(",") if name.strip()]
