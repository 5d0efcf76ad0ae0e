"""Calls to AWS: boto3 makes them and retries where AWS asks for patience; what goes wrong is told in one line."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import boto3
from botocore import exceptions as wrong
from botocore import xform_name
from botocore.config import Config

from common.aws.clock import Clock
from common.errors import BenchmarkError, FailedError, UsageError

CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})
"""An answer that does not come is asked for again; every call is safe to repeat (``RunTask`` carries a token)."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_NOT_ACCEPTED = frozenset({
    "AuthFailure", "IncompleteSignature", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class CannotContinueError(BenchmarkError):
    """Nothing more can be started: credentials or money have run out, or something is left that costs money."""


class AwsCallError(FailedError):
    """AWS refused a call, or did not answer it."""

    def __init__(self, text: str, *, code: str) -> None:
        super().__init__(text)
        self.code = code


class AwsClient(Protocol):
    """What calls go to: AWS, or a rehearsal that only prints them."""

    @property
    def dry_run(self) -> bool:
        """Whether nothing is really started, so that nothing will answer."""

    @property
    def clock(self) -> Clock:
        """How far its clock is from ours."""

    @property
    def region_name(self) -> str:
        """The region that calls go to."""

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """The answer; a ``BenchmarkError`` in one line where there is none."""


@dataclass(frozen=True, kw_only=True)
class BotoClient:
    """AWS, or what ``AWS_ENDPOINT_URL`` puts in its place, with the credentials that boto3 finds."""

    region: str | None = None
    config: Config = CONFIG
    clock: Clock = field(default_factory=Clock)
    dry_run: bool = False

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 -- boto3 has no types
        return boto3.Session(region_name=self.region or os.environ.get("AWS_REGION"))  # which boto3 does not read

    @property
    def region_name(self) -> str:
        """The region that calls go to, whoever named it."""
        if (name := self._session.region_name) is None:
            raise translate_aws_error(wrong.NoRegionError(), "a region")
        return str(name)

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """The answer; ``UsageError`` where credentials or region are wrong, ``AwsCallError`` for the rest."""
        try:
            method = getattr(self._client(service), xform_name(operation))
            asked_at_s = time.time()
            reply: dict[str, Any] = method(**parameters)
        except (wrong.BotoCoreError, wrong.ClientError) as error:
            raise translate_aws_error(error, f"{service} {operation}") from error
        self.clock.compare(reply.get("ResponseMetadata", {}), asked_at_s=asked_at_s, answered_at_s=time.time())
        return reply

    def _client(self, service: str) -> Any:  # noqa: ANN401 -- boto3 has no types
        if service not in self._clients:
            self._clients[service] = self._session.client(service, config=self.config)
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}


def pages(cloud: AwsClient, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:  # noqa: ANN401
    """Everything that a listing call gives under ``key``, page after page."""
    while True:
        reply = cloud.call(service, operation, **parameters)
        yield from reply.get(key, [])
        if not (token := reply.get("nextToken")):
            return
        parameters["nextToken"] = token


def translate_aws_error(error: Exception, what: str) -> BenchmarkError:
    """The error as a user reads it. What AWS says of a signature is kept back: it can hold the session's token."""
    if not isinstance(error, wrong.ClientError):
        return _without_answer(error, what)
    code = error.response["Error"].get("Code", "unknown")
    said = " ".join(error.response["Error"].get("Message", "").split())
    if code in _EXPIRED:
        return CannotContinueError(f"the AWS credentials have expired ({what}). Renew them.")
    if code in _NOT_ACCEPTED:
        return UsageError(f"AWS does not accept the credentials ({what}: {code}). Accepted: a key that is valid now.")
    if code in _FORBIDDEN:
        return UsageError(f"these AWS credentials may not do this: {what}: {said}")
    return AwsCallError(f"AWS refused {what}: {code}: {said}", code=code)


def _without_answer(error: Exception, what: str) -> BenchmarkError:
    said = " ".join(str(error).split())
    match error:
        case wrong.NoCredentialsError() | wrong.PartialCredentialsError() | wrong.CredentialRetrievalError():
            return UsageError(
                f"there are no AWS credentials ({said}). Set AWS_PROFILE= or AWS_ACCESS_KEY_ID=; DRY_RUN=1 needs none."
            )
        case wrong.NoRegionError():
            return UsageError("REGION= is not set. Accepted: an AWS region, such as us-east-1.")
        case wrong.HTTPClientError() | wrong.ConnectionError():
            return AwsCallError(f"AWS did not answer {what}: {said}", code=type(error).__name__)
        case _:
            return UsageError(f"AWS cannot be asked for {what}: {said}")
