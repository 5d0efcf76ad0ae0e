"""Other methods and other paths."""

import httpx
import pytest


@pytest.fixture(params=["/hello", "/sleep/0"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["POST", "PUT", "PATCH", "DELETE"])
def answer(request: pytest.FixtureRequest, client: httpx.Client, path: str) -> httpx.Response:
    return client.request(request.param, path)


def test_other_method_is_405(answer: httpx.Response, path: str) -> None:
    seen = answer.status_code
    assert seen == 405, f"{answer.request.method} {path} gives {seen}; expected 405"


def test_other_method_is_told_what_is_allowed(answer: httpx.Response, path: str) -> None:
    allow = answer.headers.get("allow", "")
    allowed = {name.strip() for name in allow.split(",")}
    assert "GET" in allowed, f"{answer.request.method} {path} gives Allow: {allow or '(absent)'}; expected GET in it"
    assert answer.request.method not in allowed, (
        f"{answer.request.method} {path} is refused and allowed by Allow: {allow}"
    )


@pytest.mark.parametrize(
    "unknown", ["/", "/nothing", "/HELLO", "/hello/x", "/hellox", "/sleep", "/Sleep/5", "/sleep/5/x"]
)
def test_unknown_path_is_404(client: httpx.Client, unknown: str) -> None:
    seen = client.get(unknown).status_code
    assert seen == 404, f"GET {unknown} gives {seen}; expected 404"
