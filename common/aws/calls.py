"""Calls to AWS through boto3, with its errors as messages of one line; with ``DRY_RUN=1`` they are printed instead."""

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from http import HTTPStatus
from typing import Any

from botocore import exceptions, xform_name
from botocore.config import Config
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from common.aws.clock import Clock
from common.aws.requests import OWNER
from common.errors import BenchmarkError, FailedError, UsageError

CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})
"""boto3 repeats throttled and unanswered calls; every call is safe to repeat (``RunTask`` carries a client token).

A call takes 90 seconds at most.
"""
_LOG = logging.getLogger(__name__)
_EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_CREDENTIAL_CODES = frozenset({
    "AuthFailure", "IncompleteSignature", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_FORBIDDEN_CODES = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_THROTTLING_CODES = frozenset({
    "LimitExceededException", "RequestLimitExceeded", "RequestThrottled", "Throttling", "ThrottlingException",
    "TooManyRequestsException",
})  # fmt: skip
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


class CannotContinueError(BenchmarkError):
    """No further task may start: credentials have expired, money has run out, or something billable is left behind."""


class AwsCallError(FailedError):
    """AWS refused a call or did not answer it.

    ``transient`` says whether the same call may succeed later: it was throttled, unanswered, or an error of AWS's own.
    """

    def __init__(self, text: str, *, code: str, transient: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.transient = transient


@dataclass(frozen=True, kw_only=True)
class AwsClient:
    """AWS, or the endpoint that ``AWS_ENDPOINT_URL`` names instead, with the credentials that boto3 finds."""

    region: str | None = None
    config: Config = CONFIG
    clock: Clock = field(default_factory=Clock)
    """The offset between AWS's clock and this machine's."""
    dry_run: bool = False
    """Whether calls are only printed, so that nothing starts and nothing answers."""

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 -- boto3 has no types
        import boto3  # noqa: PLC0415 -- it takes a tenth of a second, and most commands call no cloud

        # The AWS CLI and most SDKs honour AWS_REGION; boto3 reads AWS_DEFAULT_REGION only.
        return boto3.Session(region_name=self.region or os.environ.get("AWS_REGION"))

    @property
    def known_region(self) -> str | None:
        """The region from ``REGION=``, the environment or boto3's configuration; ``None`` if none names one.

        ``UsageError`` if that configuration cannot be read, or has no such profile as ``AWS_PROFILE=`` names.
        """
        try:
            name: str | None = self._session.region_name
        except exceptions.BotoCoreError as error:
            raise translate_aws_error(error, "a region") from error
        return name

    @property
    def region_name(self) -> str:
        """The same region; ``UsageError`` if nothing names one."""
        if (name := self.known_region) is None:
            raise translate_aws_error(exceptions.NoRegionError(), "a region")
        return name

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """Return the reply; ``UsageError`` for wrong credentials or region, otherwise ``AwsCallError``."""
        try:
            method = getattr(self._client(service), xform_name(operation))
            _LOG.debug("AWS %s %s %s", service, operation, json.dumps(parameters, default=str))
            asked_at_s = time.time()
            reply: dict[str, Any] = method(**parameters)
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise translate_aws_error(error, f"{service} {operation}") from error
        self.clock.compare(reply.get("ResponseMetadata", {}), asked_at_s=asked_at_s, answered_at_s=time.time())
        return reply

    @cached_property
    def _client(self) -> Callable[[str], Any]:
        """Returns boto3's client of a service, always the same."""
        return cache(partial(self._session.client, config=self.config))


def translate_aws_error(error: Exception, attempted: str) -> BenchmarkError:
    """Return the error that users see for one of boto3's.

    AWS's own message about a rejected signature is left out, because it can contain the session token.
    """
    if not isinstance(error, exceptions.ClientError):
        return _translate_unanswered(error, attempted)
    code = error.response["Error"].get("Code", "unknown")
    message = " ".join(error.response["Error"].get("Message", "").split())
    if code in _EXPIRED_CODES:
        return CannotContinueError(f"the AWS credentials have expired ({attempted}); renew them")
    if code in _CREDENTIAL_CODES:
        return UsageError(f"AWS rejected the credentials ({attempted}: {code}); use a key that is valid now")
    if code in _FORBIDDEN_CODES:
        return UsageError(f"the AWS credentials do not permit {attempted}: {message}")
    transient = code in _THROTTLING_CODES or _status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return AwsCallError(f"AWS refused {attempted}: {code}: {message}", code=code, transient=transient)


def may_have_happened(error: BenchmarkError) -> bool:
    """Return whether AWS may have carried out a call that raised ``error``.

    A refusal proves that it did not only if it answered the first attempt: boto3 repeats a call whose reply was lost,
    and it is the last attempt that is reported.
    """
    cause = error.__cause__
    if isinstance(cause, exceptions.ClientError):
        attempts = 1 + cause.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        return attempts > 1 or _status(cause) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(cause, exceptions.HTTPClientError | exceptions.ConnectionError)


def _status(error: exceptions.ClientError) -> int:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def _translate_unanswered(error: Exception, attempted: str) -> BenchmarkError:
    message = " ".join(str(error).split())
    match error:
        case (
            exceptions.NoCredentialsError()
            | exceptions.PartialCredentialsError()
            | exceptions.CredentialRetrievalError()
        ):
            return UsageError(
                f"no AWS credentials found ({message}); set AWS_PROFILE= or AWS_ACCESS_KEY_ID=, "
                "or use DRY_RUN=1, which needs none"
            )
        case exceptions.NoRegionError():
            return UsageError("REGION= is not set; must be an AWS region, such as us-east-1")
        case exceptions.HTTPClientError() | exceptions.ConnectionError():
            return AwsCallError(f"AWS did not answer {attempted}: {message}", code=type(error).__name__, transient=True)
        case _:
            return UsageError(f"cannot call AWS for {attempted}: {message}")


@dataclass(frozen=True, kw_only=True)
class DryRunClient(AwsClient):
    """Stand-in for AWS that needs no credentials and opens no connection."""

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
    description = Loader().load_service_model(service, "service-2")  # a session would read the user's configuration
    return ServiceModel(description, service_name=service).operation_model(operation)
