"""The contract of ``service.py``: its limits, and the one parsing function for frameworks without validation.

``service.json`` beside this file states the same contract as an OpenAPI 3.1 document.
"""

from typing import Any

LONGEST_CUSTOMER = 100
"""The most characters of the name of a customer; the fewest is one."""
MOST_ITEMS = 100
LONGEST_SKU = 32
MOST_QUANTITY = 1000
MOST_CENTS = 1_000_000_000


def price_quote(quote: Any) -> dict[str, object]:  # noqa: ANN401 -- JSON
    """Return the response to ``POST /quotes`` with this parsed body.

    Raise ``ValueError`` naming the first member that is missing or invalid. Other members are ignored.
    """
    if not isinstance(quote, dict):
        raise ValueError("the body must be an object with customer and items")  # noqa: TRY004 -- of what a client sends, as below
    customer = _text(quote, "customer", LONGEST_CUSTOMER)
    items = quote.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise ValueError(f"items must be a list of 1 to {MOST_ITEMS} objects")
    return {"customer": customer, "items": len(items), "total_cents": sum(map(_cents, items))}


def _cents(item: Any) -> int:  # noqa: ANN401 -- JSON
    if not isinstance(item, dict):
        raise ValueError("items must hold objects with sku, quantity and price_cents")  # noqa: TRY004
    _text(item, "sku", LONGEST_SKU)
    return _number(item, "quantity", 1, MOST_QUANTITY) * _number(item, "price_cents", 0, MOST_CENTS)


def _text(parent: dict[str, Any], name: str, longest: int) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise ValueError(f"{name} must be a text of 1 to {longest} characters")
    return value


def _number(parent: dict[str, Any], name: str, least: int, most: int) -> int:
    value = parent.get(name)
    if type(value) is not int or not least <= value <= most:  # isinstance would take true for 1
        raise ValueError(f"{name} must be a whole number from {least} to {most}")
    return value
