"""``DRY_RUN=1``: print each AWS call instead of making it, after botocore has checked its parameters."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from common.aws.clock import Clock
from common.aws.requests import OWNER

_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)
_TAGS = [{"key": OWNER, "value": "dry-run"}]
_TASK = {
    "taskArn": "arn:aws:ecs:region:account:task/dry-run",
    "lastStatus": "RUNNING",
    "createdAt": _INSTANT,
    "pullStartedAt": _INSTANT,
    "pullStoppedAt": _INSTANT,
    "startedAt": _INSTANT,
    "tags": _TAGS,
    "attachments": [
        {
            "details": [
                {"name": "networkInterfaceId", "value": "eni-0"},
                {"name": "privateIPv4Address", "value": "192.0.2.1"},
            ]
        }
    ],
}
_DEFINITION = "arn:aws:ecs:region:account:task-definition/dry-run:1"
REPLIES: dict[str, dict[str, Any]] = {
    "RegisterTaskDefinition": {"taskDefinition": {"taskDefinitionArn": _DEFINITION}},
    "RunTask": {"tasks": [_TASK]},
    "DescribeTasks": {"tasks": [_TASK]},
    "ListTasks": {"taskArns": [_TASK["taskArn"]]},
    "ListTaskDefinitions": {"taskDefinitionArns": [_DEFINITION]},
    "DescribeNetworkInterfaces": {"NetworkInterfaces": [{"Association": {"PublicIp": "192.0.2.1"}}]},
    "ListTaskDefinitionFamilies": {"families": ["dry-run"]},
    "DescribeTaskDefinition": {"tags": _TAGS},
    "DescribeSubnets": {"Subnets": [{"VpcId": "vpc-0"}]},
    "DescribeVpcEndpoints": {"VpcEndpoints": []},
    "GetRole": {"Role": {"Arn": "arn:aws:iam::account:role/dry-run"}},
    "DescribeImages": {"imageDetails": [{"imageDigest": "sha256:dry-run"}]},
}
"""Canned replies, just complete enough for the caller to reach its next call."""


@dataclass(frozen=True, kw_only=True)
class DryRunClient:
    """Stand-in for ``BotoClient`` that needs no credentials and opens no connection."""

    region: str | None = None
    clock: Clock = field(default_factory=Clock)
    dry_run: bool = True

    @property
    def known_region(self) -> str | None:
        """The region from ``REGION=`` or the environment; ``None`` if neither names one."""
        return self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")

    @property
    def region_name(self) -> str:
        """The same region, or a placeholder for it."""
        return self.known_region or "region"

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """Print the call and return its canned reply."""
        report = ParamValidator().validate(parameters, _operation(service, operation).input_shape)
        assert not report.has_errors(), report.generate_report()
        print(f"{service} {operation} {json.dumps(parameters, default=str)}")  # noqa: T201 -- its whole purpose
        return REPLIES.get(operation, {})


@cache
def _operation(service: str, operation: str) -> OperationModel:
    return botocore.session.get_session().get_service_model(service).operation_model(operation)
