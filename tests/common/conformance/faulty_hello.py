"""Servers whose ``/hello`` is wrong."""

from typing import ClassVar

from common.contract import HELLO
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good


@caught("hello", "hello_says_its_words_as_a_json_string")
class WrongWords(Good):
    """Says something else."""

    def greeting(self) -> object:
        """Another case."""
        return "Hello World"


@caught("hello", "hello_says_its_words_as_a_json_string")
class ObjectInsteadOfString(Good):
    """Wraps its words, as a tutorial would."""

    def greeting(self) -> object:
        """An object."""
        return {"message": HELLO}


@caught("hello", "hello_says_its_words_as_a_json_string")
class BareWords(Good):
    """Sends text without quotes, labelled JSON."""

    def encode(self, value: object) -> bytes:
        """Not JSON."""
        return str(value).encode()


@caught("hello", "hello_says_its_words_as_a_json_string")
class NotUtf8(Good):
    """Puts a byte before its JSON that UTF-8 does not have."""

    def encode(self, value: object) -> bytes:
        """No text in any encoding of JSON."""
        return b"\xff" + super().encode(value)


@caught("hello", "hello_is_json_by_its_content_type")
class TextPlain(Good):
    """Labels its JSON as text."""

    content_type = "text/plain; charset=utf-8"


@caught("hello", "hello_is_json_by_its_content_type")
class NoContentType(Good):
    """Does not label its JSON."""

    content_type = None


@caught("hello", "hello_is_the_same_every_time")
class CountsItsAnswers(Good):
    """Changes its words now and then."""

    count: ClassVar[int] = 0

    def greeting(self) -> object:
        """Every fifth answer is another one."""
        type(self).count += 1
        return f"{HELLO}{' again' if self.count % 5 == 0 else ''}"


@caught("hello", "hello_is_answered_with_200")
class Created(Good):
    """Answers with another success."""

    def hello(self) -> None:
        """201."""
        self.answer(201, self.encode(HELLO))


@caught(
    "hello",
    "hello_is_answered_with_200",
    "hello_says_its_words_as_a_json_string",
    "hello_is_json_by_its_content_type",
    "hello_is_the_same_every_time",
)
class Drips(Good):
    """Sends a correct answer a byte at a time, too slowly."""

    def answer(self, _status: int, body: bytes, _headers: dict[str, str] | None = None) -> None:
        """About four seconds' worth."""
        whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for byte in whole:
            self.stopping.wait(0.05)
            self.wfile.write(bytes([byte]))
