"""Tests of ``GET /hello``."""

import httpx
import pytest

from common.contract import HELLO


@pytest.fixture
def response(client: httpx.Client) -> httpx.Response:
    return client.get("/hello")


def test_hello_is_answered_with_200(response: httpx.Response) -> None:
    assert response.status_code == 200, f"GET /hello returns {response.status_code}; expected 200"


def test_hello_returns_its_json_string(response: httpx.Response) -> None:
    assert response.json() == HELLO, f"GET /hello returns {response.text[:60]!r}; expected the JSON string {HELLO!r}"


def test_hello_has_content_type_json(response: httpx.Response) -> None:
    media_type = response.headers.get("content-type", "(absent)").partition(";")[0].strip().casefold()
    assert media_type == "application/json", f"GET /hello has the content type {media_type}; expected application/json"


def test_hello_is_the_same_every_time(client: httpx.Client) -> None:
    responses = {(response.status_code, response.content) for response in (client.get("/hello") for _ in range(10))}
    assert len(responses) == 1, f"ten times GET /hello returned {len(responses)} different responses"
