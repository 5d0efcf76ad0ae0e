"""Servers that accept an invalid delay, or refuse it incorrectly."""

import unicodedata
from urllib.parse import unquote

from common.contract import BAD_DELAY, MAX_DELAY_MS
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good

_BOTH = ("bad_delay_is_400", "bad_delay_is_explained_in_json")


def _both(*cases: str) -> list[str]:
    return [f"{test}[{case}]" for test in _BOTH for case in cases]


@caught("sleep", *_both("minus", "minus zero"), among="bad_delay")
class FailsOnMinus(Good):
    """Answers 500 to a negative delay."""

    def bad_delay(self, text: str) -> None:
        """Fail as with an unhandled exception."""
        if text.startswith("-"):
            self.answer(500, b"Internal Server Error")
        else:
            super().bad_delay(text)


@caught("sleep", *_both("400 digits"), among="bad_delay")
class OverflowsFloats(Good):
    """Converts milliseconds to seconds before it checks them, which overflows beyond 308 digits."""

    def parse(self, text: str) -> int:
        """Divide first."""
        if text.isascii() and text.isdigit() and int(text) / 1000 > MAX_DELAY_MS:
            raise ValueError(text)
        return super().parse(text)

    def sleep(self, text: str) -> None:
        """Fail as with an unhandled exception."""
        try:
            super().sleep(text)
        except OverflowError:
            self.answer(500, b"Internal Server Error")


@caught("sleep", "delay_of_thousands_of_digits_is_refused", among="delay")
class ConvertsAnyNumberOfDigits(Good):
    """Checks for digits and trusts int() with them, which raises ValueError beyond 4,300 digits."""

    def bad_delay(self, text: str) -> None:
        """Fail on the number in the message."""
        try:
            number = int(text) if text.isascii() and text.isdigit() else 0
        except ValueError:
            self.answer(500, b"Internal Server Error")
        else:
            self.answer(400, self.encode({"error": f"{BAD_DELAY}; got {number}"}))


@caught("sleep", "delay_of_thousands_of_digits_is_refused", among="delay")
class ExplainsLongNumbersInText(Good):
    """Refuses a very long delay correctly, but not in JSON."""

    def bad_delay(self, text: str) -> None:
        """Send the default page of a server."""
        if len(text) > 1000:
            self.answer(400, b"Bad Request")
        else:
            super().bad_delay(text)


@caught("sleep", *_both("infinity"), among="bad_delay")
class OverflowsOnInfinity(Good):
    """Parses the delay with int(float()), which raises OverflowError for infinity and ValueError for nan."""

    def bad_delay(self, text: str) -> None:
        """Fail as with an unhandled exception."""
        if text == "inf":
            self.answer(500, b"Internal Server Error")
        else:
            super().bad_delay(text)


@caught("sleep", *_both("digit encoded twice"), among="bad_delay")
class DecodesTwice(Good):
    """Decodes percent-encoding after the server has already done so."""

    def sleep(self, text: str) -> None:
        """Decode again."""
        super().sleep(unquote(text))


@caught("sleep", *_both("null byte after"), among="bad_delay")
class StopsAtNull(Good):
    """Passes the delay to a function that takes a null byte for the end of the text, as in C."""

    def sleep(self, text: str) -> None:
        """Cut the text."""
        super().sleep(text.partition("\0")[0])


@caught("sleep", *_both("path parameter"), among="bad_delay")
class DropsPathParameters(Good):
    """Splits the path with ``urlparse``, which cuts off what follows a semicolon."""

    def sleep(self, text: str) -> None:
        """Cut the text."""
        super().sleep(text.partition(";")[0])


class _Accepts(Good):
    """Accepts additional delays, without sleeping."""

    def accepts(self, _text: str) -> bool:
        """Return whether this delay is accepted in addition."""
        return False

    def sleep(self, text: str) -> None:
        """Answer 200 to an additional delay."""
        if self.accepts(text):
            self.answer(200, self.encode("slept for 5 ms"))
        else:
            super().sleep(text)


@caught("sleep", *_both("exponent", "fraction", "whole fraction", "nan"), among="bad_delay")
class ParsesFloats(_Accepts):
    """Parses the delay with float()."""

    def accepts(self, text: str) -> bool:
        """Text that only float() parses."""
        return text.isascii() and any(sign in text for sign in ("e3", "nan", "."))


_ONLY_INT_PARSES = (
    "plus",
    "encoded plus",
    "minus zero",
    "underscore",
    "space before",
    "space after",
    "newline after",
    "arabic-indic digits",
    "full-width digit",
    "six digits with zeros",
)


