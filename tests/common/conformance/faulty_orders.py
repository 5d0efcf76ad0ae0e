"""Faulty servers of the orders in the contract ``service``."""
# ruff: noqa: ANN401 -- an order is JSON, in which anything may be

from datetime import datetime
from typing import Any, ClassVar

from common.contract.service import MOST_ID, SEEDED
from tests.common.conformance.faults import caught
from tests.common.conformance.good_orders import GoodOrders


@caught("orders/reading", "order_is_read_whole", among="whole or content")
class ForgetsReferences(GoodOrders):
    """Reads an order without its reference."""

    def found(self, number: int) -> dict[str, Any] | None:
        """Leave the reference out."""
        order = super().found(number)
        return None if order is None else order | {"reference": None}


@caught("orders/reading", "order_is_read_whole", "orders_are_read_by_id", among="whole or by_id")
class WritesLocalTimes(GoodOrders):
    """Writes times without an offset."""

    def encode(self, value: object) -> bytes:
        """Cut the offset off."""
        return super().encode(value).replace(b"+00:00", b"")


@caught("orders/reading", "order_has_content_type_json", among="content or whole")
class SaysText(GoodOrders):
    """Says that an order is text."""

    content_type = "text/plain"


@caught("orders/reading", "order_that_does_not_exist_is_404", among="exist or whole")
class AnswersNothingWith200(GoodOrders):
    """Answers with null where there is no order."""

    missing = 200


@caught("orders/reading", "what_is_no_id_is_refused[abc]", among="no_id")
class TakesAnyIdForNumbers(GoodOrders):
    """Takes letters for an id that is missing."""

    def id_of(self, text: str) -> int:
        """Take letters for a number."""
        return MOST_ID if text.isalpha() and text != "null" else super().id_of(text)


@caught("orders/reading", "id_beyond_the_greatest_is_refused_or_not_found", among="beyond")
class OverflowsIds(GoodOrders):
    """Hands an id to its database unchecked."""

    def id_of(self, text: str) -> int:
        """Fail with 500 on what the database refuses."""
        if text.isdecimal() and int(text) > MOST_ID:
            self.refused = 500
        return super().id_of(text)


@caught(
    "orders/reading",
    "orders_are_read_by_id[?after=50-51-20]",
    "orders_are_read_by_id[?limit=100&after=4321-4322-100]",
    f"orders_are_read_by_id[?after={SEEDED - 10}&limit=10-{SEEDED - 9}-10]",
    among="by_id",
)
class IncludesTheOneBefore(GoodOrders):
    """Begins a page with the order that it is to come after."""

    def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Begin too early."""
        return super().page(max(0, after - 1), limit)


@caught("orders/reading", "no_orders_are_after_the_greatest_id", among="greatest_id and orders")
class StartsAgain(GoodOrders):
    """Begins with the first order after the last."""

    def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Begin again."""
        return super().page(0 if after == MOST_ID else after, limit)


@caught("orders/reading", "invalid_page_is_refused_by_its_parameter[limit=101-limit]", among="invalid_page")
class LowersLimits(GoodOrders):
    """Lowers a limit that is too high."""

    def page_of(self, query: str) -> tuple[int, int]:
        """Lower it."""
        return super().page_of(query.replace("limit=101", "limit=100"))


@caught(
    "orders/reading", "other_method_of_orders_is_405_and_names_those_allowed[DELETE-/orders/1-allowed2]", among="405"
)
class Deletes(GoodOrders):
    """Lets an order be deleted."""

    def methods(self) -> set[str]:
        """Accept DELETE."""
        return super().methods() | ({"DELETE"} if self.path.startswith("/orders/") else set())


@caught("orders/placing", "order_is_placed_and_returned_whole", among="whole or conflict")
class TakesIdsFromClients(GoodOrders):
    """Says that an order has the id that the client sent."""

    def checked(self, order: Any) -> tuple[Any, ...]:
        """Keep the id."""
        self.sent = order.get("id") if isinstance(order, dict) else None
        return super().checked(order)

    def as_written(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return the client's id."""
        return order | ({"id": self.sent} if self.sent else {})


@caught("orders/placing", "placed_order_has_the_time_of_its_placing", among="time or whole")
class KeepsOneTime(GoodOrders):
    """Gives every order the time of the first."""

    def as_written(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return an old time."""
        return order | {"placed_at": datetime.fromtimestamp(0).astimezone().isoformat()}


@caught("orders/placing", "location_of_a_placed_order_leads_to_it", among="location or whole")
class LeadsElsewhere(GoodOrders):
    """Leads to another order."""

    def location(self, number: int) -> dict[str, str]:
        """Lead to the order before."""
        return super().location(number - 1)


@caught("orders/placing", "text_is_written_as_it_is", among="text")
class DropsQuotes(GoodOrders):
    """Leaves out what could end a text in SQL, and what is not ASCII."""

    def as_written(self, order: dict[str, Any]) -> dict[str, Any]:
        """Cut names."""
        kept = order["customer"].replace("'", "").replace('"', "").encode("ascii", "ignore").decode()[:99]
        return order | {"customer": kept}


@caught("orders/placing", "second_order_with_a_reference_gets_409_and_is_not_written", among="409 or conflict")
class ChangesTheFirst(GoodOrders):
    """Writes over the order that has the reference already."""

    def place(self, values: tuple[Any, ...]) -> None:
        """Change it."""
        for row in self.rows.values():
            if values[0] is not None and row["reference"] == values[0]:
                row["quantity"] = values[3]
        super().place(values)


@caught("orders/placing", "orders_without_a_reference_do_not_conflict", among="do_not_conflict or 409")
class NullsConflict(GoodOrders):
    """Takes two missing references for the same."""

    unnamed: ClassVar[set[int]] = set()

    def place(self, values: tuple[Any, ...]) -> None:
        """Refuse the second order without a reference."""
        if values[0] is None and id(self.server) in self.unnamed:
            self.answer(self.conflict, self.encode({"error": "conflict"}))
            return
        if values[0] is None:
            self.unnamed.add(id(self.server))
        super().place(values)


@caught("orders/placing", "invalid_order_is_refused_by_its_member[quantity True]", among="invalid_order")
class TakesTrueForANumber(GoodOrders):
    """Takes true for one."""

    def checked(self, order: Any) -> tuple[Any, ...]:
        """Convert it."""
        if isinstance(order, dict) and order.get("quantity") is True:
            order = order | {"quantity": 1}
        return super().checked(order)


@caught("orders/placing", "body_that_is_no_order_is_refused", among="no_order")
class FailsOnBodies(GoodOrders):
    """Fails with 500 where a body is no order."""

    refused = 500


@caught("orders/placing", "orders_placed_at_once_are_all_written", among="at_once")
class SharesTheLatest(GoodOrders):
    """Keeps the order that is being placed where all requests share it."""

    latest: ClassVar[tuple[Any, ...]] = ()

    def checked(self, order: Any) -> tuple[Any, ...]:
        """Wait, and return whichever order came last."""
        type(self).latest = super().checked(order)
        self.stopping.wait(0.2)
        return self.latest


@caught("orders/orders_openapi", "orders_match_their_openapi_document")
class AddsACurrency(GoodOrders):
    """Returns a member more than its document lists."""

    def found(self, number: int) -> dict[str, Any] | None:
        """Add one."""
        order = super().found(number)
        return None if order is None else order | {"currency": "EUR"}

    def as_written(self, order: dict[str, Any]) -> dict[str, Any]:
        """Add one."""
        return super().as_written(order) | {"currency": "EUR"}
