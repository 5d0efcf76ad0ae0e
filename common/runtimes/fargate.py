"""The fargate runtime: a stack in a task of its own on ECS Fargate, reached over the network.

From outside a task its CPU time cannot be read, so ``RunningServer.cpu_meter`` is ``None`` and only wall
time counts.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from common.aws import logs
from common.aws.requests import Task
from common.aws.settings import FargateSettings
from common.aws.tasks import running_task, task_definition
from common.catalog.images import GENERATOR
from common.catalog.sizes import Size
from common.engine.build_context import PORT
from common.errors import FailedError
from common.host.http_probe import fetch_body, responds
from common.runtimes.base import LoadTask, RunningServer

GENERATOR_SIZE = Size(vcpu=2, memory_bytes=4 * 1024**3)
"""Of the task that loads another: a core for the load and one for all else."""
START_DEADLINE_S = 300.0
"""How long a task may take from being asked for to its first answer."""
LOOK_EVERY_S = 1.0
"""How often ECS is asked how a task is."""
PROBE_EVERY_S = 0.01
CONNECT_TIMEOUT_S = 0.25
"""Shorter than a lost SYN takes to be sent again, which would hide up to a second of the start."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """A task, looked at no more often than ECS puts up with."""

    settings: FargateSettings
    arn: str
    what: str
    _seen: Task | None = None
    _looked_at_s: float = field(default=-LOOK_EVERY_S)
    _end: str | None = None

    def look(self) -> Task | None:
        """The task as it was less than ``LOOK_EVERY_S`` ago; ``None`` as long as ECS does not know it yet."""
        if time.monotonic() - self._looked_at_s >= LOOK_EVERY_S:
            reply = self.settings.cloud.call("ecs", "DescribeTasks", cluster=self.settings.cluster, tasks=[self.arn])
            self._seen = next((Task.read(row) for row in reply.get("tasks", [])), self._seen)
            self._looked_at_s = time.monotonic()
        return self._seen

    def ended(self) -> str | None:
        """How it ended, with the end of its log, or that the money has; ``None`` while it runs."""
        seen = self.look()
        if self._end is None and seen is not None and seen.ended is not None:
            self._end = f"{seen.ended}; {logs.tail(self.settings, self.arn)}"
        return self.settings.budget.exceeded or self._end

    def settled(self, wait_s: float) -> Task:
        """The task once ECS says that it runs, or as it is after ``wait_s``."""
        deadline_s = time.monotonic() + wait_s
        while (seen := self.look()) is None or seen.started_at is None:
            if seen is not None and time.monotonic() > deadline_s:
                break
            time.sleep(LOOK_EVERY_S / 4)
        return seen

    def until(self, holds: Callable[[Task], bool], deadline_s: float) -> Task:
        """The task once ``holds``; ``FailedError`` where it ends before, or at the deadline (monotonic)."""
        while True:
            if (seen := self.look()) is not None and holds(seen):
                return seen
            if (how := self.ended()) is not None:
                raise FailedError(f"{self.what} ended before it answered: {how}")
            if time.monotonic() > deadline_s:
                at = seen.status if seen else "unknown to ECS"
                late = f"{self.what} did not answer with 200 within {START_DEADLINE_S:g} s; it is {at}"
                raise FailedError(f"{late}; {logs.tail(self.settings, self.arn)}")
            time.sleep(LOOK_EVERY_S / 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task that answers."""

    watch: Watch
    url: str
    answered_at: datetime
    """When it first did, by this machine's clock."""


@contextmanager
def serve(name: str, image: str, size: Size, settings: FargateSettings) -> Iterator[RunningServer]:
    """A task of ``image`` that answers; it and its definition are gone when the block is left.

    Raises what ``Cloud.call`` does, and ``FailedError`` where the task does not come up.
    """
    with task_definition(settings, image, size) as arn, started(name, arn, size, settings) as one:
        yield RunningServer(
            url=one.url,
            client_prefix=(),
            cpu_meter=None,
            load_task=_second_task(one.watch) if settings.load_from_task else None,
            exit_reason=one.watch.ended,
        )


def _second_task(server: Watch) -> LoadTask:
    seen = server.look()
    assert seen is not None
    return LoadTask(url=f"http://{seen.private_ip}:{PORT}", ask=partial(ask, server))


def ask(server: Watch, line: Sequence[str], longest_s: float) -> bytes:
    """What a program beside ``server``, in the generator's image, answers to ``GET /answer``; gone afterwards.

    The program answers ``/hello`` with 200 as soon as it runs, and ``/answer`` with another status until it is done.
    ``FailedError`` where that takes longer than ``longest_s``, or either task ends before.
    """
    settings = server.settings
    image = settings.image(f"{GENERATOR}:latest")
    what = "the load generator"
    with (
        task_definition(settings, image, GENERATOR_SIZE, command=line) as arn,
        started(what, arn, GENERATOR_SIZE, settings) as one,
    ):
        if settings.cloud.dry_run:
            return b""
        deadline_s = time.monotonic() + longest_s
        while (answer := fetch_body(one.url, "/answer")) is None:
            for watch in (server, one.watch):
                if (how := watch.ended()) is not None:
                    raise FailedError(f"{watch.what} ended before the load was over: {how}")
            if time.monotonic() > deadline_s:
                raise FailedError(f"{one.watch.what} was not done within {longest_s:g} s.")
            time.sleep(LOOK_EVERY_S / 2)
        return answer


@contextmanager
def started(
    name: str, definition_arn: str, size: Size, settings: FargateSettings, *, subnets: str = "", groups: str = ""
) -> Iterator[Started]:
    """A new task of a task definition, as soon as it answers; stopped when the block is left."""
    deadline_s = time.monotonic() + START_DEADLINE_S
    with running_task(settings, definition_arn, size, subnets=subnets, groups=groups) as arn:
        watch = Watch(settings=settings, arn=arn, what=f"{name} on Fargate")
        url = f"http://{_address(watch, deadline_s)}:{PORT}"
        yield Started(watch=watch, url=url, answered_at=_first_answer(watch, url, deadline_s))


def _address(watch: Watch, deadline_s: float) -> str:
    """Where the task is reached: known before its image is pulled, so that no answer is missed."""
    seen = watch.until(lambda seen: seen.private_ip is not None and seen.interface is not None, deadline_s)
    if not watch.settings.public:
        assert seen.private_ip is not None
        return seen.private_ip
    reply = watch.settings.cloud.call("ec2", "DescribeNetworkInterfaces", NetworkInterfaceIds=[seen.interface])
    address: str | None = reply["NetworkInterfaces"][0].get("Association", {}).get("PublicIp")
    if address is None:
        raise FailedError(f"{watch.what} has no public address. Use SUBNETS= of a public subnet, or a machine in its "
                          "network and ASSIGN_PUBLIC_IP=disabled.")  # fmt: skip
    return address


def _first_answer(watch: Watch, url: str, deadline_s: float) -> datetime:
    if watch.settings.cloud.dry_run:
        return datetime.now(UTC)
    leave = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        answer = pool.submit(_probe, url, leave)
        try:
            watch.until(lambda _: _done(answer), deadline_s)
        finally:
            leave.set()
        return answer.result()


def _done(answer: Future[datetime]) -> bool:
    wait([answer], timeout=LOOK_EVERY_S / 2)
    return answer.done()


def _probe(url: str, leave: threading.Event) -> datetime:
    """When ``url`` first answers, or when we leave."""
    ask = partial(responds, url, connect_timeout_s=CONNECT_TIMEOUT_S)
    while not ask() and not leave.wait(PROBE_EVERY_S):
        pass
    return datetime.now(UTC)
