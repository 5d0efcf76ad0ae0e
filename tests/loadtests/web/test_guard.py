"""Only this page's own requests, to its own name, and programs may use it, after the login: every route, every hook."""

import re
import socket
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from locust.argument_parser import get_parser
from locust.env import Environment
from werkzeug.datastructures import Headers

from common.catalog.sizes import Runtime
from common.errors import UsageError
from loadtests.locustfile import prepare
from loadtests.scenarios.locust_users import user_classes
from loadtests.web.guard import PAGES, WITHOUT_LOGIN, guard, is_own, names_of, refusal
from loadtests.web.switchboard import PASSWORD_VARIABLE, USER, Menu, Switchboard
from tests.support.web import Web

OWN = "127.0.0.1:8089"
FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Host": "evil.example"},
    {"Host": "evil.example:8089", "Origin": "http://evil.example:8089", "Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://evil.example/page", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]
"""Another site's script, form, rebound name, image, script element, neighbouring port and frame."""
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """The app of a web UI with all of our pages, and the requests that came past its guard."""

    app: Flask
    passed: list[str]

    def client(self) -> FlaskClient:
        """Return a browser without cookies."""
        return self.app.test_client()

    def routes(self) -> list[tuple[str, str, str]]:
        """Return endpoint, method and a path of every route."""
        rules = self.app.url_map.iter_rules()
        found = [(rule.endpoint, method, str(rule)) for rule in rules for method in sorted(rule.methods or ())]
        return [(endpoint, method, re.sub("<.+?>", "x", path)) for endpoint, method, path in found]

    def ask(self, client: FlaskClient, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str, Headers]:
        """Send a request; return its status, body and headers."""
        base = f"http://{OWN}"
        answer = client.open(path, method=method, headers={"Host": OWN, **headers}, base_url=base)
        return answer.status_code, answer.get_data(as_text=True), answer.headers


def guarded(folder: Path, *options: str) -> Guarded:
    """Return the app that ``make web`` serves, without serving it."""
    Switchboard(folder=folder).show(Menu(runtime=Runtime.PROCESS, frameworks={}, cores=2))
    parsed: Namespace = get_parser(default_config_files=[]).parse_args(
        ["--host=http://127.0.0.1:9", f"--switchboard={folder}", "--web-host=127.0.0.1", *options]
    )
    environment = Environment(user_classes=list(user_classes().values()), parsed_options=parsed, host=parsed.host)
    environment.create_local_runner()
    web_ui = environment.create_web_ui(parsed.web_host, 8089, web_login=parsed.web_login, delayed_start=True)
    prepare(environment)
    app, passed = web_ui.app, list[str]()
    assert app is not None
    app.before_request_funcs[None].insert(1, lambda: passed.append(f"{request.method} {request.path}"))
    return Guarded(app=app, passed=passed)


@pytest.fixture(autouse=True)
def _no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the tests' own arguments, which Locust would read again for its form."""
    monkeypatch.setattr("sys.argv", ["locust"])


@pytest.fixture
def open_ui(tmp_path: Path) -> Guarded:
    """A web UI on the loopback address."""
    return guarded(tmp_path)


@pytest.fixture
def closed_ui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """A web UI with a login."""
    monkeypatch.setenv(PASSWORD_VARIABLE, "a good password")
    return guarded(tmp_path, "--web-login")


def _log_in(ui: Guarded, client: FlaskClient, password: str) -> Headers:
    form = {"username": USER, "password": password}
    answer = client.post("/login_submit", data=form, headers={"Host": OWN}, base_url=f"http://{OWN}")
    ui.passed.clear()
    return answer.headers


def test_the_routes_that_are_tried_are_all_that_there_are(open_ui: Guarded) -> None:
    tried = {(method, path) for _, method, path in open_ui.routes()}
    assert {("POST", "/swarm"), ("POST", "/stop"), ("GET", "/per-vcpu/data"), ("GET", "/assets/x")} <= tried
    endpoints = {endpoint for endpoint, _, _ in open_ui.routes()}
    assert endpoints >= PAGES


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_route_does_or_shows_anything_for_another_site(open_ui: Guarded, headers: dict[str, str]) -> None:
    client = open_ui.client()
    for _, method, path in [*open_ui.routes(), ("", "POST", "/nothing"), ("", "POST", "//swarm")]:
        status, _, received = open_ui.ask(client, method, path, headers)
        assert status == httpx.codes.FORBIDDEN, f"{method} {path}"
        assert not [name for name, _ in received if name.startswith("Access-Control")], f"{method} {path}"
    assert open_ui.passed == []


