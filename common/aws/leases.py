"""A run's lease on what it starts on AWS, and the removal of what is left once it has expired."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from common.aws.calls import AwsCallError, AwsClient, CannotContinueError
from common.aws.removal import (
    UNKNOWN_DEFINITION,
    Errors,
    clean_command,
    clean_later,
    listed,
    patiently,
    remove_definitions,
    stop_tasks,
)
from common.aws.requests import LEASE, OWNER, STOPPED
from common.errors import BenchmarkError
from common.project import PROJECT
from common.words import counted

SLACK = timedelta(minutes=3)
"""For how long a task belongs to its run after it has reached its deadline: longer than any call takes."""
DEFINITION_LEASE = timedelta(days=7)
"""For how long a task definition belongs to its run: longer than any run needs it, as it costs nothing."""
MAX_DESCRIBED = 100
"""Most tasks that one ``DescribeTasks`` accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A run's ownership of tasks and definitions, under a random name and until an instant of AWS's time.

    A host name and a PID would not do: another machine, or another PID namespace, can have the same ones.
    """

    cloud: AwsClient
    cluster: str
    owner: str = field(default_factory=lambda: secrets.token_hex(16))

    def now(self) -> datetime:
        """Return AWS's time; makes a call first if no reply has been dated yet."""
        if self.cloud.dry_run:
            return datetime.now(UTC)
        if (now := self.cloud.clock.now()) is None:
            self.cloud.call("ecs", "ListTasks", cluster=self.cluster, maxResults=1)
            now = self.cloud.clock.now()
        return now or datetime.now(UTC)  # an endpoint whose replies have no dates is not AWS

    def tags(self, expires_at: datetime) -> list[dict[str, str]]:
        """Return the tags of something that is about to be made: the owner and when the lease expires."""
        expiry = expires_at.isoformat(timespec="seconds")
        return [{"key": OWNER, "value": self.owner}, {"key": LEASE, "value": expiry}]


def expiry_of(tagged: Mapping[str, Any]) -> datetime | None:
    """Return when the lease that a resource's tags name expires; ``None`` if they name none."""
    values = {tag["key"]: tag["value"] for tag in tagged.get("tags", [])}
    try:
        return datetime.fromisoformat(values[LEASE])
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A task or task definition of this project."""

    arn: str
    expires_at: datetime | None
    """When its owner's lease expires; ``None`` if it has none."""
    orphaned: bool
    """Whether that was over, by AWS's time, when AWS described it."""

    @classmethod
    def read(cls, cloud: AwsClient, arn: str, tagged: Mapping[str, Any]) -> "Leftover | None":
        """Read the tags of a resource; ``None`` if it is not this project's."""
        if all(tag["key"] != OWNER for tag in tagged.get("tags", [])):
            return None
        now, expires_at = cloud.clock.now(), expiry_of(tagged)
        orphaned = now is not None and expires_at is not None and expires_at < now
        return cls(arn=arn, expires_at=expires_at, orphaned=orphaned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Tasks of one cluster, and task definitions."""

    tasks: tuple[Leftover, ...] = ()
    definitions: tuple[Leftover, ...] = ()

    @classmethod
    def find(cls, cloud: AwsClient, cluster: str) -> "Leftovers":
        """Return everything that carries this project's tag, whichever run made it."""
        return cls(tasks=tuple(_tasks(cloud, cluster)), definitions=tuple(_definitions(cloud)))

    def __add__(self, other: "Leftovers") -> "Leftovers":
        return Leftovers(tasks=self.tasks + other.tasks, definitions=self.definitions + other.definitions)

    def only(self, chosen: Callable[[Leftover], bool]) -> "Leftovers":
        """Return those that are ``chosen``."""
        return Leftovers(
            tasks=tuple(filter(chosen, self.tasks)),
            definitions=tuple(filter(chosen, self.definitions)),
        )

    def orphans(self) -> "Leftovers":
        """Return those whose owner's lease has expired."""
        return self.only(lambda leftover: leftover.orphaned)

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
    found, errors = Leftovers(), Errors()
    for kind, listing in (("tasks", _tasks(cloud, cluster)), ("task definitions", _definitions(cloud))):
        try:
            some = Leftovers(tasks=tuple(listing)) if kind == "tasks" else Leftovers(definitions=tuple(listing))
        except BenchmarkError as error:
            errors[f"{kind} that could not be listed"] = error
            continue
        errors |= (some if everyones else some.orphans()).try_to_remove(cloud, cluster)
        found += some
    report(f"removed {found.only(lambda leftover: (everyones or leftover.orphaned) and leftover.arn not in errors)}")
    kept = found.only(lambda leftover: not (everyones or leftover.orphaned))
    if kept != Leftovers():
        latest = max(
            (leftover.expires_at for leftover in (*kept.tasks, *kept.definitions) if leftover.expires_at), default=None
        )
        report(f"left {kept}, whose runs' leases have not expired. {clean_later(cloud, cluster, latest)}")
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
