"""Tests of ``POST /orders``."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from common.conformance.suite.orders.orders import NEW, REFUSED, assert_refused, placed, post, read, with_instant
from common.contract.service import SEEDED

AT_ONCE = 8
TEXTS = ["'); DROP TABLE orders; --", "Zo\u00eb \U0001f600", '"\\/\n\t<>&%s$1{}', "A" * 100]
INVALID: dict[str, tuple[object, str]] = {
    **{f"no {name}": ({member: value for member, value in NEW.items() if member != name}, name) for name in NEW},
    **{
        f"{name} {value!r}": ({**NEW, name: value}, name)
        for name, values in {
            "customer": ("", 5, None, "A" * 101),
            "sku": ("", ["A"], "A" * 33),
            "quantity": (0, 1001, "2", True, 1.5, None),
            "price_cents": (-1, 1_000_000_001, "1", False),
            "reference": ("", 5, "r" * 65),
        }.items()
        for value in values
    },
}


def test_order_is_placed_and_returned_whole(client: httpx.Client) -> None:
    written = placed(client, {**NEW, "note": "ignored", "id": 1})
    known = {name: value for name, value in written.items() if name not in {"id", "placed_at"}}
    assert known == {**NEW, "reference": None}, f"POST /orders returns {written}; expected what was sent"
    assert type(written.get("id")) is int, f"POST /orders returns {written}; expected a number as its id"
    assert written["id"] > SEEDED, f"POST /orders returns the id {written['id']}; expected one that is new"


def test_placed_order_has_the_time_of_its_placing(client: httpx.Client) -> None:
    placed_at = with_instant(placed(client, NEW)).get("placed_at")
    assert isinstance(placed_at, datetime), (
        f"POST /orders returns the time {placed_at}; expected RFC 3339 with an offset"
    )
    assert abs(datetime.now(UTC) - placed_at) < timedelta(minutes=5), f"POST /orders returns the time {placed_at}"


def test_location_of_a_placed_order_leads_to_it(client: httpx.Client) -> None:
    response = post(client, NEW)
    written, location = read(response, 201), response.headers.get("location", "(absent)")
    assert urlsplit(location).path == f"/orders/{written.get('id')}", f"POST /orders returns Location: {location}"
    seen = read(client.get(location))
    assert with_instant(seen) == with_instant(written), f"GET {location} returns {seen}; expected {written}"


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:4].encode("unicode_escape").decode())
def test_text_is_written_as_it_is(client: httpx.Client, text: str) -> None:
    written = placed(client, {**NEW, "customer": text})
    seen = read(client.get(f"/orders/{written['id']}"))["customer"]
    assert seen == text, f"the customer {text!r} is read as {seen!r}"


def test_second_order_with_a_reference_gets_409_and_is_not_written(client: httpx.Client) -> None:
    order = {**NEW, "reference": secrets.token_hex(8)}
    first = placed(client, order)
    assert first["reference"] == order["reference"], f"POST /orders returns the reference {first['reference']}"
    read(post(client, {**order, "quantity": 4}), 409)
    later = read(client.get(f"/orders?after={first['id']}&limit=100"))
    assert all(written["reference"] != order["reference"] for written in later), "an order that got 409 was written"
    seen = read(client.get(f"/orders/{first['id']}"))["quantity"]
    assert seen == order["quantity"], f"an order that got 409 changed the first one's quantity to {seen}"


def test_orders_without_a_reference_do_not_conflict(client: httpx.Client) -> None:
    assert len({placed(client, order)["id"] for order in (NEW, NEW, {**NEW, "reference": None})}) == 3


@pytest.mark.parametrize("name", INVALID)
def test_invalid_order_is_refused_by_its_member(client: httpx.Client, name: str) -> None:
    order, member = INVALID[name]
    assert_refused(post(client, order), member, f"POST /orders with {name}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
def test_body_that_is_no_order_is_refused(client: httpx.Client, body: bytes) -> None:
    status = client.post("/orders", content=body, headers={"Content-Type": "application/json"}).status_code
    assert status in REFUSED, f"POST /orders with {body!r} returns {status}; expected 400 or 422"


def test_orders_placed_at_once_are_all_written(client: httpx.Client) -> None:
    def place(number: int) -> dict[str, Any]:
        return placed(client, {**NEW, "quantity": number + 1})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        written = list(pool.map(place, range(AT_ONCE)))
    assert [order["quantity"] for order in written] == list(range(1, AT_ONCE + 1)), "orders were mixed up"
    for order in written:
        seen = read(client.get(f"/orders/{order['id']}"))
        assert with_instant(seen) == with_instant(order), f"order {order['id']} is read as {seen}"
