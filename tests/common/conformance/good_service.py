"""A correct server of the contract ``service``; each faulty one overrides one of its methods."""

import json
from typing import Any, ClassVar

from common.contract.service import price_quote
from tests.common.conformance.good_server import Good


class GoodService(Good):
    """A correct server of quotes; whatever a fault changes is a separate method or attribute."""

    allow: ClassVar[str | None] = "POST"
    created = 201
    refused = 400

    def route(self) -> None:
        """Answer one request."""
        body = self.received()
        if not self.is_known(self.path):
            self.not_found()
        elif self.command not in self.methods():
            self.wrong_method()
        else:
            self.quote(body)

    def received(self) -> bytes:
        """Return the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def is_known(self, path: str) -> bool:
        """Return whether the contract lists a path."""
        return path == "/quotes"

    def methods(self) -> set[str]:
        """Return the methods that are accepted."""
        return {"POST"}

    def quote(self, body: bytes) -> None:
        """Answer ``POST /quotes``."""
        try:
            priced = self.price(self.parsed(body))
        except ValueError as error:
            self.refuse(str(error))
        else:
            self.answer(self.created, self.encode(priced))

    def parsed(self, body: bytes) -> Any:  # noqa: ANN401 -- JSON
        """Return what a body says; raise ``ValueError`` if it is not JSON in UTF-8."""
        return json.loads(body.decode())

    def price(self, quote: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """Return the response to a quote; raise ``ValueError`` if it is invalid."""
        return price_quote(quote)

    def refuse(self, reason: str) -> None:
        """Refuse a body."""
        self.answer(self.refused, self.encode({"error": reason}))
