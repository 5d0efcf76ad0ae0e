"""Every scenario is listed, and each of its requests accepts what the contract says and nothing else."""

import json

import pytest

from common.catalog.frameworks import App
from common.contract import BAD_DELAY
from common.contract.service import price_quote
from loadtests.scenarios.workloads import CLOSED, SCENARIOS, STEADY, Errors, Hello, Quotes, Sleep
from loadtests.users.responses import Failure, Request

PRICED = b'{"customer": "Ada Lovelace", "items": 5, "total_cents": 39810}'
EXPLAINED = json.dumps({"error": BAD_DELAY}).encode()


def test_every_scenario_is_found_by_its_name_in_alphabetical_order() -> None:
    assert list(SCENARIOS) == ["errors", "hello", "mixed", "quotes", "ramp", "rate", "sleep", "sleepers"]
    assert [scenario.name() for scenario in SCENARIOS.values()] == list(SCENARIOS)


def test_each_scenario_has_tasks_and_a_description() -> None:
    for scenario in SCENARIOS.values():
        assert scenario.tasks
        assert (scenario.__doc__ or "").splitlines()[0].endswith((".", ":"))


def test_steady_scenarios_are_those_that_do_not_climb() -> None:
    assert STEADY == ("errors", "hello", "mixed", "quotes", "rate", "sleep")


def test_closed_loops_are_the_steady_ones_without_a_rate() -> None:
    assert CLOSED == ("errors", "hello", "mixed", "quotes", "sleep")


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (Hello.hello(0), 200, b'"hello world"'),
        (Hello.hello(0), 200, b' "hello\\u0020world"\n'),
        (Sleep.sleep(7), 200, b'"slept for 7 ms"'),
        (Errors.bad_delay(0), 400, EXPLAINED),
        (Errors.unknown_path(0), 404, b"<h1>Not Found</h1>"),
        (Errors.wrong_method(0), 405, b""),
        (Quotes.quote(0), 201, PRICED),
        (Quotes.quote(0), 201, PRICED.replace(b" ", b"").replace(b"AdaLovelace", b"Ada\\u0020Lovelace")),
    ],
)
def test_the_contracts_response_is_accepted(request_: Request, status: int, body: bytes) -> None:
    assert request_.fault(status, body) is None


@pytest.mark.parametrize(
    ("request_", "status", "body", "fault"),
    [
        (Hello.hello(0), 200, b'"hello w0rld"', Failure.WRONG_BODY),
        (Hello.hello(0), 404, b'"hello world"', "status 404"),
        (Sleep.sleep(7), 200, b'"slept for 8 ms"', Failure.WRONG_BODY),
        (Errors.bad_delay(0), 200, EXPLAINED, "status 200"),
        (Errors.bad_delay(0), 400, b'{"error": "no"}', Failure.WRONG_BODY),
        (Errors.bad_delay(0), 400, b"<h1>Bad Request</h1>", Failure.WRONG_BODY),
        (Errors.unknown_path(0), 200, b"", "status 200"),
        (Errors.wrong_method(0), 404, b"", "status 404"),
        (Quotes.quote(0), 200, PRICED, "status 200"),
        (Quotes.quote(0), 201, PRICED.replace(b"39810", b"39811"), Failure.WRONG_BODY),
        (Quotes.quote(0), 201, PRICED.replace(b'"items": 5, ', b""), Failure.WRONG_BODY),
    ],
)
def test_any_other_response_is_a_failure(request_: Request, status: int, body: bytes, fault: str) -> None:
    assert request_.fault(status, body) == fault


def test_a_sleep_may_take_longer_than_its_delay() -> None:
    assert Sleep.sleep(60_000).timeout_s == 70


def test_a_quote_is_sent_as_json_that_the_contract_prices() -> None:
    head, _, body = Quotes.quote(0).wire("host").partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /quotes HTTP/1.1"
    assert {b"Content-Type: application/json", b"Content-Length: %d" % len(body)} <= set(lines)
    assert price_quote(json.loads(body)) == json.loads(PRICED)


def test_only_quotes_load_the_service() -> None:
    assert [name for name, scenario in SCENARIOS.items() if scenario.app is App.SERVICE] == ["quotes"]


def test_all_sleeps_have_one_name_in_the_statistics() -> None:
    assert {Sleep.sleep(delay_ms).label for delay_ms in (1, 2)} == {"/sleep"}
