"""Servers with a faulty ``/hello``."""

from typing import ClassVar

from common.contract import HELLO
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good


@caught("hello", "hello_returns_its_json_string")
class WrongText(Good):
    """Returns another string."""

    def greeting(self) -> object:
        """Use capital letters."""
        return "Hello World"


@caught("hello", "hello_returns_its_json_string")
class ObjectInsteadOfString(Good):
    """Wraps its string in an object, as tutorials do."""

    def greeting(self) -> object:
        """Return an object."""
        return {"message": HELLO}


@caught("hello", "hello_returns_its_json_string")
class UnquotedText(Good):
    """Sends text without quotes as JSON."""

    def encode(self, value: object) -> bytes:
        """Encode as text that is not JSON."""
        return str(value).encode()


@caught("hello", "hello_returns_its_json_string")
class NotUtf8(Good):
    """Sends a byte before its JSON that does not occur in UTF-8."""

    def encode(self, value: object) -> bytes:
        """Prefix the JSON with 0xFF."""
        return b"\xff" + super().encode(value)


@caught("hello", "hello_has_content_type_json")
class TextPlain(Good):
    """Sends its JSON with the content type of plain text."""

    content_type = "text/plain; charset=utf-8"


@caught("hello", "hello_has_content_type_json")
class NoContentType(Good):
    """Sends its JSON without a content type."""

    content_type = None


@caught("hello", "hello_is_the_same_every_time")
class CountsItsAnswers(Good):
    """Changes its answer from time to time."""

    count: ClassVar[int] = 0

    def greeting(self) -> object:
        """Return another string in every fifth answer."""
        type(self).count += 1
        return f"{HELLO}{' again' if self.count % 5 == 0 else ''}"


@caught("hello", "hello_is_answered_with_200")
class Created(Good):
    """Answers with another successful status."""

    def hello(self) -> None:
        """Answer 201."""
        self.answer(201, self.encode(HELLO))


@caught(
    "hello",
    "hello_is_answered_with_200",
    "hello_returns_its_json_string",
    "hello_has_content_type_json",
    "hello_is_the_same_every_time",
)
class Drips(Good):
    """Sends a correct answer byte by byte, too slowly."""

    def answer(self, _status: int, body: bytes, _headers: dict[str, str] | None = None) -> None:
        """Take about four seconds."""
        whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for byte in whole:
            self.stopping.wait(0.05)
            self.wfile.write(bytes([byte]))
