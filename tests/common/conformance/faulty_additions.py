"""Faulty additions, which change the responses of the app under them."""

from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good


@caught(
    "extras/with_additions",
    "hello_is_returned_through_every_addition",
    "hello_is_returned_again_on_the_same_connection",
    among="hello",
)
class WrapsBody(Good):
    """Wraps the body of the app in an object."""

    def greeting(self) -> object:
        """Return an object."""
        return {"body": super().greeting()}


@caught("extras/with_additions", "errors_are_returned_through_every_addition")
class HidesErrors(Good):
    """Turns the errors of the app into responses without an error."""

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send 200 for every status."""
        super().head(200 if status >= 400 else status, headers)


@caught("extras/with_additions", "hello_is_returned_again_on_the_same_connection")
class WorksOnce(Good):
    """Passes on the first response of a connection alone, such as an addition that keeps what it should make anew."""

    requests = 0

    def greeting(self) -> object:
        """Return nothing from the second request on."""
        self.requests += 1
        return super().greeting() if self.requests == 1 else None