@caught("sleep", *_both(*_ONLY_INT_PARSES), among="bad_delay")
class ParsesWithInt(_Accepts):
    """Parses the delay with int(), which accepts signs, spaces, underscores and the digits of all scripts."""

    def accepts(self, text: str) -> bool:
        """Text that only int() parses."""
        try:
            return 0 <= int(text) <= MAX_DELAY_MS
        except ValueError:
            return False


@caught("sleep", *_both("plus", "encoded plus"), among="bad_delay")
class AcceptsPlus(_Accepts):
    """Accepts a sign."""

    def accepts(self, text: str) -> bool:
        """Text such as +5."""
        return text.startswith("+")


@caught("sleep", *_both("arabic-indic digits", "full-width digit"), among="bad_delay")
class AcceptsAllScripts(_Accepts):
    r"""Matches the delay with \d."""

    def accepts(self, text: str) -> bool:
        """Decimal digits that are not ASCII."""
        return text.isdecimal() and not text.isascii()


@caught("sleep", *_both("arabic-indic digits", "full-width digit", "superscript two"), among="bad_delay")
class AcceptsIsdigit(_Accepts):
    """Checks the delay with str.isdigit()."""

    def accepts(self, text: str) -> bool:
        """Any character that has the value of a digit."""
        return not text.isascii() and all(unicodedata.digit(sign, None) is not None for sign in text)


@caught("sleep", *_both("newline after"), among="bad_delay")
class MatchesBeforeNewline(_Accepts):
    """Matches the delay with a pattern that ends in a dollar sign, which also matches before a newline."""

    def accepts(self, text: str) -> bool:
        """Text that ends with a newline."""
        return text.endswith("\n")


@caught("sleep", *_both("six digits with zeros"), among="bad_delay")
class AcceptsSixDigits(_Accepts):
    """Checks the value but not the number of digits."""

    def accepts(self, text: str) -> bool:
        """Text such as 000001."""
        return text.isascii() and text.isdigit() and int(text) < MAX_DELAY_MS and len(text) > len(str(MAX_DELAY_MS))


@caught("sleep", *_both("just over the maximum", "five nines"), among="bad_delay")
class AcceptsFiveDigits(_Accepts):
    """Checks the number of digits but not the value."""

    def accepts(self, text: str) -> bool:
        """Five digits above the maximum."""
        return text in {"60001", "99999"}


@caught("sleep", "bad_delay_is_refused_at_once[2e3]", among="bad_delay")
class RefusesAfterSleeping(Good):
    """Sleeps before it checks the delay."""

    def bad_delay(self, text: str) -> None:
        """Refuse late."""
        if text == "2e3":
            self.stopping.wait(1.05)
        super().bad_delay(text)


@caught("sleep", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesInText(Good):
    """Explains in plain text."""

    def bad_delay(self, _text: str) -> None:
        """Send text that is not JSON."""
        self.answer(400, BAD_DELAY.encode())


@caught("sleep", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesWithoutMember(Good):
    """Explains in another member than ``error``."""

    def bad_delay(self, _text: str) -> None:
        """Use the member that FastAPI uses."""
        self.answer(400, self.encode({"detail": BAD_DELAY}))


@caught("sleep", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesWithoutSaying(Good):
    """Has the member but does not explain anything in it."""

    def bad_delay(self, _text: str) -> None:
        """Do not say what is accepted."""
        self.answer(400, self.encode({"error": "Bad Request"}))


@caught("sleep", "bad_delay_is_400", among="bad_delay")
class RefusesWith422(Good):
    """Refuses with the status that validating frameworks use."""

    def bad_delay(self, _text: str) -> None:
        """Answer 422."""
        self.answer(422, self.encode({"error": BAD_DELAY}))


@caught("openapi", "stack_matches_the_openapi_document")
class FailsBeyondTheBmp(Good):
    """Answers 500 to characters beyond the Basic Multilingual Plane, for which only generated tests exist."""

    def bad_delay(self, text: str) -> None:
        """Fail like a legacy encoding."""
        self.answer(500 if max(text, default="") > "\uffff" else 400, self.encode({"error": BAD_DELAY}))


@caught("openapi", "stack_matches_the_openapi_document")
class RefusesInAnotherShape(RefusesWithoutMember):
    """Refuses in a shape that the OpenAPI document does not allow."""


@caught("openapi", "stack_matches_the_openapi_document")
class StatesAnotherDelay(Good):
    """States another delay than requested, within the document's pattern."""

    def slept(self, _text: str, delay_ms: int) -> str:
        """State a smaller delay."""
        return f"slept for {delay_ms % 4} ms"


@caught("sleep", "bad_delay_is_400", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesNothing(Good):
    """Accepts every delay."""

    def bad_delay(self, _text: str) -> None:
        """Answer 200 without sleeping."""
        self.answer(200, self.encode("slept for 0 ms"))
