"""The fargate runtime: a stack in a task of its own on ECS Fargate, reached over the network.

A task's CPU time cannot be read from outside, so ``RunningServer.cpu_meter`` is ``None`` and figures use wall time.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from common.aws.calls import AwsCallError
from common.aws.clock import boot_time_s
from common.aws.requests import CONTAINER, Task
from common.aws.settings import FargateSettings
from common.aws.tasks import running_task, task_definition
from common.catalog.sizes import Size
from common.catalog.stacks import GENERATOR
from common.engine.build_context import PORT
from common.errors import BenchmarkError, FailedError
from common.host.readiness import fetch_body, responds
from common.project import PROJECT
from common.runtimes.running_server import LoadTask, RunningServer

GENERATOR_SIZE = Size(vcpu=2, memory_bytes=4 * 1024**3)
"""The size of a task that loads another: one core for the load and one for everything else."""
START_DEADLINE_S = 300.0
"""The time limit from a task's request to its first response."""
PROBE_INTERVAL_S = 0.01
CONNECT_TIMEOUT_S = 0.25
"""Shorter than TCP waits before it repeats a lost SYN, which would hide up to a second of the start."""

POLL_INTERVAL_S = 1.0
"""The interval at which ECS is asked for a task's state."""
LOG_LINES = 5
LOG_DELIVERY_S = 5.0
"""The time limit for CloudWatch to show the last output of a container."""
LOG_POLL_INTERVAL_S = 0.5


@dataclass(slots=True, kw_only=True)
class TaskWatch:
    """A task, polled no more often than ECS tolerates."""

    settings: FargateSettings
    arn: str
    name: str
    _latest: Task | None = None
    _polled_at_s: float = field(default=-POLL_INTERVAL_S)
    _exit_reason: str | None = None

    def look(self) -> Task | None:
        """Return the task as it was less than ``POLL_INTERVAL_S`` ago; ``None`` until ECS knows it."""
        if boot_time_s() - self._polled_at_s >= POLL_INTERVAL_S:
            reply = self.settings.cloud.call("ecs", "DescribeTasks", cluster=self.settings.cluster, tasks=[self.arn])
            self._latest = next((Task.read(row) for row in reply.get("tasks", [])), self._latest)
            self._polled_at_s = boot_time_s()
        return self._latest

    def exit_reason(self) -> str | None:
        """Return why it ended, with the end of its log, or that the ceiling is reached; ``None`` while it runs."""
        task = self.look()
        if self._exit_reason is None and task is not None and task.ended is not None:
            self._exit_reason = f"{task.ended}; {self._log_tail()}"
        return self.settings.budget.exceeded or self._exit_reason

    def settled(self, wait_s: float) -> Task:
        """Return the task once ECS reports that it runs, or as it is after ``wait_s``."""
        deadline_s = boot_time_s() + wait_s
        while (task := self.look()) is None or task.started_at is None:
            if task is not None and boot_time_s() > deadline_s:
                break
            time.sleep(POLL_INTERVAL_S / 4)
        return task

    def wait_until(self, ready: Callable[[Task], bool], *, deadline_s: float) -> Task:
        """Return the task once it is ``ready``; ``FailedError`` if it ends first, or at ``deadline_s`` of boot time."""
        while True:
            if (task := self.look()) is not None and ready(task):
                return task
            if (reason := self.exit_reason()) is not None:
                raise FailedError(f"{self.name} ended before it answered: {reason}")
            if boot_time_s() > deadline_s:
                status = task.status if task else "unknown to ECS"
                late = f"{self.name} did not answer with 200 within {START_DEADLINE_S:g} s; it is {status}"
                raise FailedError(f"{late}; {self._log_tail()}")
            time.sleep(POLL_INTERVAL_S / 4)

    def _log_tail(self) -> str:
        """Return the last lines of its output in CloudWatch, joined into one, or the reason why there are none."""
        if not self.settings.log_group:
            return "set LOG_GROUP= to keep its log"
        stream = f"{PROJECT}/{CONTAINER}/{self.arn.rpartition('/')[2]}"
        deadline_s = boot_time_s() + LOG_DELIVERY_S
        try:
            while not (events := _log_events(self.settings, stream)) and boot_time_s() < deadline_s:
                time.sleep(LOG_POLL_INTERVAL_S)
        except BenchmarkError as error:
            return f"its log cannot be read: {error}"
        lines = [" ".join(event["message"].split()) for event in events]
        return f"the end of its log: {' | '.join(filter(None, lines))}" if events else "its log is empty"


