"""Tests of ``POST /quotes``: what it returns, and the documents that it refuses."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from common.conformance.suite.service.quotes import (
    QUOTE,
    REFUSED,
    assert_explained,
    assert_price,
    assert_priced,
    item,
    post,
    priced,
    quote,
    send,
    without,
)
from common.conformance.wire import Wire

GOOD: dict[str, Any] = {
    "two items": QUOTE,
    "a hundred items": quote(*(item(sku=f"A-{number}", quantity=number) for number in range(1, 101))),
    "the same item twice": quote(item(), item()),
    "least numbers": quote(item(quantity=1, price_cents=0)),
    "greatest numbers": quote(item(quantity=1000, price_cents=1_000_000_000)),
    "greatest total": quote(*[item(quantity=1000, price_cents=1_000_000_000)] * 100),
    "a short name": quote(customer="A"),
    "a long name": quote(customer="A" * 100),
    "a long name beyond ASCII": quote(customer="\u00e9" * 100),
    "a long name of emoji": quote(customer="\U0001f600" * 100),
    "a name of escapes": quote(customer="\"\\/\n\t\u2028<>&'"),
    "a name between spaces": quote(customer="  Ada  "),
    "a name of a space": quote(customer=" "),
    "a name of digits": quote(customer="42"),
    "a long sku": quote(item(sku="\u00e9" * 32)),
    "a sku of a space": quote(item(sku=" ")),
    "members in another order": {"items": [{"price_cents": 5, "quantity": 4, "sku": "x"}], "customer": "Ada"},
}
EXTRA: dict[str, Any] = {
    "an unknown member": quote(note="urgent"),
    "an unknown object": quote(extra={"customer": 5, "items": None}),
    "an unknown member of an item": quote(item(colour=None)),
    "members of the response": quote(total_cents=-1, id=5),
}
INVALID_TEXTS: dict[str, Any] = {
    "null": None,
    "empty": "",
    "a number": 5,
    "true": True,
    "a list": ["A"],
    "an object": {},
}
INVALID_NUMBERS: dict[str, Any] = {
    "null": None,
    "text": "2",
    "empty text": "",
    "true": True,
    "false": False,
    "a fraction": 1.5,
    "minus one": -1,
    "a list": [2],
    "an object": {},
}
BAD: dict[str, tuple[Any, str]] = {
    "no customer": (without(quote(), "customer"), "customer"),
    **{f"customer {name}": (quote(customer=value), "customer") for name, value in INVALID_TEXTS.items()},
    "customer of 101 characters": (quote(customer="\u00e9" * 101), "customer"),
    "no items": (without(quote(), "items"), "items"),
    "items null": (quote(items=None), "items"),
    "items empty": (quote(items=[]), "items"),
    "items an object": (quote(items=item()), "items"),
    "items text": (quote(items="A-1"), "items"),
    "items a number": (quote(items=1), "items"),
    "101 items": (quote(*[item()] * 101), "items"),
    "an item null": (quote(None), "items"),
    "an item of text": (quote("A-1"), "items"),
    "an item a list": (quote(["A-1", 2, 125]), "items"),
    **{f"no {name}": (quote(without(item(), name)), name) for name in item()},
    **{f"sku {name}": (quote(item(sku=value)), "sku") for name, value in INVALID_TEXTS.items()},
    "sku of 33 characters": (quote(item(sku="A" * 33)), "sku"),
    **{
        f"{member} {name}": (quote(item(**{member: value})), member)
        for member in ("quantity", "price_cents")
        for name, value in INVALID_NUMBERS.items()
    },
    "quantity 0": (quote(item(quantity=0)), "quantity"),
    "quantity 1001": (quote(item(quantity=1001)), "quantity"),
    "price_cents over the greatest": (quote(item(price_cents=1_000_000_001)), "price_cents"),
    "price_cents beyond 64 bits": (quote(item(price_cents=10**30)), "price_cents"),
    "the last of a hundred items": (quote(*[item()] * 99, item(quantity=0)), "quantity"),
}

good_quotes = pytest.mark.parametrize("name", GOOD)
bad_quotes = pytest.mark.parametrize("name", BAD)


@good_quotes
def test_quote_is_answered_with_201(client: httpx.Client, name: str) -> None:
    status = post(client, GOOD[name]).status_code
    assert status == 201, f"POST /quotes with {name} returns {status}; expected 201"


@good_quotes
def test_quote_states_customer_items_and_total(client: httpx.Client, name: str) -> None:
    assert_price(post(client, GOOD[name]), GOOD[name], name)


@pytest.mark.parametrize("name", EXTRA)
def test_unknown_members_are_ignored(client: httpx.Client, name: str) -> None:
    assert_priced(post(client, EXTRA[name]), EXTRA[name], name)


def test_quote_has_content_type_json(client: httpx.Client) -> None:
    media_type = post(client, QUOTE).headers.get("content-type", "(absent)").partition(";")[0].strip().casefold()
    assert media_type == "application/json", (
        f"POST /quotes has the content type {media_type}; expected application/json"
    )


@bad_quotes
def test_bad_quote_is_refused(client: httpx.Client, name: str) -> None:
    status = post(client, BAD[name][0]).status_code
    assert status in {400, 422}, f"POST /quotes with {name} returns {status}; expected 400 or 422"


@bad_quotes
def test_bad_quote_is_explained_in_json_that_names_the_member(client: httpx.Client, name: str) -> None:
    document, member = BAD[name]
    response = post(client, document)
    if response.status_code in REFUSED:  # any other status is the test's above
        assert_explained(response.content, name, member=member)


def test_quotes_are_not_mixed_up(connect: Callable[[], Wire]) -> None:
    documents = [quote(*[item(quantity=number)] * number, customer=f"Ada {number}") for number in range(1, 9)]
    wires = [connect() for _ in documents]
    for wire, document in zip(wires, documents, strict=True):
        send(wire, document, "Connection: close")
    for wire, document in zip(wires, documents, strict=True):
        assert_priced(wire.response(), document, f"{priced(document)['items']} items beside others")
        wire.close()
