"""Tasks and task definitions that killed runs left on AWS: found by their tags, and removed."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from common.aws.calls import AwsCallError, AwsClient, CannotContinueError
from common.aws.leases import LEASE_S, expiry_of
from common.aws.removal import (
    UNKNOWN_DEFINITION,
    Errors,
    clean_command,
    listed,
    patiently,
    remove_definitions,
    stop_tasks,
)
from common.aws.requests import STOPPED, owner_of
from common.errors import BenchmarkError
from common.project import PROJECT
from common.words import counted

MAX_DESCRIBED = 100
"""Most tasks that one ``DescribeTasks`` accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A task or task definition of this project."""

    arn: str
    owner: str
    orphaned: bool
    """Whether its owner's lease has expired, by AWS's time when AWS described it."""

    @classmethod
    def read(cls, cloud: AwsClient, arn: str, tagged: Mapping[str, Any]) -> "Leftover | None":
        """Read the tags of a resource; ``None`` if it is not this project's."""
        if (owner := owner_of(tagged)) is None:
            return None
        now, expires_at = cloud.clock.now(), expiry_of(tagged)
        return cls(arn=arn, owner=owner, orphaned=now is not None and expires_at is not None and expires_at < now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Tasks of one cluster, and task definitions."""

    tasks: tuple[Leftover, ...] = ()
    definitions: tuple[Leftover, ...] = ()

    @classmethod
    def find(cls, cloud: AwsClient, cluster: str) -> "Leftovers":
        """Return everything that carries this project's tag, whichever run made it."""
        return cls.find_tasks(cloud, cluster) + cls.find_definitions(cloud)

    @classmethod
    def find_tasks(cls, cloud: AwsClient, cluster: str) -> "Leftovers":
        """Return the tasks alone."""
        return cls(tasks=tuple(_tasks(cloud, cluster)))

    @classmethod
    def find_definitions(cls, cloud: AwsClient) -> "Leftovers":
        """Return the task definitions alone."""
        return cls(definitions=tuple(_definitions(cloud)))

    def __add__(self, other: "Leftovers") -> "Leftovers":
        return Leftovers(tasks=self.tasks + other.tasks, definitions=self.definitions + other.definitions)

    def orphans(self) -> "Leftovers":
        """Return those whose owner's lease has expired."""
        return Leftovers(
            tasks=tuple(task for task in self.tasks if task.orphaned),
            definitions=tuple(definition for definition in self.definitions if definition.orphaned),
        )

    def except_for(self, arns: Collection[str]) -> "Leftovers":
        """Return those whose ARNs are not given."""
        return Leftovers(
            tasks=tuple(task for task in self.tasks if task.arn not in arns),
            definitions=tuple(definition for definition in self.definitions if definition.arn not in arns),
        )

    def less(self, others: "Leftovers") -> "Leftovers | None":
        """Return those that are not in ``others``; ``None`` if there are none."""
        rest = self.except_for({leftover.arn for leftover in (*others.tasks, *others.definitions)})
        return rest if rest.tasks or rest.definitions else None

    def remove(self, cloud: AwsClient, cluster: str) -> None:
        """Stop the tasks; deregister and delete the definitions. ``CannotContinueError`` names those that are left."""
        if errors := self.try_to_remove(cloud, cluster):
            raise _left_behind(errors, cloud, cluster)

    def try_to_remove(self, cloud: AwsClient, cluster: str) -> Errors:
        """Remove what can be removed, and return the errors of the rest."""
        errors = stop_tasks(cloud, cluster, [task.arn for task in self.tasks])
        return errors | remove_definitions(cloud, [definition.arn for definition in self.definitions])

    def __str__(self) -> str:
        return f"{counted(len(self.tasks), 'task')} and {counted(len(self.definitions), 'task definition')}"


def clean(cloud: AwsClient, cluster: str, *, everyones: bool, report: Callable[[str], None]) -> None:
    """Remove what killed runs left, or with ``everyones`` what live ones use too, and report what was done.

    Everything is tried; ``CannotContinueError`` names what is left in the end. Tasks come first: they cost money.
    """
    kept, chosen, errors = Leftovers(), Leftovers(), Errors()
    for kind, find in (
        ("tasks", partial(Leftovers.find_tasks, cloud, cluster)),
        ("task definitions", partial(Leftovers.find_definitions, cloud)),
    ):
        try:
            found = find()
        except BenchmarkError as error:
            errors[f"{kind} that could not be listed"] = error
            continue
        targets = found if everyones else found.orphans()
        errors |= targets.try_to_remove(cloud, cluster)
        kept, chosen = kept + (found.less(targets) or Leftovers()), chosen + targets
    report(f"removed {chosen.except_for(errors)}")
    if kept != Leftovers():
        report(
            f"left {kept}, whose runs' leases have not expired. Run again in {LEASE_S / 60:.0f} minutes: "
            f"{clean_command(cloud, cluster)}; or add EVERYONES=1, which also stops what runs still in progress use"
        )
    if errors:
        raise _left_behind(errors, cloud, cluster)


def _left_behind(errors: Errors, cloud: AwsClient, cluster: str) -> CannotContinueError:
    left = ", ".join(sorted(errors))
    reasons = "; ".join(sorted({str(error) for error in errors.values()}))
    return CannotContinueError(f"left behind: {left}: {reasons}. Run again: {clean_command(cloud, cluster)}")


def _tasks(cloud: AwsClient, cluster: str) -> Iterator[Leftover]:
    arns = list(listed(cloud, "ListTasks", "taskArns", cluster=cluster))
    for first in range(0, len(arns), MAX_DESCRIBED):
        batch = arns[first : first + MAX_DESCRIBED]
        describe = partial(cloud.call, "ecs", "DescribeTasks", cluster=cluster, tasks=batch, include=["TAGS"])
        for row in patiently(describe)["tasks"]:
            task = Leftover.read(cloud, row["taskArn"], row)
            if task is not None and row.get("lastStatus") not in STOPPED:
                yield task


def _definitions(cloud: AwsClient) -> Iterator[Leftover]:
    # Deregistering leaves a definition INACTIVE until it is deleted, so a run killed in between leaves one of those.
    for status in ("ACTIVE", "INACTIVE"):
        for family in listed(cloud, "ListTaskDefinitionFamilies", "families", familyPrefix=PROJECT, status=status):
            for arn in listed(cloud, "ListTaskDefinitions", "taskDefinitionArns", familyPrefix=family, status=status):
                if (definition := _definition(cloud, arn)) is not None:
                    yield definition


def _definition(cloud: AwsClient, arn: str) -> Leftover | None:
    """Return a definition; ``None`` if it is not this project's, or was deleted since it was listed."""
    try:
        reply = patiently(partial(cloud.call, "ecs", "DescribeTaskDefinition", taskDefinition=arn, include=["TAGS"]))
    except AwsCallError as error:
        if error.code == UNKNOWN_DEFINITION:
            return None
        raise
    return Leftover.read(cloud, arn, reply)
