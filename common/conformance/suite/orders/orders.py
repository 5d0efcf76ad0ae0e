"""Orders to place, and what is asserted of responses with orders."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from common.contract.service import seeded_order

NEW: Mapping[str, Any] = {"customer": "Grace Hopper", "sku": "A-1", "quantity": 3, "price_cents": 250}
REFUSED = (400, 422)
SHOWN = 120
"""The number of characters of a body that messages show."""


def post(client: httpx.Client, order: object) -> httpx.Response:
    """Send an order."""
    return client.post("/orders", content=json.dumps(order), headers={"Content-Type": "application/json"})


def read(response: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401 -- JSON
    """Return what a response says; assert that it has this status and is JSON."""
    what = f"{response.request.method} {response.request.url.raw_path.decode()}"
    assert response.status_code == status, f"{what} returns {response.status_code}; expected {status}"
    try:
        return response.json()
    except ValueError:
        raise AssertionError(f"{what} returns {response.text[:SHOWN]!r}; expected JSON") from None


def placed(client: httpx.Client, order: object) -> dict[str, Any]:
    """Place an order, and return what the response says."""
    written = read(post(client, order), 201)
    assert isinstance(written, dict), f"POST /orders returns {str(written)[:SHOWN]}; expected an order"
    return written


def assert_seeded(orders: Any, numbers: Sequence[int], what: str) -> None:  # noqa: ANN401 -- JSON
    """Assert that a response lists these orders as they were seeded, with the instants of their times."""
    expected = [seeded_order(number) for number in numbers]
    assert isinstance(orders, list), f"{what} returns {str(orders)[:SHOWN]}; expected a list"
    assert len(orders) == len(expected), f"{what} returns {len(orders)} orders; expected {len(expected)}"
    for seen, right in zip(orders, expected, strict=True):
        assert with_instant(seen) == with_instant(right), f"{what} returns {str(seen)[:SHOWN]}; expected {right}"


def with_instant(order: Any) -> Any:  # noqa: ANN401 -- JSON
    """Return an order whose time is compared as an instant; a time without an offset stays as it is."""
    try:
        placed_at = datetime.fromisoformat(order["placed_at"])
    except (KeyError, TypeError, ValueError):
        return order
    return order | {"placed_at": placed_at} if placed_at.tzinfo is not None else order


def assert_refused(response: httpx.Response, member: str, what: str) -> None:
    """Assert that a response refuses a request with JSON that names the member."""
    status = response.status_code
    assert status in REFUSED, f"{what} returns {status}; expected 400 or 422"
    assert member in json.dumps(read(response, status)), f"{what} returns {response.text[:SHOWN]}; expected {member}"
