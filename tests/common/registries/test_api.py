"""A registry's answers are read correctly, and each of its failures is one line."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from docker import DockerClient

from common.errors import FailedError, UsageError
from common.registries.api import Blob, Manifest, Registry, RegistryAddress, connect_registry, is_insecure
from common.registries.login import ChallengeAuth, Login, find_login

ADDRESS = RegistryAddress(host="registry.example")
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:aa", "size": 7}
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:bb", "size": 3}
PLAIN = json.dumps({"schemaVersion": 2, "config": CONFIG, "layers": [LAYER, LAYER]}).encode()


@pytest.mark.parametrize(
    ("text", "host", "prefix"),
    [
        ("127.0.0.1:5000", "127.0.0.1:5000", ""),
        ("registry.example/", "registry.example", ""),
        (f"{'a' * 63}.example:65535/x", f"{'a' * 63}.example:65535", "x"),
        ("registry.example/team/api", "registry.example", "team/api"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/a-b", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "a-b"),
    ],
)
def test_address_is_a_host_and_a_prefix(text: str, host: str, prefix: str) -> None:
    address = RegistryAddress.parse(text)
    assert (address.host, address.prefix) == (host, prefix)
    assert address.repository("x/y") == (f"{prefix}/x/y" if prefix else "x/y")


@pytest.mark.parametrize(
    "text",
    [
        *("", "https://registry.example", "a b", "host:port", "host/Upper", "host//x"),
        *("host:123456", "host:65536", "host:0", "a..b", ".", "-a.example", "a-.example", "registry.example."),
        *(f"{'a' * 64}.example", ".".join(["a" * 63] * 4)),
    ],
)
def test_invalid_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid REGISTRY=.*: must be HOST\[:PORT\]\[/PREFIX\], such as"):
        RegistryAddress.parse(text)


def test_repository_name_that_is_too_long_is_refused() -> None:
    address = RegistryAddress.parse(f"registry.example/{'p' * 236}")
    assert len(f"{address.host}/{address.repository('a')}") == 255
    with pytest.raises(UsageError, match=r"^invalid REGISTRY=registry\.example/p+: .* is longer than 255 characters"):
        address.repository("ab")


def test_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="REGISTRY_PASSWORD") as error:
        RegistryAddress.parse("reader:sesame@registry.example")
    assert "sesame" not in str(error.value)


Handler = Callable[[httpx.Request], httpx.Response]


def registry_with(handler: Handler, login: Login | None = None) -> Registry:
    """Return a registry whose answers come from ``handler``."""
    client = httpx.Client(
        base_url=f"https://{ADDRESS.host}", transport=httpx.MockTransport(handler), auth=ChallengeAuth(login)
    )
    return Registry(address=ADDRESS, client=client)


def serving(paths: Mapping[str, bytes]) -> Handler:
    """Return a handler that serves content by path."""

    def handle(request: httpx.Request) -> httpx.Response:
        content = paths.get(request.url.path)
        return httpx.Response(404) if content is None else httpx.Response(200, stream=httpx.ByteStream(content))

    return handle


def test_manifest_has_layers_and_a_digest() -> None:
    manifest = registry_with(serving({"/v2/team/app/manifests/one": PLAIN})).manifest("team/app", "one")
    assert manifest.compressed_bytes == 14
    assert manifest.digest == f"sha256:{hashlib.sha256(PLAIN).hexdigest()}"


def test_index_is_resolved_to_the_platform_of_the_engine(engine: DockerClient) -> None:
    architecture = engine.version()["Arch"]
    variants = [("s390x", "sha256:cc"), (architecture, "sha256:dd"), ("unknown", "sha256:ee")]
    index = {
        "manifests": [
            {"mediaType": "m", "digest": digest, "size": 1, "platform": {"architecture": machine, "os": "linux"}}
            for machine, digest in variants
        ]
    }
    paths = {"/v2/app/manifests/one": json.dumps(index).encode(), "/v2/app/manifests/sha256:dd": PLAIN}
    assert registry_with(serving(paths)).manifest("app", "one").config.digest == "sha256:bb"


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"config": 1, "layers": []}'])
def test_invalid_manifest_is_an_error(content: bytes) -> None:
    with pytest.raises(FailedError, match=r"registry\.example returned an invalid manifest"):
        registry_with(serving({"/v2/app/manifests/one": content})).manifest("app", "one")


def test_blob_is_checked_against_its_digest() -> None:
    good = Blob(media_type="m", digest=f"sha256:{hashlib.sha256(b'bytes').hexdigest()}", size=5)
    into = io.BytesIO()
    registry_with(serving({f"/v2/app/blobs/{good.digest}": b"bytes"})).blob("app", good, into)
    assert into.getvalue() == b"bytes"
    with pytest.raises(FailedError, match="returned a wrong blob"):
        registry_with(serving({f"/v2/app/blobs/{good.digest}": b"other"})).blob("app", good, io.BytesIO())


@pytest.mark.parametrize(
    ("status", "message"), [(404, "with status 404"), (500, "with status 500"), (401, "refuses the login")]
)
def test_status_other_than_200_is_an_error(status: int, message: str) -> None:
    with pytest.raises(FailedError, match=message):
        registry_with(lambda _: httpx.Response(status)).require()


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9"])
def test_registry_that_does_not_answer_is_named(engine: DockerClient, host: str) -> None:  # noqa: ARG001
    with (
        pytest.raises(UsageError, match=rf"^REGISTRY={host} does not answer: [^\n]+$"),
        connect_registry(RegistryAddress.parse(host), None),
    ):
        pass


def test_only_loopback_is_insecure_by_default(engine: DockerClient) -> None:  # noqa: ARG001
    hosts = ["127.0.0.1:5000", "localhost", "registry.example", "10.0.0.1:5000"]
    assert [is_insecure(host) for host in hosts] == [True, True, False, False]


LOGIN = Login(user="reader", password="sesame")  # noqa: S106 -- of this test
BASIC = "Basic " + base64.b64encode(b"reader:sesame").decode()


def test_login_is_sent_only_in_answer_to_a_basic_challenge() -> None:
    sent: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("Authorization"))
        if sent[-1] == BASIC:
            return httpx.Response(200, content=PLAIN)
        return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    assert isinstance(registry_with(handle, LOGIN).manifest("app", "one"), Manifest)
    assert sent == [None, BASIC]


@pytest.mark.parametrize("login", [None, LOGIN])
def test_bearer_challenge_is_answered_with_a_token_from_its_realm(login: Login | None) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example":
            assert request.url.params["scope"] == "repository:app:pull"
            assert request.headers.get("Authorization") == (BASIC if login else None)
            return httpx.Response(200, json={"token": "opensesame"})
        if request.headers.get("Authorization") == "Bearer opensesame":
            return httpx.Response(200, content=PLAIN)
        challenge = 'Bearer realm="https://auth.example/token",service="r",scope="repository:app:pull"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    assert registry_with(handle, login).manifest("app", "one").compressed_bytes == 14


def test_identity_token_is_exchanged_for_the_token_that_is_asked_for() -> None:
    forms: list[dict[str, list[str]]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example":
            forms.append(parse_qs(request.content.decode()))
            return httpx.Response(200, json={"access_token": "opensesame"})
        if request.headers.get("Authorization") == "Bearer opensesame":
            return httpx.Response(200, content=PLAIN)
        challenge = 'Bearer realm="https://auth.example/token",service="r",scope="repository:app:pull"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    login = Login(identity_token="sesame")  # noqa: S106 -- of this test
    assert registry_with(handle, login).manifest("app", "one").compressed_bytes == 14
    (form,) = forms
    assert (form["grant_type"], form["refresh_token"]) == (["refresh_token"], ["sesame"])
    assert (form["service"], form["scope"]) == (["r"], ["repository:app:pull"])


def test_realm_that_gives_no_token_counts_as_refusal() -> None:
    challenge = 'Bearer realm="https://auth.example/token"'
    with pytest.raises(FailedError, match="refuses the login"):
        registry_with(lambda _: httpx.Response(401, headers={"WWW-Authenticate": challenge}), LOGIN).manifest(
            "app", "one"
        )


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"token": 1}'])
def test_invalid_token_is_an_error(content: bytes) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example":
            return httpx.Response(200, content=content)
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="https://auth.example/token"'})

    with pytest.raises(
        FailedError, match=r"^REGISTRY=registry\.example .*auth\.example/token returned an invalid token"
    ):
        registry_with(handle, LOGIN).manifest("app", "one")


def test_invalid_realm_is_an_error() -> None:
    challenge = 'Bearer realm="https://auth.example:port/"'
    with pytest.raises(FailedError, match=r"^REGISTRY=registry\.example does not answer: [^\n]+$"):
        registry_with(lambda _: httpx.Response(401, headers={"WWW-Authenticate": challenge})).manifest("app", "one")


@pytest.mark.parametrize("name", ["REGISTRY_USER", "REGISTRY_PASSWORD"])
def test_half_a_login_is_refused_without_its_value(name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} is set without REGISTRY_") as error:
        find_login("registry.example", {name: "sesame"})
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ({"auth": base64.b64encode(b"reader:sesame").decode()}, {"username": "reader", "password": "sesame"}),
        (
            {"auth": base64.b64encode(b"00000000-0000-0000-0000-000000000000:").decode(), "identitytoken": "sesame"},
            {"identitytoken": "sesame"},
        ),
    ],
)
def test_login_that_docker_has_stored_is_given_to_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: dict[str, str], sent: dict[str, str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example": stored}}))
    login = find_login("registry.example", {})
    assert login is not None
    assert login.for_engine() == sent
    assert "sesame" not in repr(login)


def test_repr_of_a_login_omits_the_password() -> None:
    assert "sesame" not in repr(LOGIN)
