"""A correct server of the whole contract ``service``, with orders in memory; each faulty one overrides a method."""

import json
import threading
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from common.contract.service import (
    SEEDED,
    as_json,
    parse_id,
    parse_order,
    parse_page,
    seeded_order,
)
from tests.common.conformance.good_service import GoodService


class GoodOrders(GoodService):
    """A correct server of quotes and orders."""

    written: ClassVar[defaultdict[str, dict[int, dict[str, Any]]]] = defaultdict(dict)
    """The orders that were placed, by server and by id."""
    lock: ClassVar[threading.Lock] = threading.Lock()
    conflict: ClassVar[int] = 409
    missing: ClassVar[int] = 404

    @property
    def rows(self) -> dict[int, dict[str, Any]]:
        """The orders that were placed here."""
        return self.written[f"{type(self).__name__} {id(self.server)}"]

    def is_known(self, path: str) -> bool:
        """Return whether the contract lists a path."""
        return super().is_known(path) or path == "/orders" or (path.startswith("/orders/") and path.count("/") == 2)

    def methods(self) -> set[str]:
        """Return the methods that are accepted."""
        return {"/quotes": {"POST"}, "/orders": {"GET", "POST"}}.get(self.path.partition("?")[0], {"GET"})

    def wrong_method(self) -> None:
        """Refuse a method, and name those that are accepted."""
        self.answer(405, self.encode({"error": "method"}), {"Allow": ", ".join(sorted(self.methods()))})

    def route(self) -> None:
        """Answer one request."""
        path, _, query = self.path.partition("?")
        if path == "/quotes" or not self.is_known(path) or self.command not in self.methods():
            if path != "/quotes" and self.is_known(path):
                self.received()
                self.wrong_method()
            else:
                super().route()
            return
        body = self.received()
        try:
            if self.command == "POST":
                self.place(self.checked(self.parsed(body)))
            elif path == "/orders":
                self.answer(200, self.encode(self.page(*self.page_of(query))))
            else:
                self.order(self.id_of(unquote(path.removeprefix("/orders/"))))
        except ValueError as error:
            self.refuse(str(error))

    def id_of(self, text: str) -> int:
        """Return the id in a path."""
        return parse_id(text)

    def page_of(self, query: str) -> tuple[int, int]:
        """Return the parameters of a page."""
        given = parse_qs(query, keep_blank_values=True)
        after, limit = (given.get(name, [None])[0] for name in ("after", "limit"))
        return parse_page(after, limit)

    def found(self, number: int) -> dict[str, Any] | None:
        """Return an order."""
        return seeded_order(number) if number <= SEEDED else self.rows.get(number)

    def order(self, number: int) -> None:
        """Answer ``GET /orders/{id}``."""
        order = self.found(number)
        if order is None:
            self.answer(self.missing, self.encode({"error": "no order"}))
        else:
            self.answer(200, self.encode(order))

    def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return the orders of a page."""
        last = SEEDED + len(self.rows)
        orders = (self.found(number) for number in range(after + 1, min(after + limit, last) + 1))
        return [order for order in orders if order is not None]

    def checked(self, order: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- JSON
        """Return the values of an order."""
        return parse_order(order)

    def place(self, values: tuple[Any, ...]) -> None:
        """Answer ``POST /orders``."""
        with self.lock:
            if values[0] is not None and any(row["reference"] == values[0] for row in self.rows.values()):
                self.answer(self.conflict, self.encode({"error": "conflict"}))
                return
            number = SEEDED + 1 + len(self.rows)
            order = self.rows[number] = self.as_written(as_json((number, *values, datetime.now(UTC))))
        self.answer(201, json.dumps(order).encode(), self.location(number))

    def as_written(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return an order as it is written."""
        return order

    def location(self, number: int) -> dict[str, str]:
        """Return the header that leads to an order."""
        return {"Location": f"/orders/{number}"}
