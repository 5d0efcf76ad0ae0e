"""Parameters of ECS calls, and the description of a task that ECS returns. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.catalog.sizes import Size
from common.engine.build_context import PORT
from common.project import PROJECT

CONTAINER = "stack"
STOPPED = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED", "DELETED"})
"""The values of ``lastStatus`` from which a task never serves again."""
OWNER = f"{PROJECT}.owner"
"""The tag that leftovers are found by; its value is the random name of the run that made them."""
LEASE = f"{PROJECT}.lease"
"""The tag whose value is when the run's lease on a task or definition expires, in AWS's time."""
START = ("/app/start",)
"""The command of a stack's image: the ``CMD`` of ``docker/Dockerfile``, which our own entry point would hide."""
DEADLINE_STATUS = 124
"""The exit status of a container that reached its deadline, as of ``timeout`` in coreutils."""
TIMER = f"""
trap 'exit {DEADLINE_STATUS}' ALRM
trap 'exit 143' TERM INT
(
  left=$((ENDS_AT - $(date +%s)))
  [ "$left" -le "$LIFETIME_S" ] || left=$LIFETIME_S
  [ "$left" -le 0 ] || sleep "$left"
  echo "this container has reached its deadline" >&2
  kill -ALRM $$
) &
"$@" &
wait $!
"""
"""A shell script that runs a command until a deadline, for the shells of Debian and Alpine.

It is the container's first process. The kernel ends all others when that exits, so the deadline holds whatever the
server does with signals, and even if the process that started it was killed or cut off. Two numbers set it: an instant,
which also bounds what a slow pull of the image costs, and a lifetime, should the container's clock be wrong.
"""
STOP_TIMEOUT_S = 2
"""The time between ECS's ``TERM`` and its ``KILL``: the script exits at once. The least that Fargate accepts."""


def definition(
    *,
    family: str,
    image: str,
    size: Size,
    architecture: str,
    role: str | None,
    tags: Sequence[Mapping[str, str]],
    log: Mapping[str, str] | None = None,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the parameters of ``RegisterTaskDefinition``: one container, set up as in the docker runtime.

    ``command`` replaces the image's own entry point and command. It ends at the deadline that ``run`` sets.
    """
    assert size.memory_bytes is not None
    cpu_units, memory_mib = round(size.vcpu * 1024), size.memory_bytes // 1024**2
    return {
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(cpu_units),
        "memory": str(memory_mib),
        "runtimePlatform": {"cpuArchitecture": architecture, "operatingSystemFamily": "LINUX"},
        **({"executionRoleArn": role} if role else {}),
        "containerDefinitions": [
            {
                "name": CONTAINER,
                "image": image,
                "essential": True,
                "cpu": cpu_units,
                "memory": memory_mib,
                "portMappings": [{"containerPort": PORT, "protocol": "tcp"}],
                "environment": [{"name": "WORKERS", "value": str(size.workers)}],
                "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
                "entryPoint": ["/bin/sh", "-c", TIMER, "sh"],
                "command": list(command or START),
                "stopTimeout": STOP_TIMEOUT_S,
                **({"logConfiguration": {"logDriver": "awslogs", "options": dict(log)}} if log else {}),
            }
        ],
        "tags": list(tags),
    }


def run(
    *,
    cluster: str,
    arn: str,
    started_by: str,
    client_token: str,
    subnets: Sequence[str],
    groups: Sequence[str],
    public: bool,
    tags: Sequence[Mapping[str, str]],
    ends_at: datetime,
    lifetime_s: float,
) -> dict[str, Any]:
    """Return the parameters of ``RunTask`` for one task, whose container ends at ``ends_at`` by itself.

    ``started_by`` finds it in listings. The same ``client_token`` in another call returns the task that it started.
    The container ends ``lifetime_s`` after its start should its clock be wrong.
    """
    network = {"subnets": list(subnets), "assignPublicIp": "ENABLED" if public else "DISABLED"}
    deadline = {"ENDS_AT": str(int(ends_at.timestamp())), "LIFETIME_S": str(int(lifetime_s))}
    return {
        "cluster": cluster,
        "taskDefinition": arn,
        "launchType": "FARGATE",
        "count": 1,
        "startedBy": started_by,
        "clientToken": client_token,
        "overrides": {
            "containerOverrides": [
                {
                    "name": CONTAINER,
                    "environment": [{"name": name, "value": value} for name, value in deadline.items()],
                }
            ]
        },
        "networkConfiguration": {
            "awsvpcConfiguration": network | ({"securityGroups": list(groups)} if groups else {}),
        },
        "tags": list(tags),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as ECS describes it; an instant is ``None`` before it happens, or if ECS does not report it."""

    arn: str
    status: str
    private_ip: str | None
    interface: str | None
    zone: str | None
    image_digest: str | None
    created_at: datetime | None
    pull_started_at: datetime | None
    pull_stopped_at: datetime | None
    started_at: datetime | None
    ended: str | None
    """The reason why it ended, in one line; ``None`` while it runs."""

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "Task":
        """Read one of the ``tasks`` of ``DescribeTasks``."""
        details = {
            detail["name"]: detail["value"]
            for attachment in row.get("attachments", [])
            for detail in attachment.get("details", [])
        }
        containers = row.get("containers") or [{}]
        return cls(
            arn=row["taskArn"],
            status=row.get("lastStatus", "UNKNOWN"),
            private_ip=details.get("privateIPv4Address"),
            interface=details.get("networkInterfaceId"),
            zone=row.get("availabilityZone"),
            image_digest=containers[0].get("imageDigest"),
            created_at=row.get("createdAt"),
            pull_started_at=row.get("pullStartedAt"),
            pull_stopped_at=row.get("pullStoppedAt"),
            started_at=row.get("startedAt"),
            ended=_exit_reason(row, containers[0]) if row.get("lastStatus") in STOPPED else None,
        )


def _exit_reason(row: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    status = container.get("exitCode")
    remark = " (it reached its deadline)" if status == DEADLINE_STATUS else ""
    parts = [
        row.get("stopCode"),
        row.get("stoppedReason"),
        container.get("reason"),
        None if status is None else f"exit status {status}{remark}",
    ]
    return ": ".join(" ".join(part.split()) for part in parts if part) or "ECS gives no reason"
