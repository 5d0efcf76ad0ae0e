"""Tests that additions leave the responses of the app under them as they are."""

import httpx
import pytest

from common.contract import HELLO


def test_hello_is_returned_through_every_addition(client: httpx.Client) -> None:
    response = client.get("/hello")
    assert response.status_code == 200, f"GET /hello returns {response.status_code}; expected 200"
    assert response.json() == HELLO, f"GET /hello returns {response.text[:60]}; expected {HELLO}"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/hello", 405)])
def test_errors_are_returned_through_every_addition(client: httpx.Client, method: str, path: str, status: int) -> None:
    seen = client.request(method, path).status_code
    assert seen == status, f"{method} {path} returns {seen}; expected {status}"


def test_hello_is_returned_again_on_the_same_connection(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url, timeout=client.timeout, trust_env=False) as keeping:
        seen = [keeping.get("/hello").json() for _ in range(3)]
    assert seen == [HELLO] * 3, f"three requests return {seen}; expected {HELLO} three times"
