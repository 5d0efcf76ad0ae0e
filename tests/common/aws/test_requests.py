"""A task as ECS describes it says why it ended, in one line."""

from typing import Any

import pytest

from common.aws.requests import Task


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"lastStatus": "RUNNING"}, None),
        ({"lastStatus": "PENDING", "stoppedReason": ""}, None),
        ({"lastStatus": "STOPPED"}, "ECS gives no reason"),
        (
            {"lastStatus": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPull\n  error"},
            "TaskFailedToStart: CannotPull error",
        ),
        (
            {"lastStatus": "DEPROVISIONING", "stopCode": "EssentialContainerExited", "containers": [
                {"exitCode": 137, "reason": "OutOfMemoryError: container killed"}]},
            "EssentialContainerExited: OutOfMemoryError: container killed: exit status 137",
        ),
    ],
)  # fmt: skip
def test_why_a_task_ended_is_one_line_and_none_while_it_runs(row: dict[str, Any], reason: str | None) -> None:
    assert Task.read({"taskArn": "arn", **row}).ended == reason
