"""A registry's answers are read as they are meant, and what is wrong with one is told in a line."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping

import httpx
import pytest
from docker import DockerClient

from common.errors import FailedError, UsageError
from common.registries.api import Blob, Manifest, Registry, RegistryAddress, connect_registry, is_insecure
from common.registries.login import Challenged, Login, find_login

ADDRESS = RegistryAddress(host="registry.example")
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:aa", "size": 7}
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:bb", "size": 3}
PLAIN = json.dumps({"schemaVersion": 2, "config": CONFIG, "layers": [LAYER, LAYER]}).encode()


@pytest.mark.parametrize(
    ("text", "host", "prefix"),
    [
        ("127.0.0.1:5000", "127.0.0.1:5000", ""),
        ("registry.example/", "registry.example", ""),
        ("registry.example/team/api", "registry.example", "team/api"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/a-b", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "a-b"),
    ],
)
def test_a_place_is_a_host_and_a_prefix(text: str, host: str, prefix: str) -> None:
    address = RegistryAddress.parse(text)
    assert (address.host, address.prefix) == (host, prefix)
    assert address.repository("x/y") == (f"{prefix}/x/y" if prefix else "x/y")


@pytest.mark.parametrize(
    "text", ["", "https://registry.example", "a b", "host:port", "host/Upper", "host//x", "host:123456"]
)
def test_what_is_no_place_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"Accepted: HOST\[:PORT\]\[/PREFIX\]"):
        RegistryAddress.parse(text)


def test_a_password_in_the_place_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="REGISTRY_PASSWORD") as error:
        RegistryAddress.parse("reader:sesame@registry.example")
    assert "sesame" not in str(error.value)


def registry(answer: Callable[[httpx.Request], httpx.Response], login: Login | None = None) -> Registry:
    client = httpx.Client(
        base_url=f"https://{ADDRESS.host}", transport=httpx.MockTransport(answer), auth=Challenged(login)
    )
    return Registry(address=ADDRESS, client=client)


def serving(paths: Mapping[str, bytes]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        content = paths.get(request.url.path)
        return httpx.Response(404) if content is None else httpx.Response(200, stream=httpx.ByteStream(content))

    return answer


def test_a_manifest_gives_its_layers_and_its_digest() -> None:
    found = registry(serving({"/v2/team/app/manifests/one": PLAIN})).manifest("team/app", "one")
    assert found.compressed_bytes == 14
    assert found.digest == f"sha256:{hashlib.sha256(PLAIN).hexdigest()}"


def test_of_an_index_the_engines_platform_is_taken(engine: DockerClient) -> None:
    own = engine.version()["Arch"]
    variants = [("s390x", "sha256:cc"), (own, "sha256:dd"), ("unknown", "sha256:ee")]
    index = {
        "manifests": [
            {"mediaType": "m", "digest": digest, "size": 1, "platform": {"architecture": machine, "os": "linux"}}
            for machine, digest in variants
        ]
    }
    paths = {"/v2/app/manifests/one": json.dumps(index).encode(), "/v2/app/manifests/sha256:dd": PLAIN}
    assert registry(serving(paths)).manifest("app", "one").config.digest == "sha256:bb"


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"config": 1, "layers": []}'])
def test_a_manifest_that_is_none_is_told(content: bytes) -> None:
    with pytest.raises(FailedError, match=r"registry\.example gave a manifest that is none"):
        registry(serving({"/v2/app/manifests/one": content})).manifest("app", "one")


def test_a_blob_is_checked_against_its_digest() -> None:
    good = Blob(media_type="m", digest=f"sha256:{hashlib.sha256(b'bytes').hexdigest()}", size=5)
    into = io.BytesIO()
    registry(serving({f"/v2/app/blobs/{good.digest}": b"bytes"})).blob("app", good, into)
    assert into.getvalue() == b"bytes"
    with pytest.raises(FailedError, match="gave another blob"):
        registry(serving({f"/v2/app/blobs/{good.digest}": b"other"})).blob("app", good, io.BytesIO())


@pytest.mark.parametrize(("status", "seen"), [(404, "with 404"), (500, "with 500"), (401, "refuses the login")])
def test_a_status_that_is_not_200_is_told(status: int, seen: str) -> None:
    with pytest.raises(FailedError, match=seen):
        registry(lambda _: httpx.Response(status)).require()


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9"])
def test_a_registry_that_does_not_answer_is_named(engine: DockerClient, host: str) -> None:  # noqa: ARG001
    with (
        pytest.raises(UsageError, match=rf"^REGISTRY={host} does not answer: [^\n]+$"),
        connect_registry(RegistryAddress.parse(host), None),
    ):
        pass


def test_plain_http_is_for_loopback_alone_unless_the_engine_says_so(engine: DockerClient) -> None:  # noqa: ARG001
    hosts = ["127.0.0.1:5000", "localhost", "registry.example", "10.0.0.1:5000"]
    assert [is_insecure(host) for host in hosts] == [True, True, False, False]


LOGIN = Login(user="reader", password="sesame")  # noqa: S106 -- of this test
BASIC = "Basic " + base64.b64encode(b"reader:sesame").decode()


def test_a_basic_challenge_is_answered_with_the_login_and_not_before() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        if seen[-1] == BASIC:
            return httpx.Response(200, content=PLAIN)
        return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    assert isinstance(registry(answer, LOGIN).manifest("app", "one"), Manifest)
    assert seen == [None, BASIC]


@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_bearer_challenge_is_answered_with_the_token_that_its_realm_gives(login: Login | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example":
            assert request.url.params["scope"] == "repository:app:pull"
            assert request.headers.get("Authorization") == (BASIC if login else None)
            return httpx.Response(200, json={"token": "opensesame"})
        if request.headers.get("Authorization") == "Bearer opensesame":
            return httpx.Response(200, content=PLAIN)
        told = 'Bearer realm="https://auth.example/token",service="r",scope="repository:app:pull"'
        return httpx.Response(401, headers={"WWW-Authenticate": told})

    assert registry(answer, login).manifest("app", "one").compressed_bytes == 14


def test_a_realm_that_gives_no_token_is_a_refusal() -> None:
    told = 'Bearer realm="https://auth.example/token"'
    with pytest.raises(FailedError, match="refuses the login"):
        registry(lambda _: httpx.Response(401, headers={"WWW-Authenticate": told}), LOGIN).manifest("app", "one")


@pytest.mark.parametrize("given", ["REGISTRY_USER", "REGISTRY_PASSWORD"])
def test_half_a_login_is_refused_without_its_value(given: str) -> None:
    with pytest.raises(UsageError, match=f"^{given} is set without REGISTRY_") as error:
        find_login("registry.example", {given: "sesame"})
    assert "sesame" not in str(error.value)


def test_a_password_is_in_no_representation() -> None:
    assert "sesame" not in repr(LOGIN)
