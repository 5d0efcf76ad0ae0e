"""What ECS is asked for, and what it says of a task. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.catalog.sizes import Size
from common.engine.build_context import PORT
from common.project import PROJECT

CONTAINER = "stack"
STOPPED = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED", "DELETED"})
"""What ``lastStatus`` is once a task will never serve again."""
OWNER = f"{PROJECT}.owner"
"""The tag by which leftovers are found; its value names the machine and process that started the task."""


def definition(
    *,
    family: str,
    image: str,
    size: Size,
    architecture: str,
    role: str | None,
    owner: str,
    log: Mapping[str, str] | None = None,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Parameters of ``RegisterTaskDefinition``: one container that is the stack, with what it is given locally too."""
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
                **({"entryPoint": list(command[:1]), "command": list(command[1:])} if command else {}),
                **({"logConfiguration": {"logDriver": "awslogs", "options": dict(log)}} if log else {}),
            }
        ],
        "tags": tags(owner),
    }


def run(
    *, cluster: str, arn: str, token: str, subnets: Sequence[str], groups: Sequence[str], public: bool, owner: str
) -> dict[str, Any]:
    """Parameters of ``RunTask`` for one task; ``token`` is how it is found again should the answer be lost."""
    network = {"subnets": list(subnets), "assignPublicIp": "ENABLED" if public else "DISABLED"}
    return {
        "cluster": cluster,
        "taskDefinition": arn,
        "launchType": "FARGATE",
        "count": 1,
        "startedBy": token,
        "networkConfiguration": {
            "awsvpcConfiguration": network | ({"securityGroups": list(groups)} if groups else {}),
        },
        "tags": tags(owner),
    }


def tags(owner: str) -> list[dict[str, str]]:
    """The tags of everything that is made."""
    return [{"key": OWNER, "value": owner}]


def owner_of(tagged: Mapping[str, Any]) -> str | None:
    """Whose something is; ``None`` where it is not of this project."""
    return next((tag["value"] for tag in tagged.get("tags", []) if tag["key"] == OWNER), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as ECS describes it; an instant is ``None`` until it has come, or where ECS keeps it to itself."""

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
    """How it ended, in one line."""

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "Task":
        """One of the ``tasks`` of ``DescribeTasks``."""
        details = {one["name"]: one["value"] for part in row.get("attachments", []) for one in part.get("details", [])}
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
            ended=_ended(row, containers[0]) if row.get("lastStatus") in STOPPED else None,
        )


def _ended(row: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    status = container.get("exitCode")
    parts = [
        row.get("stopCode"),
        row.get("stoppedReason"),
        container.get("reason"),
        None if status is None else f"exit status {status}",
    ]
    return ": ".join(" ".join(part.split()) for part in parts if part) or "ECS does not say why"