def test_a_refusal_says_what_is_accepted(open_ui: Guarded) -> None:
    _, text, _ = open_ui.ask(open_ui.client(), "POST", "/swarm", {"Host": "evil.example"})
    assert "Host evil.example is not a name of this page. Accepted: 127.0.0.1, ::1, localhost." in text
    _, text, _ = open_ui.ask(open_ui.client(), "POST", "/swarm", {"Origin": "http://evil.example"})
    assert "http://evil.example may not use this page. Accepted: requests of its own and of programs." in text


def test_no_route_does_or_shows_anything_without_the_login(closed_ui: Guarded) -> None:
    client = closed_ui.client()
    for endpoint, method, path in [*closed_ui.routes(), ("", "POST", "/nothing"), ("", "POST", "//swarm")]:
        if endpoint in WITHOUT_LOGIN:
            continue
        status, text, received = closed_ui.ask(client, method, path, {})
        if endpoint in PAGES and method in {"GET", "HEAD"}:
            assert received["Location"].startswith("/login?next="), f"{method} {path}"
        else:
            assert status == httpx.codes.UNAUTHORIZED, f"{method} {path}"
            assert method == "HEAD" or "needs a login. Log in at /login first." in text
    assert closed_ui.passed == []


@pytest.mark.parametrize("password", ["", "wrong", "a good password "])
def test_a_wrong_password_opens_nothing(closed_ui: Guarded, password: str) -> None:
    client = closed_ui.client()
    assert _log_in(closed_ui, client, password)["Location"] == "/login"
    assert closed_ui.ask(client, "GET", "/per-vcpu/data", {})[0] == httpx.codes.UNAUTHORIZED


