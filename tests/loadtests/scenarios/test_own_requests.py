"""The file of the user's own requests becomes a scenario, or what is wrong in it is named."""

from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.errors import UsageError
from common.records.load import LoadSpec, OwnRequest
from loadtests.scenarios.own_requests import NAME, of_requests, parse_requests
from loadtests.scenarios.workloads import SCENARIOS, scenario_for

FULL = """
[[request]]
path = "/items/5?full=1"
method = "POST"
headers = {Content-Type = "application/json"}
body = '{"name": "x"}'
status = 201
weight = 3

[[request]]
path = "/"
"""
LOAD = LoadSpec(scenario=NAME, users=4, delay_ms=0, warmup_s=0.1, window_s=0.2)


def _write(folder: Path, text: str) -> str:
    file = folder / "paths.toml"
    file.write_text(text)
    return str(file)


def test_all_entries_are_read_and_only_the_path_is_needed(tmp_path: Path) -> None:
    assert parse_requests(_write(tmp_path, FULL)) == [
        OwnRequest(
            path="/items/5?full=1",
            method="POST",
            headers={"Content-Type": "application/json"},
            body='{"name": "x"}',
            status=201,
            weight=3,
        ),
        OwnRequest(path="/"),
    ]


def test_requests_are_sent_as_they_are_described_and_checked_by_their_status(tmp_path: Path) -> None:
    scenario = of_requests(parse_requests(_write(tmp_path, FULL)))
    post, get = [task(0) for task in scenario.tasks]
    assert post.wire("h:1") == (
        b"POST /items/5?full=1 HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        b'Content-Length: 13\r\n\r\n{"name": "x"}'
    )
    assert (post.fault(201, b"anything"), post.fault(200, b"")) == (None, "status 200")
    assert get.wire("h:1").startswith(b"GET / HTTP/1.1\r\n")
    assert (get.label, get.fault(200, b"")) == ("GET /", None)
    assert Counter({task.name: task.weight for task in scenario.tasks}) == {"request_0": 3, "request_1": 1}


def test_a_load_with_requests_of_its_own_has_their_scenario_and_others_the_one_they_name() -> None:
    assert scenario_for(replace(LOAD, requests=[OwnRequest(path="/x")])).name() == NAME
    assert scenario_for(replace(LOAD, scenario="mixed")) is SCENARIOS["mixed"]
    assert NAME not in SCENARIOS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1 to 100 entries"),
        ("[request]\npath = '/'", "1 to 100 entries"),
        ("[[request]]\npath = '/'\n[other]\n", "nothing else"),
        ("[[request]]\nmethod = 'GET'", "missing required field `path`"),
        ("[[request]]\npath = 5", "Expected `str`"),
        ("[[request]]\npath = '/'\nstaus = 200", "unknown entry staus"),
        ("[[request]]\npath = 'x'", "the path 'x' must begin with /"),
        ("[[request]]\npath = '/a b'", "the path '/a b'"),
        ("[[request]]\npath = '/ä'", "only ASCII"),
        ("[[request]]\npath = '/'\nmethod = 'get'", "the method 'get'"),
        ("[[request]]\npath = '/'\nmethod = 'CONNECT'", "the method 'CONNECT'"),
        ("[[request]]\npath = '/'\nstatus = 99", "the status 99"),
        ("[[request]]\npath = '/'\nweight = 0", "the weight 0"),
        ("[[request]]\npath = '/'\nheaders = {Host = 'x'}", "'Host' is set by the load generator"),
        ('[[request]]\npath = "/"\nheaders = {X = "a\\r\\nY: b"}', "the header 'X'"),
        ("[[request]", "Expected ']]'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_requests(_write(tmp_path, text))
    assert message in str(caught.value)
    assert "paths.toml: " in str(caught.value)
    assert "Accepted: a TOML file of [[request]] entries" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name, message in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "bytes", "utf-8"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_requests(str(name))
