"""What a task's container printed, kept in CloudWatch where ``LOG_GROUP=`` names a group of its own to put it in."""

import time
from typing import Any

from common.aws.calls import AwsCallError
from common.aws.requests import CONTAINER
from common.aws.settings import FargateSettings
from common.errors import BenchmarkError
from common.project import PROJECT

LINES = 5
ARRIVES_S = 5.0
"""How long CloudWatch may take to show what a container printed before it ended."""
LOOK_EVERY_S = 0.5


def options(settings: FargateSettings) -> dict[str, str] | None:
    """The options of a container's awslogs driver; ``None`` where no log is kept."""
    if not settings.log_group:
        return None
    return {
        "awslogs-group": settings.log_group,
        "awslogs-region": settings.cloud.region_name,
        "awslogs-stream-prefix": PROJECT,
    }


def tail(settings: FargateSettings, task_arn: str) -> str:
    """The last lines of what a task's container printed, in one line, or why there are none."""
    if not settings.log_group:
        return "LOG_GROUP= would keep its log"
    stream = f"{PROJECT}/{CONTAINER}/{task_arn.rpartition('/')[2]}"
    deadline_s = time.monotonic() + ARRIVES_S
    try:
        while not (events := _events(settings, stream)) and time.monotonic() < deadline_s:
            time.sleep(LOOK_EVERY_S)
    except BenchmarkError as error:
        return f"its log cannot be read: {error}"
    lines = [" ".join(one["message"].split()) for one in events]
    return f"the end of its log: {' | '.join(filter(None, lines))}" if events else "its log is empty"


def _events(settings: FargateSettings, stream: str) -> list[dict[str, Any]]:
    """None too as long as there is no stream: a container makes its own when it starts."""
    try:
        reply = settings.cloud.call(
            "logs", "GetLogEvents",
            logGroupName=settings.log_group, logStreamName=stream, limit=LINES, startFromHead=False,
        )  # fmt: skip
    except AwsCallError as error:
        if error.code == "ResourceNotFoundException":
            return []
        raise
    events: list[dict[str, Any]] = reply.get("events", [])
    return events
