"""``DRY_RUN=1``: the calls that would be made, printed; botocore checks each as if it were sent. Nothing is started."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from common.aws.clock import Clock
from common.aws.requests import OWNER

_WHEN = datetime(2000, 1, 1, tzinfo=UTC)
_TAGS = [{"key": OWNER, "value": "rehearsed"}]
_TASK = {
    "taskArn": "arn:aws:ecs:region:account:task/rehearsed",
    "lastStatus": "RUNNING",
    "createdAt": _WHEN,
    "pullStartedAt": _WHEN,
    "pullStoppedAt": _WHEN,
    "startedAt": _WHEN,
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
_DEFINITION = "arn:aws:ecs:region:account:task-definition/rehearsed:1"
ANSWERS: dict[str, dict[str, Any]] = {
    "RegisterTaskDefinition": {"taskDefinition": {"taskDefinitionArn": _DEFINITION}},
    "RunTask": {"tasks": [_TASK]},
    "DescribeTasks": {"tasks": [_TASK]},
    "ListTasks": {"taskArns": [_TASK["taskArn"]]},
    "ListTaskDefinitions": {"taskDefinitionArns": [_DEFINITION]},
    "DescribeNetworkInterfaces": {"NetworkInterfaces": [{"Association": {"PublicIp": "192.0.2.1"}}]},
    "ListTaskDefinitionFamilies": {"families": ["rehearsed"]},
    "DescribeTaskDefinition": {"tags": _TAGS},
    "DescribeSubnets": {"Subnets": [{"VpcId": "vpc-0"}]},
    "DescribeVpcEndpoints": {"VpcEndpoints": []},
    "GetRole": {"Role": {"Arn": "arn:aws:iam::account:role/rehearsed"}},
    "DescribeImages": {"imageDetails": [{"imageDigest": "sha256:rehearsed"}]},
}
"""What the code that asks is told, so that it goes on to its next call."""


@dataclass(frozen=True, kw_only=True)
class DryRunClient:
    """Stands where ``Aws`` would. It knows no secrets and opens no connection."""

    region: str | None = None
    clock: Clock = field(default_factory=Clock)
    dry_run: bool = True

    @property
    def region_name(self) -> str:
        """The region asked for."""
        return self.region or "region"

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """Print the call; what AWS would answer as far as the next call depends on it."""
        report = ParamValidator().validate(parameters, _model(service, operation).input_shape)
        assert not report.has_errors(), report.generate_report()
        print(f"{service} {operation} {json.dumps(parameters, default=str)}")  # noqa: T201 -- its whole purpose
        return ANSWERS.get(operation, {})


@cache
def _model(service: str, operation: str) -> OperationModel:
    return botocore.session.get_session().get_service_model(service).operation_model(operation)
