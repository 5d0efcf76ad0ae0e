"""Quotes to send, and what is asserted of every response to one."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import httpx

from common.conformance.wire import Response, Wire

QUOTE: Mapping[str, Any] = {
    "customer": "Grace Hopper",
    "items": [{"sku": "A-1", "quantity": 3, "price_cents": 250}, {"sku": "B-2", "quantity": 1, "price_cents": 99}],
}
JSON = {"Content-Type": "application/json"}
REFUSED = (400, 422)
SHOWN = 80
"""The number of characters of a body that messages show."""


def item(**members: object) -> dict[str, object]:
    """Return a valid item with these members in place of its own."""
    return {"sku": "A-1", "quantity": 2, "price_cents": 125} | members


def quote(*items: object, **members: object) -> dict[str, object]:
    """Return a valid quote with these items and members in place of its own."""
    return {"customer": "Ada", "items": list(items) or [item()]} | members


def without(parent: Mapping[str, object], name: str) -> dict[str, object]:
    """Return an object without one of its members."""
    return {member: value for member, value in parent.items() if member != name}


def priced(document: Mapping[str, Any]) -> dict[str, object]:
    """Return the body of the response to a valid quote."""
    total = sum(item["quantity"] * item["price_cents"] for item in document["items"])
    return {"customer": document["customer"], "items": len(document["items"]), "total_cents": total}


def post(client: httpx.Client, document: object) -> httpx.Response:
    """Send a quote."""
    return post_bytes(client, json.dumps(document).encode())


def post_bytes(client: httpx.Client, body: bytes, headers: Mapping[str, str] = JSON) -> httpx.Response:
    """Send a body as it is."""
    return client.post("/quotes", content=body, headers=dict(headers))


def request(wire: Wire, body: bytes, *headers: str) -> bytes:
    """Return the bytes of a request with this body."""
    return wire.request("/quotes", "Content-Type: application/json", *headers, method="POST", body=body)


def send(wire: Wire, document: object, *headers: str) -> None:
    """Send a quote on a connection, without waiting for the response."""
    wire.send(request(wire, json.dumps(document).encode(), *headers))


def assert_priced(response: httpx.Response | Response, document: Mapping[str, Any], what: str = "a quote") -> None:
    """Assert that a response has the status and the body that a valid quote must get."""
    status = _status(response)
    assert status == HTTPStatus.CREATED, f"POST /quotes with {what} returns {status}; expected 201"
    assert_price(response, document, what)


def assert_price(response: httpx.Response | Response, document: Mapping[str, Any], what: str = "a quote") -> None:
    """Assert that a response has the body that a valid quote must get."""
    expected, body = priced(document), _body(response)
    assert _parsed(body) == expected, (
        f"POST /quotes with {what} returns {body[:SHOWN].decode(errors='replace')}; expected {expected}"
    )


def assert_refused(
    response: httpx.Response | Response, what: str, statuses: Sequence[int] = REFUSED, *, member: str = ""
) -> None:
    """Assert that a response refuses a quote with JSON that names the member."""
    status, body = _status(response), _body(response)
    assert status in statuses, f"POST /quotes with {what} returns {status}; expected {_either(statuses)}"
    assert_explained(body, what, member=member)


def assert_explained(body: bytes, what: str, *, member: str = "") -> None:
    """Assert that a body is JSON that names the member."""
    shown = body[:SHOWN].decode(errors="replace")
    parsed = _parsed(body)
    assert parsed is not None, f"POST /quotes with {what} returns {shown!r}; expected JSON"
    assert member in json.dumps(parsed), f"POST /quotes with {what} returns {shown}; expected the name {member} in it"


def _parsed(body: bytes) -> object:
    """Return the value of a JSON body; ``None`` if it is not JSON in UTF-8."""
    try:
        return json.loads(body.decode())
    except ValueError:
        return None


def _status(response: httpx.Response | Response) -> int:
    return response.status_code if isinstance(response, httpx.Response) else response.status


def _body(response: httpx.Response | Response) -> bytes:
    return response.content if isinstance(response, httpx.Response) else response.body


def _either(statuses: Sequence[int]) -> str:
    *first, last = map(str, statuses)
    return f"{', '.join(first)} or {last}"
