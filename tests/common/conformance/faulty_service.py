"""Faulty servers of the contract ``service``."""
# ruff: noqa: ANN401 -- a quote is JSON, in which anything may be

import html
import json
from collections.abc import Callable
from typing import Any, ClassVar

from tests.common.conformance.faults import caught
from tests.common.conformance.good_service import GoodService


def with_items(quote: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a quote whose items are changed, as far as it has any."""
    items = quote.get("items") if isinstance(quote, dict) else None
    if not isinstance(items, list):
        return quote
    return quote | {"items": [change(item) if isinstance(item, dict) else item for item in items]}


def converted(item: dict[str, Any], kind: type) -> dict[str, Any]:
    """Return an item whose quantity, where it is a positive number of this type, is made an ``int``."""
    quantity: Any = item.get("quantity")
    try:
        number = int(quantity)
    except (TypeError, ValueError):
        return item
    return item | {"quantity": number} if type(quantity) is kind and number > 0 else item


@caught("service/quotes", "quote_is_answered_with_201", "unknown_members_are_ignored", among="not mixed")
class AnswersWith200(GoodService):
    """Answers a quote with 200."""

    created = 200


@caught("service/quotes", "quote_states_customer_items_and_total", "unknown_members_are_ignored", among="not mixed")
class ForgetsQuantities(GoodService):
    """Adds prices without multiplying them."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Add prices."""
        return super().price(quote) | {"total_cents": sum(item["price_cents"] for item in quote["items"])}


@caught("service/quotes", "quote_states_customer_items_and_total[greatest total]", among="states")
class Wraps32Bits(GoodService):
    """Keeps a total in 47 bits."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Cut a total."""
        priced = super().price(quote)
        return priced | {"total_cents": priced["total_cents"] % 2**46}


@caught(
    "service/quotes", "quote_states_customer_items_and_total[the same item twice]", among="states and (same or two)"
)
class DropsRepeatedItems(GoodService):
    """Counts equal items once."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Drop items that were seen."""
        priced = super().price(quote)
        return priced | {"items": len({json.dumps(item) for item in quote["items"]})}


@caught(
    "service/quotes", "quote_states_customer_items_and_total[a name between spaces]", among="states and (spaces or two)"
)
class StripsNames(GoodService):
    """Strips the spaces around a name."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Strip the name."""
        priced = super().price(quote)
        return priced | {"customer": priced["customer"].strip()}


@caught(
    "service/quotes", "quote_states_customer_items_and_total[a name of escapes]", among="states and (escapes or two)"
)
class EscapesHtml(GoodService):
    """Escapes names for HTML."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Escape the name."""
        priced = super().price(quote)
        return priced | {"customer": html.escape(priced["customer"])}


@caught(
    "service/quotes", "quote_states_customer_items_and_total", "unknown_members_are_ignored", among="states or ignored"
)
class TotalAsText(GoodService):
    """Sends the total as text."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Send text."""
        priced = super().price(quote)
        return priced | {"total_cents": str(priced["total_cents"])}


@caught("service/quotes", "unknown_members_are_ignored", among="not mixed")
class RefusesUnknownMembers(GoodService):
    """Refuses members that it does not know."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Refuse unknown members."""
        priced = super().price(quote)
        if set(quote) - {"customer", "items"} or any(len(item) > 3 for item in quote["items"]):
            raise ValueError("unknown member")
        return priced


@caught("service/quotes", "unknown_members_are_ignored[members of the response]", among="ignored")
class TakesTheTotalFromTheClient(GoodService):
    """Lets a client overwrite the total."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Merge what was sent."""
        return super().price(quote) | {name: value for name, value in quote.items() if name == "total_cents"}


@caught("service/quotes", "quote_has_content_type_json", among="content_type")
class SaysTextHtml(GoodService):
    """Says that its JSON is HTML."""

    content_type = "text/html"


@caught("service/quotes", "bad_quote_is_refused", among="refused")
class AnswersWith500(GoodService):
    """Lets invalid quotes raise."""

    refused = 500


@caught("service/quotes", "bad_quote_is_refused", among="refused or names")
class AcceptsEverything(GoodService):
    """Validates nothing."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Accept what is invalid."""
        try:
            return super().price(quote)
        except ValueError:
            return {"customer": "", "items": 0, "total_cents": 0}


@caught("service/quotes", "bad_quote_is_refused[quantity true]", among="refused")
class TakesTrueForOne(GoodService):
    """Takes a bool for a number."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Convert a bool."""
        return super().price(with_items(quote, lambda item: converted(item, bool)))


@caught("service/quotes", "bad_quote_is_refused[quantity text]", among="refused")
class TakesTextForNumbers(GoodService):
    """Takes digits in quotes for a number."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Convert a text."""
        return super().price(with_items(quote, lambda item: converted(item, str)))


@caught("service/quotes", "bad_quote_is_refused[quantity a fraction]", among="refused")
class RoundsFractions(GoodService):
    """Rounds 1.5."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Convert a fraction."""
        return super().price(with_items(quote, lambda item: converted(item, float)))


@caught("service/quotes", "bad_quote_is_refused[quantity 1001]", among="refused")
class OffByOne(GoodService):
    """Accepts one more than the greatest quantity."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Lower the quantity."""
        return super().price(
            with_items(quote, lambda item: item | ({"quantity": 1} if item.get("quantity") == 1001 else {}))
        )


@caught("service/quotes", "bad_quote_is_refused[the last of a hundred items]", among="refused")
class ValidatesTheFirstTen(GoodService):
    """Validates only the first ten items."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Leave out later items of a long list."""
        items = quote.get("items")
        return super().price(quote | {"items": items[:10]} if isinstance(items, list) and len(items) <= 100 else quote)


@caught("service/quotes", "bad_quote_is_refused[101 items]", among="refused")
class TakesAnyNumberOfItems(GoodService):
    """Does not count items."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Leave out items beyond the hundredth."""
        items = quote.get("items")
        return super().price(quote | {"items": items[:100]} if isinstance(items, list) else quote)


@caught("service/quotes", "bad_quote_is_refused[customer of 101 characters]", among="refused")
class CutsNames(GoodService):
    """Cuts a long name."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Cut the name."""
        name = quote.get("customer")
        return super().price(quote | {"customer": name[:100]} if isinstance(name, str) else quote)


@caught(
    "service/quotes",
    "quote_is_answered_with_201[a long name of emoji]",
    "quote_is_answered_with_201[a long name beyond ASCII]",
    among="with_201",
)
class CountsBytes(GoodService):
    """Counts the bytes of a name."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Count bytes."""
        if len(str(quote.get("customer")).encode()) > 100:
            raise ValueError("customer is too long")
        return super().price(quote)


@caught("service/quotes", "bad_quote_is_explained_in_json_that_names_the_member", among="refused or names")
class SaysOnlyBadRequest(GoodService):
    """Refuses without naming a member."""

    def refuse(self, _reason: str) -> None:
        """Say little."""
        super().refuse("bad request")


@caught("service/quotes", "bad_quote_is_explained_in_json_that_names_the_member", among="refused or names")
class RefusesInHtml(GoodService):
    """Refuses with a page."""

    def refuse(self, reason: str) -> None:
        """Send HTML."""
        self.answer(self.refused, f"<p>{reason}</p>".encode())


@caught("service/quotes", "quotes_are_not_mixed_up", among="mixed")
class SharesItsState(GoodService):
    """Keeps the quote of a request where all requests share it."""

    latest: ClassVar[dict[str, Any]] = {}

    def price(self, quote: Any) -> dict[str, Any]:
        """Wait, and return the price of whichever quote came last."""
        type(self).latest = super().price(quote)
        self.stopping.wait(0.2)
        return self.latest


@caught("service/bodies", "body_that_is_not_json_is_refused", among="not_json or megabyte")
class Crashes(GoodService):
    """Closes the connection where a body is not JSON."""

    def parsed(self, body: bytes) -> Any:
        """Give up."""
        try:
            return super().parsed(body)
        except json.JSONDecodeError as error:
            raise ConnectionError from error


@caught(
    "service/bodies",
    "body_that_is_not_json_is_refused[nothing]",
    "body_that_is_not_json_is_refused[a space]",
    among="not_json",
)
class TakesNothingForAQuote(GoodService):
    """Has a default for an empty body."""

    def parsed(self, body: bytes) -> Any:
        """Return a quote."""
        quote = {"customer": "Ada", "items": [{"sku": "A", "quantity": 1, "price_cents": 1}]}
        return super().parsed(body) if body.strip() else quote


@caught("service/bodies", "body_that_is_not_utf_8_is_refused", among="utf_8")
class ReplacesBadBytes(GoodService):
    """Replaces bytes that are not UTF-8."""

    def parsed(self, body: bytes) -> Any:
        """Replace them."""
        return json.loads(body.decode(errors="ignore"))


@caught("service/bodies", "characters_beyond_ascii_are_read_as_utf_8", among="beyond_ascii or charset")
class ReadsLatin1(GoodService):
    """Reads a body as Latin-1."""

    def parsed(self, body: bytes) -> Any:
        """Decode wrongly."""
        return json.loads(body.decode("latin-1"))


@caught("service/bodies", "json_that_is_no_object_is_refused", among="no_object")
class ExpectsAnObject(GoodService):
    """Raises where the body is no object."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Fail with 500 on a list."""
        if not isinstance(quote, dict):
            self.refused = 500
        return super().price(quote)


@caught("service/bodies", "charset_utf_8_is_accepted", among="charset")
class ComparesTheContentType(GoodService):
    """Compares a content type with its parameters."""

    def quote(self, body: bytes) -> None:
        """Refuse a parameter."""
        if ";" in self.headers.get("Content-Type", ""):
            self.refuse("content type")
        else:
            super().quote(body)


@caught(
    "service/bodies",
    "body_of_another_content_type_is_read_as_json_or_refused",
    among="another_content_type or megabyte",
)
class FailsWithoutContentType(GoodService):
    """Raises where there is another content type."""

    def quote(self, body: bytes) -> None:
        """Fail with 500."""
        if self.headers.get("Content-Type") != "application/json":
            self.refused = 500
            body = b""
        super().quote(body)


@caught("service/bodies", "body_of_a_megabyte_is_accepted", among="megabyte")
class LimitsBodies(GoodService):
    """Refuses a body of more than 100 KB."""

    def quote(self, body: bytes) -> None:
        """Refuse it, naming the member that the test expects."""
        if len(body) > 600_000:
            self.answer(413, self.encode({"error": "too long"}))
        else:
            super().quote(body)


@caught("service/bodies", "invalid_body_of_half_a_megabyte_is_refused", among="megabyte")
class TrustsLongBodies(GoodService):
    """Does not validate a long body."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Skip validation."""
        return super().price(quote if len(quote.get("note", "")) < 400_000 else quote | {"customer": "Ada"})


@caught("service/bodies", "body_may_arrive_in_pieces", among="pieces")
class ReadsOnce(GoodService):
    """Reads from its socket once, and takes that for the body."""

    def received(self) -> bytes:
        """Read once."""
        data: bytes = self.rfile.read1(int(self.headers.get("Content-Length", 0)))
        return data


@caught("service/bodies", "request_after_a_body_is_answered", among="after_a_body")
class LeavesBodies(GoodService):
    """Leaves the last byte of a body unread."""

    def received(self) -> bytes:
        """Read less."""
        length = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(max(0, length - 1)) + b"}"[: length > 0]


@caught("service/bodies", "body_is_not_read_as_the_next_request", among="next_request")
class IgnoresTheLength(GoodService):
    """Does not read a body that it refuses."""

    def received(self) -> bytes:
        """Read what arrived, but keep it for the next request."""
        self.send_response_only(422)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        return b""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer nothing more to this request."""


@caught("service/bodies", "client_that_aborts_its_body_does_not_affect_the_next", among="aborts")
class StopsAfterAnAbort(GoodService):
    """Serves nobody after a client that was gone."""

    dead: ClassVar[bool] = False

    def received(self) -> bytes:
        """Be ready for the next body only once this one is complete."""
        if self.dead:
            self.refused = 503
            return b""
        type(self).dead = True
        body = super().received()
        type(self).dead = False
        return body


@caught("service/bodies", "nothing_of_a_quote_is_kept", among="kept or beyond")
class RemembersTheCustomer(GoodService):
    """Keeps the customer of an earlier quote as the default."""

    customer: ClassVar[str | None] = None

    def price(self, quote: Any) -> dict[str, Any]:
        """Fill in the customer."""
        priced = super().price({"customer": self.customer} | quote)
        type(self).customer = quote.get("customer")
        return priced


@caught("service/service_routes", "other_method_of_quotes_is_405", among="405")
class AcceptsPut(GoodService):
    """Accepts PUT as well."""

    def methods(self) -> set[str]:
        """Accept PUT."""
        return {"POST", "PUT"}


@caught("service/service_routes", "other_method_of_quotes_gets_an_allow_header", among="allow")
class NoAllowOfQuotes(GoodService):
    """Refuses a method without naming the one that it accepts."""

    allow = None


@caught("service/service_routes", "unknown_path_beside_quotes_is_404", among="not post")
class IgnoresTheRest(GoodService):
    """Takes every path that begins with its own for its own."""

    def is_known(self, path: str) -> bool:
        """Compare the beginning."""
        return path.startswith("/quotes")


@caught("service/service_routes", "unknown_path_beside_quotes_is_404_for_post_too", among="post")
class PostsAnywhere(GoodService):
    """Takes a quote at any path."""

    def is_known(self, path: str) -> bool:
        """Know every path."""
        return self.command == "POST" or super().is_known(path)


@caught("service/service_openapi", "service_matches_its_openapi_document")
class AddsAMember(GoodService):
    """Returns a member more than its document lists."""

    def price(self, quote: Any) -> dict[str, Any]:
        """Add one."""
        return super().price(quote) | {"currency": "EUR"}
