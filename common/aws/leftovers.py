"""What a killed process left on AWS: found by its tag, and removed."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from common.aws.calls import AwsCallError, AwsClient, pages
from common.aws.requests import STOPPED, owner_of
from common.aws.tasks import remove_definitions, stop_tasks
from common.host.ownership import is_alive
from common.project import PROJECT

DESCRIBED_AT_ONCE = 100
"""Tasks that one ``DescribeTasks`` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something of ours on AWS."""

    arn: str
    owner: str

    @property
    def orphaned(self) -> bool:
        """Whether it was made by a process of this machine that lives no more."""
        host, _, process = self.owner.partition("/")
        return host == socket.gethostname() and not is_alive(process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Tasks of one cluster, and task definitions."""

    tasks: tuple[Leftover, ...]
    definitions: tuple[Leftover, ...]

    @classmethod
    def find(cls, cloud: AwsClient, cluster: str) -> "Leftovers":
        """Everything that carries our tag, whoever made it."""
        return cls(tasks=tuple(_tasks(cloud, cluster)), definitions=tuple(_definitions(cloud)))

    def orphans(self) -> "Leftovers":
        """Those that a dead process of this machine made."""
        return Leftovers(
            tasks=tuple(one for one in self.tasks if one.orphaned),
            definitions=tuple(one for one in self.definitions if one.orphaned),
        )

    def less(self, others: "Leftovers") -> "Leftovers | None":
        """Those that ``others`` do not hold; ``None`` where they hold all."""
        left = Leftovers(
            tasks=tuple(one for one in self.tasks if one not in others.tasks),
            definitions=tuple(one for one in self.definitions if one not in others.definitions),
        )
        return left if left.tasks or left.definitions else None

    def remove(self, cloud: AwsClient, cluster: str) -> None:
        """Stop, deregister and delete all of it."""
        stop_tasks(cloud, cluster, [one.arn for one in self.tasks])
        remove_definitions(cloud, [one.arn for one in self.definitions])

    def __str__(self) -> str:
        return f"{len(self.tasks)} tasks and {len(self.definitions)} task definitions"


def _tasks(cloud: AwsClient, cluster: str) -> Iterator[Leftover]:
    arns = list(pages(cloud, "ecs", "ListTasks", "taskArns", cluster=cluster))
    for first in range(0, len(arns), DESCRIBED_AT_ONCE):
        some = arns[first : first + DESCRIBED_AT_ONCE]
        for row in cloud.call("ecs", "DescribeTasks", cluster=cluster, tasks=some, include=["TAGS"])["tasks"]:
            if (owner := owner_of(row)) is not None and row.get("lastStatus") not in STOPPED:
                yield Leftover(arn=row["taskArn"], owner=owner)


def _definitions(cloud: AwsClient) -> Iterator[Leftover]:
    """Deregistered ones too, which stay until they are deleted."""
    for status in ("ACTIVE", "INACTIVE"):
        for family in pages(
            cloud, "ecs", "ListTaskDefinitionFamilies", "families", familyPrefix=PROJECT, status=status
        ):
            for arn in pages(
                cloud, "ecs", "ListTaskDefinitions", "taskDefinitionArns", familyPrefix=family, status=status
            ):
                if (owner := _owner(cloud, arn)) is not None:
                    yield Leftover(arn=arn, owner=owner)


def _owner(cloud: AwsClient, arn: str) -> str | None:
    """Whose a task definition is; ``None`` too where another process has just deleted it."""
    try:
        return owner_of(cloud.call("ecs", "DescribeTaskDefinition", taskDefinition=arn, include=["TAGS"]))
    except AwsCallError as error:
        if error.code == "ClientException":
            return None
        raise
