"""Every scenario is listed, and each of its requests accepts what the contract says and nothing else."""

import json

import pytest

from common.catalog.frameworks import App
from common.contract import BAD_DELAY
from common.contract.service import SEEDED, USUAL_ROWS, price_quote, seeded_order
from loadtests.scenarios.workloads import (
    CLOSED,
    ORDER,
    SCENARIOS,
    STEADY,
    Errors,
    Hello,
    Order,
    Orders,
    Place,
    Quotes,
    Shop,
    Sleep,
)
from loadtests.users.responses import Failure, Request

PRICED = b'{"customer": "Ada Lovelace", "items": 5, "total_cents": 39810}'
READ = seeded_order(50)
PAGE = [seeded_order(number) for number in range(51, 51 + USUAL_ROWS)]
WRITTEN = ORDER | {"id": SEEDED + 1, "reference": None, "placed_at": "2026-05-01T12:00:00.5+00:00"}
EXPLAINED = json.dumps({"error": BAD_DELAY}).encode()


def test_every_scenario_is_found_by_its_name_in_alphabetical_order() -> None:
    assert list(SCENARIOS) == [
        "errors",
        "hello",
        "mixed",
        "order",
        "orders",
        "place",
        "quotes",
        "ramp",
        "rate",
        "shop",
        "sleep",
        "sleepers",
    ]
    assert [scenario.name() for scenario in SCENARIOS.values()] == list(SCENARIOS)


def test_each_scenario_has_tasks_and_a_description() -> None:
    for scenario in SCENARIOS.values():
        assert scenario.tasks
        assert (scenario.__doc__ or "").splitlines()[0].endswith((".", ":"))


def test_steady_scenarios_are_those_that_do_not_climb() -> None:
    assert STEADY == ("errors", "hello", "mixed", "order", "orders", "place", "quotes", "rate", "shop", "sleep")


def test_closed_loops_are_the_steady_ones_without_a_rate() -> None:
    assert CLOSED == ("errors", "hello", "mixed", "order", "orders", "place", "quotes", "shop", "sleep")


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
        (Order.order(0), 200, json.dumps(READ).encode()),
        (Order.order(0), 200, json.dumps(READ).replace("+00:00", "Z").encode()),
        (Orders.page(0), 200, json.dumps(PAGE).encode()),
        (Place.place(0), 201, json.dumps(WRITTEN).encode()),
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
        (Order.order(0), 200, json.dumps(READ | {"quantity": 0}).encode(), Failure.WRONG_BODY),
        (Order.order(0), 200, json.dumps(READ).replace("+00:00", "+01:00").encode(), Failure.WRONG_BODY),
        (Order.order(0), 404, json.dumps(READ).encode(), "status 404"),
        (Orders.page(0), 200, json.dumps(PAGE[:-1]).encode(), Failure.WRONG_BODY),
        (Orders.page(0), 200, json.dumps(PAGE[::-1]).encode(), Failure.WRONG_BODY),
        (Place.place(0), 200, json.dumps(WRITTEN).encode(), "status 200"),
        (Place.place(0), 201, json.dumps(WRITTEN | {"id": SEEDED}).encode(), Failure.WRONG_BODY),
        (Place.place(0), 201, json.dumps(WRITTEN | {"sku": "B"}).encode(), Failure.WRONG_BODY),
        (Place.place(0), 201, json.dumps(WRITTEN).replace("+00:00", "").encode(), Failure.WRONG_BODY),
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


def test_quotes_load_the_service_and_orders_an_app_with_a_database() -> None:
    apps = {name: scenario.app for name, scenario in SCENARIOS.items() if scenario.app is not App.APP}
    assert apps == dict.fromkeys(("order", "orders", "place", "shop"), App.ORDERS) | {"quotes": App.SERVICE}


def test_requests_of_a_task_share_its_weight() -> None:
    order, page, quote, place = Shop.tasks
    assert [task.weight for task in (order, page, quote, place)] == [5, 2, 2, 1]
    for task in Shop.tasks:
        assert sum(request.weight for request in task.requests(0)) == pytest.approx(1)
    assert len({request.path for request in order.requests(0)}) == len(order.makes) > 50


def test_wrk_sends_every_path_of_a_task() -> None:
    paths = Order.wrk_paths(0)
    assert paths is not None
    assert sorted(paths) == sorted(request.path for request in Order.tasks[0].requests(0))
    assert Shop.wrk_paths(0) is None


def test_all_sleeps_have_one_name_in_the_statistics() -> None:
    assert {Sleep.sleep(delay_ms).label for delay_ms in (1, 2)} == {"/sleep"}
