"""ECR is recognised by its host names, logins to it are not stored, and missing repositories are created."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from common.errors import UsageError
from common.registries.api import RegistryAddress
from common.registries.ecr import Ecr, connect_ecr, is_ecr

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
NAME = "team/app"
OWNED = {"registryId": ACCOUNT}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ecr, Stubber]]:
    """An ECR whose answers a test queues. botocore checks requests and answers against its service model."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = boto3.client("ecr", region_name="eu-west-1")
    with Stubber(client) as stubber:
        yield Ecr(client=client, account=ACCOUNT), stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("host", "account", "region"),
    [
        (HOST, ACCOUNT, "eu-west-1"),
        (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", ACCOUNT, "us-gov-west-1"),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", ACCOUNT, "cn-north-1"),
        (f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws", ACCOUNT, "us-east-1"),
    ],
)
def test_account_and_region_are_read_from_the_host(host: str, account: str, region: str) -> None:
    assert is_ecr(host)
    ecr = connect_ecr(RegistryAddress(host=host))
    assert (ecr.account, ecr.client.meta.region_name) == (account, region)


@pytest.mark.parametrize("host", ["registry.example", "127.0.0.1:5000", "ecr.amazonaws.com", f"{HOST}.evil.example"])
def test_other_hosts_are_not_ecr(host: str) -> None:
    assert not is_ecr(host)


def test_custom_endpoint_takes_region_and_account_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    ecr = connect_ecr(RegistryAddress(host="127.0.0.1:5000"))
    assert (ecr.account, ecr.client.meta.region_name) == (None, "eu-central-1")


def test_login_is_decoded_from_the_token(stub: tuple[Ecr, Stubber]) -> None:
    ecr, stubber = stub
    token = base64.b64encode(b"AWS:open:sesame").decode()
    data = {"authorizationToken": token, "expiresAt": datetime(2026, 1, 2, tzinfo=UTC), "proxyEndpoint": HOST}
    stubber.add_response("get_authorization_token", {"authorizationData": [data]}, {})
    login = ecr.login()
    assert login.for_engine() == {"username": "AWS", "password": "open:sesame"}
    assert "sesame" not in repr(login)


def test_existing_repository_is_kept(stub: tuple[Ecr, Stubber]) -> None:
    ecr, stubber = stub
    stubber.add_response("describe_repositories", {"repositories": []}, {"repositoryNames": [NAME]} | OWNED)
    ecr.ensure_repository(NAME)


def test_missing_repository_is_created(stub: tuple[Ecr, Stubber]) -> None:
    ecr, stubber = stub
    stubber.add_client_error("describe_repositories", "RepositoryNotFoundException")
    stubber.add_response("create_repository", {"repository": {}}, {"repositoryName": NAME} | OWNED)
    ecr.ensure_repository(NAME)


def test_repository_created_by_another_push_meanwhile_is_accepted(stub: tuple[Ecr, Stubber]) -> None:
    ecr, stubber = stub
    stubber.add_client_error("describe_repositories", "RepositoryNotFoundException")
    stubber.add_client_error("create_repository", "RepositoryAlreadyExistsException")
    ecr.ensure_repository(NAME)


@pytest.mark.parametrize("code", ["ExpiredTokenException", "AccessDeniedException", "LimitExceededException"])
def test_refusal_by_aws_is_one_line_with_its_reason(stub: tuple[Ecr, Stubber], code: str) -> None:
    ecr, stubber = stub
    stubber.add_client_error("get_authorization_token", code, "the reason")
    with pytest.raises(UsageError, match=rf"^ECR refuses GetAuthorizationToken: {code}: the reason$"):
        ecr.login()


def test_missing_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(UsageError, match=r"^ECR cannot be reached: [^\n]*credentials[^\n]*$"):
        connect_ecr(RegistryAddress(host=HOST)).login()
