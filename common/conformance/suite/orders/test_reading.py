"""Tests of ``GET /orders/{id}`` and ``GET /orders``."""

import httpx
import pytest

from common.conformance.suite.orders.orders import REFUSED, assert_refused, assert_seeded, read
from common.contract.service import MOST_ID, SEEDED, USUAL_ROWS


@pytest.mark.parametrize("number", [1, 42, SEEDED])
def test_order_is_read_whole(client: httpx.Client, number: int) -> None:
    assert_seeded([read(client.get(f"/orders/{number}"))], [number], f"GET /orders/{number}")


def test_order_has_content_type_json(client: httpx.Client) -> None:
    seen = client.get("/orders/1").headers.get("content-type", "(absent)").partition(";")[0].strip().casefold()
    assert seen == "application/json", f"GET /orders/1 has the content type {seen}; expected application/json"


def test_order_that_does_not_exist_is_404(client: httpx.Client) -> None:
    status = client.get(f"/orders/{MOST_ID}").status_code
    assert status == 404, f"GET /orders/{MOST_ID} returns {status}; expected 404"


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", "1e3", "1x", "null", "1%27--"])
def test_what_is_no_id_is_refused(client: httpx.Client, text: str) -> None:
    status = client.get(f"/orders/{text}").status_code
    assert status in REFUSED, f"GET /orders/{text} returns {status}; expected 400 or 422"


@pytest.mark.parametrize("number", [MOST_ID + 1, 10**30])
def test_id_beyond_the_greatest_is_refused_or_not_found(client: httpx.Client, number: int) -> None:
    status = client.get(f"/orders/{number}").status_code
    assert status in {404, *REFUSED}, f"GET /orders/{number} returns {status}; expected 400, 404 or 422"


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ("", 1, USUAL_ROWS),
        ("?after=50", 51, USUAL_ROWS),
        ("?limit=3", 1, 3),
        ("?after=0&limit=1", 1, 1),
        ("?limit=100&after=4321", 4322, 100),
        (f"?after={SEEDED - 10}&limit=10", SEEDED - 9, 10),
    ],
)
def test_orders_are_read_by_id(client: httpx.Client, query: str, first: int, count: int) -> None:
    assert_seeded(read(client.get(f"/orders{query}")), range(first, first + count), f"GET /orders{query}")


def test_no_orders_are_after_the_greatest_id(client: httpx.Client) -> None:
    assert_seeded(read(client.get(f"/orders?after={MOST_ID}")), [], f"GET /orders?after={MOST_ID}")


@pytest.mark.parametrize(
    ("query", "member"),
    [
        *((f"limit={text}", "limit") for text in ("0", "101", "-1", "x", "1.5", "")),
        *((f"after={text}", "after") for text in ("-1", "x", "0.5", "")),
    ],
)
def test_invalid_page_is_refused_by_its_parameter(client: httpx.Client, query: str, member: str) -> None:
    assert_refused(client.get(f"/orders?{query}"), member, f"GET /orders?{query}")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/orders", {"GET", "POST"}), ("DELETE", "/orders", {"GET", "POST"}), ("DELETE", "/orders/1", {"GET"})],
)
def test_other_method_of_orders_is_405_and_names_those_allowed(
    client: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    response = client.request(method, path)
    status, allow = response.status_code, response.headers.get("allow", "")
    assert status == 405, f"{method} {path} returns {status}; expected 405"
    named = {name.strip() for name in allow.split(",")}
    assert allowed <= named, f"{method} {path} returns Allow: {allow or '(absent)'}; expected {', '.join(allowed)}"