def _log_events(settings: FargateSettings, stream: str) -> list[dict[str, Any]]:
    """Return the last events of a log stream; none if it does not exist, because its container never started."""
    try:
        reply = settings.cloud.call(
            "logs", "GetLogEvents",
            logGroupName=settings.log_group, logStreamName=stream, limit=LOG_LINES, startFromHead=False,
        )  # fmt: skip
    except AwsCallError as error:
        if error.code == "ResourceNotFoundException":
            return []
        raise
    events: list[dict[str, Any]] = reply.get("events", [])
    return events


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task that answers requests."""

    watch: TaskWatch
    url: str
    answered_at: datetime
    """The time of its first response, by this machine's clock."""


@contextmanager
def serve(name: str, image: str, size: Size, settings: FargateSettings) -> Iterator[RunningServer]:
    """Serve ``image`` in a task; the task and its definition are removed when the block ends.

    Raises what ``AwsClient.call`` raises, and ``FailedError`` if the task does not come up.
    """
    with task_definition(settings, image, size) as arn, started(name, arn, size, settings) as task:
        yield RunningServer(
            url=task.url,
            client_prefix=(),
            cpu_meter=None,
            load_task=_second_task(task.watch) if settings.load_from_task else None,
            exit_reason=task.watch.exit_reason,
        )


def _second_task(server: TaskWatch) -> LoadTask:
    task = server.look()
    assert task is not None
    return LoadTask(url=f"http://{task.private_ip}:{PORT}", ask=partial(ask, server))


def ask(server: TaskWatch, line: Sequence[str], longest_s: float) -> bytes:
    """Run a program in a second task, from the generator's image, and return its reply to ``GET /answer``.

    The program answers ``/hello`` with 200 as soon as it runs, and ``/answer`` with another status until it is done.
    ``FailedError`` if that takes longer than ``longest_s``, or if either task ends first.
    """
    settings = server.settings
    image = settings.image(f"{GENERATOR}:latest")
    with (
        task_definition(settings, image, GENERATOR_SIZE, command=line) as arn,
        started("the load generator", arn, GENERATOR_SIZE, settings) as generator,
    ):
        if settings.cloud.dry_run:
            return b""
        deadline_s = boot_time_s() + longest_s
        while (answer := fetch_body(generator.url, "/answer")) is None:
            for watch in (server, generator.watch):
                if (reason := watch.exit_reason()) is not None:
                    raise FailedError(f"{watch.name} ended before the load was over: {reason}")
            if boot_time_s() > deadline_s:
                raise FailedError(f"{generator.watch.name} was not done within {longest_s:g} s")
            time.sleep(POLL_INTERVAL_S / 2)
        return answer


@contextmanager
def started(
    name: str, definition_arn: str, size: Size, settings: FargateSettings, *, subnets: str = "", groups: str = ""
) -> Iterator[Started]:
    """Start a task of a definition and yield it as soon as it answers; stop it when the block ends."""
    deadline_s = boot_time_s() + START_DEADLINE_S
    with running_task(settings, definition_arn, size, subnets=subnets, groups=groups) as arn:
        watch = TaskWatch(settings=settings, arn=arn, name=f"{name} on Fargate")
        url = f"http://{_address(watch, deadline_s)}:{PORT}"
        yield Started(watch=watch, url=url, answered_at=_first_response(watch, url, deadline_s))


def _address(watch: TaskWatch, deadline_s: float) -> str:
    """Return the IP address of a task, which is known before its image is pulled, so that no response is missed."""
    task = watch.wait_until(
        lambda task: task.private_ip is not None and task.interface is not None, deadline_s=deadline_s
    )
    if not watch.settings.public:
        assert task.private_ip is not None
        return task.private_ip
    reply = watch.settings.cloud.call("ec2", "DescribeNetworkInterfaces", NetworkInterfaceIds=[task.interface])
    address: str | None = reply["NetworkInterfaces"][0].get("Association", {}).get("PublicIp")
    if address is None:
        raise FailedError(
            f"{watch.name} has no public address; use SUBNETS= of a public subnet, "
            "or a machine in the same network with ASSIGN_PUBLIC_IP=disabled"
        )
    return address


def _first_response(watch: TaskWatch, url: str, deadline_s: float) -> datetime:
    """Return the time of a task's first response, seen by a thread that is never joined."""
    if watch.settings.cloud.dry_run:
        return datetime.now(UTC)
    answered_at: list[datetime] = []
    leave = threading.Event()
    # A daemon, neither joined here nor when Python exits: while its last probe hangs, the task would cost money.
    threading.Thread(target=_probe, args=(url, answered_at, leave), daemon=True).start()
    try:
        watch.wait_until(lambda _: bool(answered_at), deadline_s=deadline_s)
    finally:
        leave.set()
    return answered_at[0]


def _probe(url: str, answered_at: list[datetime], leave: threading.Event) -> None:
    """Note the time when ``url`` first answers, unless ``leave`` is set before."""
    while not leave.is_set():
        if responds(url, connect_timeout_s=CONNECT_TIMEOUT_S):
            answered_at.append(datetime.now(UTC))
            return
        time.sleep(PROBE_INTERVAL_S)
