"""Tests of methods and paths that the contract does not list."""

import httpx
import pytest


@pytest.fixture(params=["/hello", "/sleep/0"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def response(request: pytest.FixtureRequest, client: httpx.Client, path: str) -> httpx.Response:
    return client.request(request.param, path)


def test_other_method_is_405(response: httpx.Response, path: str) -> None:
    status = response.status_code
    assert status == 405, f"{response.request.method} {path} returns {status}; expected 405"


def test_other_method_gets_an_allow_header(response: httpx.Response, path: str) -> None:
    allow = response.headers.get("allow", "")
    allowed = {name.strip() for name in allow.split(",")}
    method = response.request.method
    assert "GET" in allowed, f"{method} {path} returns Allow: {allow or '(absent)'}; expected GET in it"
    assert method not in allowed, f"{method} {path} is refused but listed in Allow: {allow}"


@pytest.mark.parametrize(
    "unknown",
    ["/", "/nothing", "/HELLO", "/hello/x", "/hellox", "/x/hello", "/sleep", "/Sleep/5", "/sleep/5/x", "/x/sleep/5"],
)
def test_unknown_path_is_404(client: httpx.Client, unknown: str) -> None:
    status = client.get(unknown).status_code
    assert status == 404, f"GET {unknown} returns {status}; expected 404"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_unknown_path_is_404_for_other_methods_too(client: httpx.Client, method: str) -> None:
    status = client.request(method, "/nothing").status_code
    assert status == 404, f"{method} /nothing returns {status}; expected 404"
