"""Amazon's registry, ECR, whose logins expire after hours and whose repositories must exist before a push."""

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from common.errors import UsageError
from common.registries.api import RegistryAddress
from common.registries.login import Login

_HOST = re.compile(
    r"(?P<account>\d{12})\.dkr(\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"|-ecr(-fips)?\.(?P<dual>[a-z0-9-]+)\.on\.(aws|amazonwebservices\.com\.cn))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ecr:
    """The ECR of an account in a region. Every error of AWS is raised as a ``UsageError`` of one line."""

    client: Any
    account: str | None
    """``None`` if the host does not name it, for the account of the credentials."""

    def login(self) -> Login:
        """Return a fresh login, which is stored nowhere."""
        with _aws_errors():
            (data, *_) = self.client.get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return Login(user=user, password=password)

    def ensure_repository(self, name: str) -> None:
        """Create a repository if it does not exist."""
        account = {} if self.account is None else {"registryId": self.account}
        errors = self.client.exceptions
        with _aws_errors():
            try:
                self.client.describe_repositories(repositoryNames=[name], **account)
            except errors.RepositoryNotFoundException:
                with suppress(errors.RepositoryAlreadyExistsException):  # another push has created it meanwhile
                    self.client.create_repository(repositoryName=name, **account)


def is_ecr(host: str) -> bool:
    """Return whether a host belongs to ECR."""
    return _HOST.fullmatch(host) is not None


def ecr_region(host: str) -> str | None:
    """Return the region in a host name of ECR; ``None`` for other hosts."""
    match = _HOST.fullmatch(host)
    return None if match is None else match["region"] or match["dual"]


def ecr_account(host: str) -> str | None:
    """Return the account in a host name of ECR; ``None`` for other hosts."""
    match = _HOST.fullmatch(host)
    return None if match is None else match["account"]


def connect_ecr(address: RegistryAddress) -> Ecr:
    """Connect to ECR in the region of the host name, else in boto3's; credentials and endpoint are boto3's too."""
    import boto3  # noqa: PLC0415 -- it takes a tenth of a second, and most commands call no cloud

    with _aws_errors():
        config = Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})
        client = boto3.client(
            "ecr", region_name=ecr_region(address.host) or os.environ.get("AWS_REGION"), config=config
        )
    return Ecr(client=client, account=ecr_account(address.host))


@contextmanager
def _aws_errors() -> Iterator[None]:
    """Turn boto3's errors into one line."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        raise UsageError(
            f"ECR refuses {error.operation_name}: {details.get('Code')}: {details.get('Message')}"
        ) from error
    except BotoCoreError as error:
        raise UsageError(f"ECR cannot be reached: {error} Configure credentials and a region as for boto3.") from error