def test_the_password_opens_every_route_to_the_page_itself(closed_ui: Guarded) -> None:
    client = closed_ui.client()
    cookie = _log_in(closed_ui, client, "a good password")["Set-Cookie"]
    assert cookie.startswith("session-8089=")
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    for headers in ({}, {"Origin": f"http://{OWN}", "Sec-Fetch-Site": "same-origin"}):
        status, text, received = closed_ui.ask(client, "GET", "/per-vcpu/data", headers)
        assert (status, "stack_state" in text) == (httpx.codes.OK, True)
        assert not [name for name, _ in received if name.startswith("Access-Control")]
        assert received["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert closed_ui.passed == ["GET /per-vcpu/data"] * 2


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_site_cannot_use_somebodys_login(closed_ui: Guarded, headers: dict[str, str]) -> None:
    client = closed_ui.client()
    _log_in(closed_ui, client, "a good password")
    for _, method, path in closed_ui.routes():
        assert closed_ui.ask(client, method, path, headers)[0] == httpx.codes.FORBIDDEN, f"{method} {path}"
    assert closed_ui.passed == []


def test_a_link_elsewhere_leads_to_pages_only(open_ui: Guarded) -> None:
    client = open_ui.client()
    for endpoint, method, path in open_ui.routes():
        allowed = endpoint in PAGES and method in {"GET", "HEAD"}
        status, _, _ = open_ui.ask(client, method, path, LINK | {"Referer": "http://elsewhere.example/"})
        assert (status != httpx.codes.FORBIDDEN) is allowed, f"{method} {path}"


def test_a_login_without_a_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    environment = Environment()
    web_ui = environment.create_web_ui("127.0.0.1", 8089, web_login=True, delayed_start=True)
    with pytest.raises(UsageError, match=f"--web-login needs a password. Set {PASSWORD_VARIABLE}, or leave"):
        guard(web_ui)


def refused(names: tuple[str, ...] = (), **headers: str) -> bool:
    given = {"Host": OWN} | {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(Headers(given), names, is_page=False) is not None


@pytest.mark.parametrize("origin", [f"http://{OWN}", "HTTP://127.0.0.1:8089"])
def test_its_own_pages_and_programs_are_accepted(origin: str) -> None:
    assert not refused()
    assert not refused(Origin=origin)
    assert not refused(Host="localhost:8089", Origin="http://localhost:8089")
    assert not refused(Host="[::1]:8089", Origin="http://[::1]:8089", Sec_Fetch_Site="same-origin")
    assert not refused(Referer=f"http://{OWN}/per-vcpu")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1:8090", "http://localhost:8089", f"http://{OWN}.evil.example"],
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    assert refused(Origin=origin)


@pytest.mark.parametrize("host", ["evil.example:8089", "", "127.0.0.1.evil.example", "192.0.2.1:8089", "[:::8089"])
def test_a_foreign_or_missing_host_is_refused(host: str) -> None:
    assert refused(Host=host, Origin=f"http://{host}")


def test_the_name_that_it_was_started_with_is_its_own() -> None:
    assert is_own("bench.example:8089", names_of("bench.example"))
    assert not is_own("other.example:8089", names_of("bench.example"))


@pytest.mark.parametrize("everywhere", ["", "0.0.0.0", "::"])  # noqa: S104 -- compared, not bound
def test_where_it_listens_everywhere_every_address_is_its_own(everywhere: str) -> None:
    names = names_of(everywhere)
    assert is_own("192.0.2.1:8089", names)
    assert is_own(f"{socket.gethostname()}:8089", names)
    assert not is_own("evil.example:8089", names), "an address cannot be rebound, a name can"
    said = refusal(Headers({"Host": "evil.example"}), names, is_page=False)
    assert said is not None
    assert said.endswith("every IP address.")


def test_a_request_without_a_host_is_refused(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(b"POST /stop HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 403")


def test_a_locust_of_ones_own_is_guarded_too(web: Web) -> None:
    answer = web.client.post("/swarm", headers=FOREIGN[0], data={"user_count": 1, "spawn_rate": 1})
    assert (answer.status_code, answer.json()["success"]) == (403, False)
    assert web.users() == 0


def test_its_own_requests_reach_the_route(web: Web) -> None:
    own = {"Origin": str(web.client.base_url).rstrip("/")}
    assert web.client.post("/stop", headers=own).json() == {"success": True, "message": "Test stopped"}


def _send(ui: Guarded, **fields: str) -> str:
    """Send the form, and return why it is refused."""
    form = {"user_count": "1", "spawn_rate": "1", **fields}
    answer = ui.client().post("/swarm", data=form, headers={"Host": OWN}, base_url=f"http://{OWN}")
    assert answer.status_code == httpx.codes.OK
    assert answer.get_json()["success"] is False
    return str(answer.get_json()["message"])


def test_no_option_of_locusts_that_is_not_on_the_form_can_be_set_by_it(open_ui: Guarded) -> None:
    every = {option.dest for option in get_parser(default_config_files=[])._actions}
    assert {"json_file", "stack_runtime", "switchboard", "processes", "web_login", "locustfile"} <= every
    shown = {"arrivals", "delay_ms", "objective", "per_request_events", "rate", "scenario"}
    for option in every - shown - {"host", "run_time", "spawn_rate", "user_classes", "profile"}:
        assert f"{option} is not a field of this form. Accepted: arrivals, " in _send(open_ui, **{option: "x"}), option


@pytest.mark.parametrize(
    ("field", "text", "accepted"),
    [
        ("user_count", "99999", "must be a whole number from 1 to 10,000"),
        ("user_count", "1_0", "must be a whole number from 1 to 10,000"),
        ("user_count", "0", "must be a whole number from 1 to 10,000"),
        ("user_count", "9" * 5000, "must be a whole number from 1 to 10,000"),
        ("user_count", "", "user_count is missing"),
        ("spawn_rate", "nan", "must be a number from 0.001 to 1e+06"),
        ("spawn_rate", "1_0", "must be a number from 0.001 to 1e+06"),
        ("run_time", "soon", "must be a time such as 20, 20s, 3m or 1h30m"),
        ("scenario", "coffee", "must be one of errors, hello, "),
        ("arrivals", "never", "must be one of constant, poisson"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_what_is_accepted(
    open_ui: Guarded, field: str, text: str, accepted: str
) -> None:
    assert accepted in _send(open_ui, **{field: text})


def test_a_field_that_only_other_scenarios_take_is_checked_where_it_is_taken(open_ui: Guarded) -> None:
    assert "delay_ms: invalid value x: must be a number from 0 to 60000" in _send(
        open_ui, scenario="sleep", delay_ms="x"
    )
    assert "delay_ms" not in _send(open_ui, scenario="hello", delay_ms="x")


def test_attributes_of_user_classes_cannot_be_set(open_ui: Guarded) -> None:
    change = {"user_class_name": "Hello", "fixed_count": 3}
    answer = open_ui.client().post("/user", json=change, base_url=f"http://{OWN}")
    said = "The users of make web cannot be changed. Choose a scenario on the form."
    assert (answer.status_code, answer.get_data(as_text=True)) == (httpx.codes.FORBIDDEN, said)
