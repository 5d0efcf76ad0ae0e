"""Tests of methods and paths that the contract ``service`` does not list."""

import httpx
import pytest


@pytest.fixture(params=["GET", "PUT", "PATCH", "DELETE", "PROPFIND"])
def response(request: pytest.FixtureRequest, client: httpx.Client) -> httpx.Response:
    return client.request(request.param, "/quotes")


def test_other_method_of_quotes_is_405(response: httpx.Response) -> None:
    method, status = response.request.method, response.status_code
    assert status == 405, f"{method} /quotes returns {status}; expected 405"


def test_other_method_of_quotes_gets_an_allow_header(response: httpx.Response) -> None:
    method, allow = response.request.method, response.headers.get("allow", "")
    allowed = {name.strip() for name in allow.split(",")}
    assert "POST" in allowed, f"{method} /quotes returns Allow: {allow or '(absent)'}; expected POST in it"
    assert method not in allowed, f"{method} /quotes is refused but listed in Allow: {allow}"


@pytest.mark.parametrize("path", ["/", "/nothing", "/QUOTES", "/quotes/x", "/quotesx", "/x/quotes", "/quote"])
def test_unknown_path_beside_quotes_is_404(client: httpx.Client, path: str) -> None:
    status = client.get(path).status_code
    assert status == 404, f"GET {path} returns {status}; expected 404"


def test_unknown_path_beside_quotes_is_404_for_post_too(client: httpx.Client) -> None:
    status = client.post("/nothing", content=b"{}", headers={"Content-Type": "application/json"}).status_code
    assert status == 404, f"POST /nothing returns {status}; expected 404"
