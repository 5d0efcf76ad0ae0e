"""A task on Fargate as it is watched: its state, why it ended, and the last lines of its log."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from common.aws.calls import AwsCallError
from common.aws.clock import boot_time_s
from common.aws.requests import CONTAINER, Task
from common.aws.settings import FargateSettings
from common.errors import BenchmarkError, FailedError
from common.project import PROJECT

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
            self._exit_reason = f"{task.ended}; {log_tail(self.settings, self.arn)}"
        return self.settings.budget.exceeded or self._exit_reason

    def settled(self, wait_s: float) -> Task:
        """Return the task once ECS reports that it runs, or as it is after ``wait_s``."""
        deadline_s = boot_time_s() + wait_s
        while (task := self.look()) is None or task.started_at is None:
            if task is not None and boot_time_s() > deadline_s:
                break
            time.sleep(POLL_INTERVAL_S / 4)
        return task

    def wait_until(self, ready: Callable[[Task], bool], *, deadline_s: float, within_s: float) -> Task:
        """Return the task once it is ``ready``; ``FailedError`` if it ends first, or at ``deadline_s`` of boot time."""
        while True:
            if (task := self.look()) is not None and ready(task):
                return task
            if (reason := self.exit_reason()) is not None:
                raise FailedError(f"{self.name} ended before it answered: {reason}")
            if boot_time_s() > deadline_s:
                status = task.status if task else "unknown to ECS"
                late = f"{self.name} did not answer with 200 within {within_s:g} s; it is {status}"
                raise FailedError(f"{late}; {log_tail(self.settings, self.arn)}")
            time.sleep(POLL_INTERVAL_S / 4)


def log_tail(settings: FargateSettings, task_arn: str) -> str:
    """Return the last lines of a task's output in CloudWatch, joined into one, or the reason why there are none."""
    if not settings.log_group:
        return "set LOG_GROUP= to keep its log"
    stream = f"{PROJECT}/{CONTAINER}/{task_arn.rpartition('/')[2]}"
    deadline_s = boot_time_s() + LOG_DELIVERY_S
    try:
        while not (events := _log_events(settings, stream)) and boot_time_s() < deadline_s:
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
