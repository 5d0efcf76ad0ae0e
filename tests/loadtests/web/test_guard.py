"""Only this page's own requests, to its own name, may change anything; and programs that are no browsers."""

import socket

import httpx
import pytest

from loadtests.web.guard import is_own, refusal
from tests.support.web import Web

OWN = "127.0.0.1:8089"


def refused(host: str = OWN, origin: str | None = None, referrer: str | None = None, site: str = "") -> bool:
    return refusal(host=host, origin=origin, referrer=referrer, site=site, names=[]) is not None


@pytest.mark.parametrize("origin", [None, f"http://{OWN}", "http://127.0.0.1:8089"])
def test_its_own_pages_and_programs_are_accepted(origin: str | None) -> None:
    assert not refused(origin=origin)
    assert not refused(host="localhost:8089", origin="http://localhost:8089")
    assert not refused(host="[::1]:8089", origin="http://[::1]:8089", site="same-origin")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1:8090", "http://localhost:8089", f"http://{OWN}.evil.example"],
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    assert refused(origin=origin)


@pytest.mark.parametrize("host", ["evil.example:8089", "", "127.0.0.1.evil.example", "192.0.2.1:8089", "[:::8089"])
def test_a_foreign_or_missing_host_is_refused(host: str) -> None:
    assert refused(host=host, origin=f"http://{host}")


def test_a_browser_that_leaves_the_origin_out_is_refused_by_what_else_it_says() -> None:
    assert refused(referrer="http://evil.example/page")
    assert refused(site="cross-site")
    assert not refused(referrer=f"http://{OWN}/per-vcpu")


def test_the_name_that_it_was_started_with_is_its_own() -> None:
    assert is_own("bench.example:8089", ["bench.example"])
    assert not is_own("other.example:8089", ["bench.example"])
    assert is_own("192.0.2.1:8089", ["0.0.0.0"])  # noqa: S104 -- compared, not bound
    assert not is_own("evil.example:8089", ["0.0.0.0"]), "an address cannot be rebound, a name can"  # noqa: S104


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
@pytest.mark.parametrize("path", ["/swarm", "/stop", "/stats/reset", "/user", "/nothing"])
def test_every_route_that_changes_something_is_guarded(web: Web, path: str, headers: dict[str, str]) -> None:
    answer = web.client.post(path, headers=headers, data={"user_count": 1, "spawn_rate": 1})
    assert answer.status_code == 403
    assert not answer.json()["success"]
    assert web.users() == 0


def test_a_request_without_a_host_is_refused(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(b"POST /stop HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 403")


def test_reading_is_not_refused(web: Web) -> None:
    assert web.client.get("/", headers={"Origin": "http://evil.example"}).status_code == httpx.codes.OK


def test_its_own_requests_reach_the_route(web: Web) -> None:
    own = {"Origin": str(web.client.base_url).rstrip("/")}
    assert web.client.post("/stop", headers=own).json() == {"success": True, "message": "Test stopped"}
