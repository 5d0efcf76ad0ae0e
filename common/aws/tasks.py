"""Task definitions and tasks that exist while a block runs and are removed however it ends."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from common.aws import requests
from common.aws.calls import AwsCallError, CannotContinueError, may_have_happened
from common.aws.clock import boot_time_s
from common.aws.interrupts import removed_afterwards
from common.aws.leases import DEFINITION_LEASE, SLACK
from common.aws.removal import Errors, clean_later, listed, patiently, remove_definitions, stop_tasks
from common.aws.settings import FargateSettings, names
from common.aws.spending import Charge
from common.catalog.sizes import Size
from common.errors import BenchmarkError, FailedError
from common.project import PROJECT

CAPACITY_WAITS_S = (5.0, 15.0, 30.0)
"""The pauses before further attempts when Fargate has no capacity."""
RECENT_S = 600.0
"""After how long every part of ECS has heard of a task."""


@contextmanager
def task_definition(settings: FargateSettings, image: str, size: Size, *, command: Sequence[str] = ()) -> Iterator[str]:
    """Register a task definition of ``image`` at ``size`` and yield its ARN; deregister and delete it afterwards.

    ``command`` runs instead of the image's own.
    """
    definition = _Definition(settings=settings, image=image, size=size, command=command)
    with removed_afterwards(definition.remove):
        yield definition.register()


@contextmanager
def running_task(
    settings: FargateSettings, definition_arn: str, size: Size, *, subnets: str = "", groups: str = ""
) -> Iterator[str]:
    """Start a task and yield its ARN; stop it afterwards.

    ``subnets`` and ``groups`` default to those of ``settings``. Its container ends by itself after the lifetime that
    was approved for its size, or that the ceiling pays for. ``FailedError`` if Fargate has no capacity,
    ``CannotContinueError`` if the ceiling leaves no money or the task cannot be stopped.
    """
    with settings.budget.charged(size) as charge:
        network = {"subnets": names(subnets or settings.subnets), "groups": names(groups or settings.security_groups)}
        launch = _Launch(settings=settings, charge=charge, definition_arn=definition_arn, network=network)
        with removed_afterwards(launch.remove):
            yield launch.start()


@dataclass(slots=True, kw_only=True, eq=False)
class _Definition:
    """A task definition, from before its request until it is deleted."""

    settings: FargateSettings
    image: str
    size: Size
    command: Sequence[str]
    family: str = field(default_factory=lambda: f"{PROJECT}-{secrets.token_hex(8)}")
    expires_at: datetime | None = None
    requested: bool = False
    """Whether it may have been registered, although no reply says so."""

    def register(self) -> str:
        """Register it and return its ARN."""
        self.expires_at = self.settings.lease.now() + DEFINITION_LEASE
        request = requests.definition(
            family=self.family,
            image=self.image,
            size=self.size,
            architecture=self.settings.cpu_architecture,
            role=self.settings.role,
            tags=self.settings.lease.tags(self.expires_at),
            log=self.settings.log_options,
            command=self.command,
        )
        self.requested = True
        try:
            reply = self.settings.cloud.call("ecs", "RegisterTaskDefinition", **request)
        except BenchmarkError as error:
            self.requested = may_have_happened(error)
            raise
        arn: str = reply["taskDefinition"]["taskDefinitionArn"]
        return arn

    def remove(self) -> None:
        """Deregister and delete it; ``CannotContinueError`` if it is left behind."""
        if not self.requested:
            return
        cloud = self.settings.cloud
        # Without a reply, guess the first revision, which a listing may not show yet; with one, a repeated request may
        # have made a second revision. One that is missed costs nothing, and is swept when its lease has expired.
        revisions = {f"{self.family}:1"}
        with suppress(BenchmarkError):
            arns = listed(cloud, "ListTaskDefinitions", "taskDefinitionArns", familyPrefix=self.family)
            revisions |= {arn.rpartition("/")[2] for arn in arns}
        errors = remove_definitions(cloud, revisions)
        if errors:
            what = f"the task definition {self.family} is left behind"
            raise _left_behind(self.settings, what, errors, self.expires_at)


@dataclass(slots=True, kw_only=True, eq=False)
class _Launch:
    """A task, from before it is requested until it has been stopped."""

    settings: FargateSettings
    charge: Charge
    definition_arn: str
    network: dict[str, list[str]]
    name: str = field(default_factory=lambda: f"afb-{secrets.token_hex(12)}")
    """The value of ``startedBy``, which listings can be filtered by."""
    arn: str | None = None
    confirmed_s: float = 0.0
    """The time at which a reply named it, in seconds since boot."""
    ends_at: datetime | None = None
    unconfirmed: dict[str, Any] | None = None
    """The parameters of a ``RunTask`` that may have started the task, until a reply says so."""

    def start(self) -> str:
        """Start the task and return its ARN; ``FailedError`` if Fargate still has no capacity after some waiting."""
        for wait_s in (*CAPACITY_WAITS_S, None):
            reasons = self._request()
            if self.arn is not None:
                return self.arn
            if wait_s is None or "capacity" not in reasons.casefold():
                break
            time.sleep(wait_s)
        raise FailedError(f"Fargate started no task: {reasons}")

    def remove(self) -> None:
        """Stop the task; ``CannotContinueError`` if it is, or may be, left behind."""
        try:
            if self.unconfirmed is not None:
                self._confirm()
        except BenchmarkError as error:
            resource = f"a task that may have been started as {self.name}"
            raise self._left_behind(resource, {resource: error}) from error
        if self.arn is None:
            self.charge.settle(started=False)
            return
        recent = boot_time_s() - self.confirmed_s < RECENT_S
        errors = stop_tasks(self.settings.cloud, self.settings.cluster, [self.arn], recent=recent)
        if errors:
            raise self._left_behind(f"the task {self.arn}", errors)
        self.charge.settle(started=True)

    def _request(self) -> str:
        """Request the task once; return the reasons if it was not started."""
        lease = self.settings.lease
        self.charge.begin()
        self.ends_at = lease.now() + timedelta(seconds=self.charge.lifetime_s)
        self.unconfirmed = requests.run(
            cluster=self.settings.cluster,
            arn=self.definition_arn,
            started_by=self.name,
            client_token=secrets.token_hex(16),
            public=self.settings.public,
            tags=lease.tags(self.ends_at + SLACK),
            ends_at=self.ends_at,
            lifetime_s=self.charge.lifetime_s,
            **self.network,
        )
        try:
            return self._send(self.unconfirmed)
        except BenchmarkError as error:
            if not may_have_happened(error):
                self.unconfirmed = None
            raise

    def _send(self, request: dict[str, Any]) -> str:
        reply = self.settings.cloud.call("ecs", "RunTask", **request)
        if tasks := reply.get("tasks"):
            self._know(tasks[0]["taskArn"])
        self.unconfirmed = None
        reasons = [failure.get("reason", "no reason given") for failure in reply.get("failures", [])]
        return "; ".join(reasons) or "no reason given"

    def _know(self, arn: str) -> None:
        self.arn, self.confirmed_s = arn, boot_time_s()

    def _confirm(self) -> None:
        """Find out whether a request whose reply was lost has started the task.

        The same request with the same client token returns the task that it has started, and does so at once, whereas
        listings show a new task only after a while. A task that had not been started is started now, to be stopped.
        """
        request = self.unconfirmed
        assert request is not None
        try:
            patiently(lambda: self._send(request))
        except BenchmarkError as refusal:
            try:
                self._know(patiently(self._listed_arn))
            except BenchmarkError:
                raise refusal from None

    def _listed_arn(self) -> str:
        cloud, cluster = self.settings.cloud, self.settings.cluster
        for arn in listed(cloud, "ListTasks", "taskArns", cluster=cluster, startedBy=self.name):
            return str(arn)
        raise AwsCallError(f"ECS lists no task started by {self.name}", code="unlisted", transient=True)

    def _left_behind(self, resource: str, errors: Errors) -> CannotContinueError:
        assert self.ends_at is not None
        until = f"{resource} is left behind, and ends by itself at {self.ends_at:%H:%M:%S} UTC"
        return _left_behind(self.settings, until, errors, self.ends_at + SLACK)


def _left_behind(
    settings: FargateSettings, what: str, errors: Errors, expires_at: datetime | None
) -> CannotContinueError:
    reasons = "; ".join(sorted({str(error) for error in errors.values()}))
    return CannotContinueError(f"{what}: {reasons}. {clean_later(settings.cloud, settings.cluster, expires_at)}")
