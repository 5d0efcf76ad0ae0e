"""Tests of the parsing function of the contract ``service``: it prices a valid quote and names what is invalid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract.service import (
    MOST_CENTS,
    MOST_ID,
    MOST_QUANTITY,
    SEEDED,
    USUAL_ROWS,
    parse_id,
    parse_order,
    parse_page,
    price_quote,
    seeded_order,
)

ITEM: dict[str, Any] = {"sku": "A-1", "quantity": 2, "price_cents": 125}
QUOTE: dict[str, Any] = {"customer": "Ada", "items": [ITEM]}


def test_price_is_the_sum_of_quantity_times_price() -> None:
    second = ITEM | {"quantity": 3, "price_cents": 1}
    assert price_quote(QUOTE | {"items": [ITEM, second]}) == {"customer": "Ada", "items": 2, "total_cents": 253}


@given(st.integers(1, MOST_QUANTITY), st.integers(0, MOST_CENTS), st.text(min_size=1, max_size=100))
def test_every_number_and_name_within_the_limits_is_accepted(quantity: int, cents: int, customer: str) -> None:
    quote = {"customer": customer, "items": [ITEM | {"quantity": quantity, "price_cents": cents}]}
    assert price_quote(quote) == {"customer": customer, "items": 1, "total_cents": quantity * cents}


def test_members_that_are_not_listed_are_ignored() -> None:
    assert price_quote(QUOTE | {"note": None, "items": [ITEM | {"colour": 5}]})["total_cents"] == 250


@pytest.mark.parametrize(
    ("quote", "member"),
    [
        (None, "customer"),
        ([QUOTE], "customer"),
        ({"items": [ITEM]}, "customer"),
        *((QUOTE | {"customer": value}, "customer") for value in ("", "A" * 101, 5, None, ["Ada"])),
        ({"customer": "Ada"}, "items"),
        *((QUOTE | {"items": value}, "items") for value in ([], ITEM, "A-1", None, [ITEM] * 101, [None], ["A-1"])),
        *((QUOTE | {"items": [ITEM | {"sku": value}]}, "sku") for value in ("", "A" * 33, 5, None)),
        *(
            (QUOTE | {"items": [ITEM | {"quantity": value}]}, "quantity")
            for value in (0, 1001, -1, "2", True, 2.0, None)
        ),
        *(
            (QUOTE | {"items": [ITEM, ITEM | {"price_cents": value}]}, "price_cents")
            for value in (-1, MOST_CENTS + 1, "125", False, 1.5, None)
        ),
    ],
)
def test_what_is_missing_or_invalid_is_refused_by_its_name(quote: object, member: str) -> None:
    with pytest.raises(ValueError, match=member):
        price_quote(quote)


ORDER = ITEM | {"customer": "Ada"}


def test_an_order_has_a_reference_or_none() -> None:
    assert parse_order(ORDER | {"note": 5}) == (None, "Ada", "A-1", 2, 125)
    assert parse_order(ORDER | {"reference": None})[0] is None
    assert parse_order(ORDER | {"reference": "r" * 64})[0] == "r" * 64


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"reference": ""}, "reference"),
        ({"reference": "r" * 65}, "reference"),
        ({"reference": 5}, "reference"),
        ({"customer": None}, "customer"),
        ({"sku": "A" * 33}, "sku"),
        ({"quantity": True}, "quantity"),
        ({"price_cents": MOST_CENTS + 1}, "price_cents"),
    ],
)
def test_an_invalid_order_is_refused_by_its_member(changes: dict[str, object], member: str) -> None:
    with pytest.raises(ValueError, match=member):
        parse_order(ORDER | changes)


@pytest.mark.parametrize("body", [None, [ORDER], "order", 5])
def test_what_is_no_object_is_no_order(body: object) -> None:
    with pytest.raises(ValueError, match="customer"):
        parse_order(body)


@given(st.integers(1, MOST_ID))
def test_every_id_is_read(number: int) -> None:
    assert parse_id(str(number)) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", " 1", "1.0", "1_0", "\u0661", str(MOST_ID + 1), "9" * 30])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="id must be"):
        parse_id(text)


def test_a_page_begins_at_the_first_order_unless_it_is_told_otherwise() -> None:
    assert parse_page(None, None) == (0, USUAL_ROWS)
    assert parse_page("0", "100") == (0, 100)
    for after, limit, name in (("x", None, "after"), ("", None, "after"), (None, "0", "limit"), (None, "101", "limit")):
        with pytest.raises(ValueError, match=name):
            parse_page(after, limit)


def test_a_seeded_order_follows_from_its_id() -> None:
    assert seeded_order(SEEDED) == {
        "id": 10_000, "reference": "seed-10000", "customer": "Customer 30", "sku": "SKU-32", "quantity": 1,
        "price_cents": 90_000, "placed_at": "2026-01-01T02:46:40+00:00",
    }  # fmt: skip
