"""Removal of tasks and task definitions: each is tried, and tried again while AWS refuses or does not answer."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from common.aws.calls import AwsCallError, AwsClient
from common.aws.clock import boot_time_s
from common.catalog.stacks import make_command
from common.errors import BenchmarkError
from common.project import PROJECT

RETRY_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""The pauses before further attempts at a call that has failed although boto3 repeated it."""
PATIENCE_S = 120.0
"""After how long no further attempt begins: with a lost network, each takes boto3 more than a minute."""
MAX_DELETED = 10
"""Most task definitions that one ``DeleteTaskDefinitions`` accepts."""
UNKNOWN_TASK = "InvalidParameterException"
"""The code with which ECS refuses to stop a task that it does not know: no longer, or not yet."""
UNKNOWN_DEFINITION = "ClientException"
"""The code with which ECS refuses calls about a task definition that does not exist."""

_GONE = re.compile(r"MISSING|not (found|exist)")

T = TypeVar("T")
Errors = dict[str, BenchmarkError]
"""The reason why a resource could not be removed, by ARN."""


def clean_command(cloud: AwsClient, cluster: str) -> str:
    """Return the command line that removes what is left in a cluster: complete, as it may not be the default one."""
    return make_command("fargate-clean", {"REGION": cloud.region_name, "CLUSTER": cluster})


def clean_later(cloud: AwsClient, cluster: str, expires_at: datetime | None) -> str:
    """Return how to remove what is left in a cluster, whose leases are over at ``expires_at`` if that is known."""
    when = f"after {expires_at:%Y-%m-%d %H:%M:%S} UTC" if expires_at else "again later"
    return (
        f"Run {when}: {clean_command(cloud, cluster)}; or now with EVERYONES=1, which also stops what runs still in "
        "progress use"
    )


def patiently(action: Callable[[], T]) -> T:
    """Return the result of ``action``; try again while it fails in a way that may pass."""
    pauses = _pauses()
    while True:
        try:
            return action()
        except AwsCallError as error:
            if not error.transient or next(pauses, None) is None:
                raise


def attempt_each(action: Callable[[str], None], arns: Iterable[str]) -> Errors:
    """Try ``action`` on every resource, and again on those that fail in a way that may pass; return the errors left.

    One that goes on failing keeps no other from being tried.
    """
    errors, pauses = _failures(action, arns), _pauses()
    while (again := _transient(errors)) and next(pauses, None) is not None:
        errors = {arn: error for arn, error in errors.items() if arn not in again} | _failures(action, again)
    return errors


def listed(cloud: AwsClient, operation: str, key: str, **parameters: Any) -> Iterator[Any]:  # noqa: ANN401 -- JSON
    """Yield every item that a listing call of ECS returns under ``key``, page by page, each ``patiently``."""
    while True:
        reply = patiently(partial(cloud.call, "ecs", operation, **parameters))
        yield from reply.get(key, [])
        if not (token := reply.get("nextToken")):
            return
        parameters["nextToken"] = token


def stop_tasks(cloud: AwsClient, cluster: str, arns: Iterable[str], *, recent: bool = False) -> Errors:
    """Stop every task, and return the errors of those that could not be stopped.

    A task that ECS does not know has ended long ago, which is not an error. If the tasks are ``recent``, it may be that
    not all of ECS has heard of them yet, so this is tried again and counts as an error in the end.
    """

    def stop(arn: str) -> None:
        try:
            cloud.call("ecs", "StopTask", cluster=cluster, task=arn, reason=f"{PROJECT} no longer needs it")
        except AwsCallError as error:
            if error.code != UNKNOWN_TASK:
                raise
            if recent:
                raise AwsCallError(str(error), code=error.code, transient=True) from error

    return attempt_each(stop, arns)


def remove_definitions(cloud: AwsClient, arns: Iterable[str]) -> Errors:
    """Deregister and delete every task definition, and return the errors of those that could not be removed."""
    inactive: list[str] = []

    def deregister(arn: str) -> None:
        try:
            cloud.call("ecs", "DeregisterTaskDefinition", taskDefinition=arn)
        except AwsCallError as error:
            if error.code != UNKNOWN_DEFINITION:  # otherwise it does not exist, or somebody else has deleted it
                raise
        else:
            inactive.append(arn)

    errors = attempt_each(deregister, sorted(arns))
    for first in range(0, len(inactive), MAX_DELETED):
        errors |= _delete(cloud, inactive[first : first + MAX_DELETED])
    return errors


def _delete(cloud: AwsClient, arns: list[str]) -> Errors:
    """Delete inactive task definitions, which ECS can refuse one by one in a reply that succeeds."""

    def delete() -> Errors:
        reply = cloud.call("ecs", "DeleteTaskDefinitions", taskDefinitions=arns)
        return {
            failure["arn"]: AwsCallError(f"AWS did not delete it: {failure.get('reason')}", code="failure")
            for failure in reply.get("failures", [])
            if not _GONE.search(failure.get("reason", ""))
        }

    try:
        return patiently(delete)
    except BenchmarkError as error:
        return dict.fromkeys(arns, error)


def _pauses() -> Iterator[float]:
    """Pause before each further attempt, and yield for how long, until patience is over."""
    give_up_s = boot_time_s() + PATIENCE_S
    for wait_s in RETRY_WAITS_S:
        if boot_time_s() > give_up_s:
            return
        time.sleep(wait_s)
        yield wait_s


def _transient(errors: Errors) -> list[str]:
    return [arn for arn, error in errors.items() if isinstance(error, AwsCallError) and error.transient]


def _failures(action: Callable[[str], None], arns: Iterable[str]) -> Errors:
    errors: Errors = {}
    for arn in arns:
        try:
            action(arn)
        except BenchmarkError as error:
            errors[arn] = error
    return errors
