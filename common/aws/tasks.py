"""Task definitions and tasks that live as long as a block; whatever ends the block, they are taken away."""

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from common.aws import logs, requests
from common.aws.calls import AwsCallError, AwsClient, CannotContinueError, pages
from common.aws.settings import FargateSettings, names
from common.catalog.sizes import Size
from common.errors import BenchmarkError, FailedError
from common.host.ownership import owner_id
from common.project import PROJECT

CAPACITY_WAITS_S = (5.0, 15.0, 30.0)
"""How long to wait before asking again where Fargate has no room."""
DELETED_AT_ONCE = 10
"""Task definitions that one ``DeleteTaskDefinitions`` takes."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def owner() -> str:
    """This process, as the tag of what it makes names it: ``host/PID:start``."""
    return f"{socket.gethostname()}/{owner_id(os.getpid())}"


@contextmanager
def task_definition(settings: FargateSettings, image: str, size: Size, *, command: Sequence[str] = ()) -> Iterator[str]:
    """The ARN of a task definition of ``image`` at ``size``; deregistered and deleted afterwards.

    ``command`` is run instead of the image's own.
    """
    family = f"{PROJECT}-{secrets.token_hex(8)}"
    request = requests.definition(
        family=family,
        image=image,
        size=size,
        architecture=settings.cpu_architecture,
        role=settings.role,
        owner=owner(),
        log=logs.options(settings),
        command=command,
    )
    arns: list[str] = []

    def remove() -> None:
        found = pages(settings.cloud, "ecs", "ListTaskDefinitions", "taskDefinitionArns", familyPrefix=family)
        remove_definitions(settings.cloud, {*arns, *found})

    with _afterwards(remove, f"the task definition {family}"):
        reply = settings.cloud.call("ecs", "RegisterTaskDefinition", **request)
        arns.append(reply["taskDefinition"]["taskDefinitionArn"])
        yield arns[0]


@contextmanager
def running_task(
    settings: FargateSettings, definition_arn: str, size: Size, *, subnets: str = "", groups: str = ""
) -> Iterator[str]:
    """The ARN of one new task, in the place's subnets unless others are given; stopped afterwards.

    ``FailedError`` where Fargate has no room for it or the budget no money.
    """
    token = f"afb-{secrets.token_hex(12)}"
    request = requests.run(
        cluster=settings.cluster,
        arn=definition_arn,
        token=token,
        subnets=names(subnets or settings.subnets),
        groups=names(groups or settings.security_groups),
        public=settings.public,
        owner=owner(),
    )
    arns: list[str] = []

    def remove() -> None:
        found = pages(settings.cloud, "ecs", "ListTasks", "taskArns", cluster=settings.cluster, startedBy=token)
        stop_tasks(settings.cloud, settings.cluster, {*arns, *found})

    with settings.budget.charged(size), _afterwards(remove, f"the task started as {token}"):
        arns.append(_run(settings.cloud, request))
        yield arns[0]


def stop_tasks(cloud: AwsClient, cluster: str, arns: Iterable[str]) -> None:
    """Stop every task; one that is gone already is no error."""
    for arn in arns:
        try:
            cloud.call("ecs", "StopTask", cluster=cluster, task=arn, reason=f"{PROJECT} is done with it")
        except AwsCallError as error:
            if error.code != "InvalidParameterException":  # what ECS says of a task that it knows no more
                raise


def remove_definitions(cloud: AwsClient, arns: Iterable[str]) -> None:
    """Deregister and delete every task definition."""
    known = sorted(arns)
    for arn in known:
        cloud.call("ecs", "DeregisterTaskDefinition", taskDefinition=arn)
    for first in range(0, len(known), DELETED_AT_ONCE):
        cloud.call("ecs", "DeleteTaskDefinitions", taskDefinitions=known[first : first + DELETED_AT_ONCE])


def _run(cloud: AwsClient, request: dict[str, Any]) -> str:
    for wait_s in (*CAPACITY_WAITS_S, None):
        reply = cloud.call("ecs", "RunTask", clientToken=secrets.token_hex(16), **request)
        if started := reply.get("tasks"):
            arn: str = started[0]["taskArn"]
            return arn
        reasons = "; ".join(one.get("reason", "no reason given") for one in reply.get("failures", []))
        if wait_s is None or "capacity" not in reasons.casefold():
            break
        time.sleep(wait_s)
    raise FailedError(f"Fargate started no task: {reasons or 'no reason given'}.")


@contextmanager
def _afterwards(remove: Callable[[], None], what: str) -> Iterator[None]:
    """Call ``remove`` when the block is left; where that fails, say what is left and how to get rid of it."""
    ended: BaseException | None = None
    try:
        yield
    except BaseException as error:
        ended = error
        raise
    finally:
        try:
            with undisturbed():
                remove()
        except BenchmarkError as left:
            first = f"{ended} " if isinstance(ended, BenchmarkError) else ""
            raise CannotContinueError(f"{first}{what} is left behind: {left} Then run: make fargate-clean") from left


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals that would end this process wait until the block is left: what is half removed costs money."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
