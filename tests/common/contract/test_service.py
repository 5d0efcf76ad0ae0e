"""Tests of the parsing function of the contract ``service``: it prices a valid quote and names what is invalid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contract.service import MOST_CENTS, MOST_QUANTITY, price_quote

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
