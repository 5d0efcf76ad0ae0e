"""Amazon's registry, ECR: a login that lasts hours, and repositories that have to be there before a push."""

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
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
    """An account's ECR in a region; every error of AWS is a ``UsageError`` of one line."""

    client: Any
    account: str | None
    """``None`` where the host does not name it: then it is the account of the credentials."""

    def login(self) -> Login:
        """A fresh login, in memory alone."""
        with _told():
            (data, *_) = self.client.get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return Login(user=user, password=password)

    def require_repository(self, name: str) -> bool:
        """See that a repository is there; whether it had to be created."""
        owner = {} if self.account is None else {"registryId": self.account}
        with _told():
            try:
                self.client.describe_repositories(repositoryNames=[name], **owner)
            except self.client.exceptions.RepositoryNotFoundException:
                return self._create(name, owner)
        return False

    def _create(self, name: str, owner: dict[str, str]) -> bool:
        try:
            self.client.create_repository(repositoryName=name, **owner)
        except self.client.exceptions.RepositoryAlreadyExistsException:
            return False  # another push was faster
        return True


def is_ecr(host: str) -> bool:
    """Whether a host's name is one of ECR's."""
    return _HOST.fullmatch(host) is not None


def ecr_region(host: str) -> str | None:
    """The region that a host of ECR's names; ``None`` for other hosts."""
    found = _HOST.fullmatch(host)
    return None if found is None else found["region"] or found["dual"]


def connect_ecr(address: RegistryAddress) -> Ecr:
    """ECR in the region that the host names, else in boto3's own; credentials and endpoint are boto3's own too."""
    found = _HOST.fullmatch(address.host)
    with _told():
        config = Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})
        client = boto3.client(
            "ecr", region_name=ecr_region(address.host) or os.environ.get("AWS_REGION"), config=config
        )
    return Ecr(client=client, account=None if found is None else found["account"])


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        raise UsageError(f"ECR refuses {error.operation_name}: {said.get('Code')}: {said.get('Message')}") from error
    except BotoCoreError as error:
        raise UsageError(f"ECR cannot be asked: {error} See boto3's ways to give credentials and a region.") from error
