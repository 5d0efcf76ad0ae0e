"""Each request accepts what the contract says, and nothing else."""

import json

import pytest

from common.contract import BAD_DELAY
from loadtests.scenarios import requests
from loadtests.users.responses import Failure, Request

EXPLAINED = json.dumps({"error": BAD_DELAY}).encode()


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (requests.hello(0), 200, b'"hello world"'),
        (requests.hello(0), 200, b' "hello\\u0020world"\n'),
        (requests.sleep(7), 200, b'"slept for 7 ms"'),
        (requests.bad_delay(0), 400, EXPLAINED),
        (requests.unknown_path(0), 404, b"<h1>Not Found</h1>"),
        (requests.wrong_method(0), 405, b""),
    ],
)
def test_the_contracts_response_is_accepted(request_: Request, status: int, body: bytes) -> None:
    assert request_.fault(status, body) is None


@pytest.mark.parametrize(
    ("request_", "status", "body", "fault"),
    [
        (requests.hello(0), 200, b'"hello w0rld"', Failure.WRONG_BODY),
        (requests.hello(0), 404, b'"hello world"', "status 404"),
        (requests.sleep(7), 200, b'"slept for 8 ms"', Failure.WRONG_BODY),
        (requests.bad_delay(0), 200, EXPLAINED, "status 200"),
        (requests.bad_delay(0), 400, b'{"error": "no"}', Failure.WRONG_BODY),
        (requests.bad_delay(0), 400, b"<h1>Bad Request</h1>", Failure.WRONG_BODY),
        (requests.unknown_path(0), 200, b"", "status 200"),
        (requests.wrong_method(0), 404, b"", "status 404"),
    ],
)
def test_any_other_response_is_a_failure(request_: Request, status: int, body: bytes, fault: str) -> None:
    assert request_.fault(status, body) == fault


def test_a_sleep_may_take_longer_than_its_delay() -> None:
    assert requests.sleep(60_000).timeout_s == 70


def test_all_sleeps_have_one_name_in_the_statistics() -> None:
    assert {requests.sleep(delay_ms).label for delay_ms in (1, 2)} == {"/sleep"}
