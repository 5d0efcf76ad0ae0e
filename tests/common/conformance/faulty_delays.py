"""Servers that accept a bad delay, or refuse it wrongly."""

import unicodedata

from common.contract import BAD_DELAY, MAX_DELAY_MS
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good

_BOTH = ("bad_delay_is_400", "bad_delay_is_explained_in_json")


def _both(*cases: str) -> list[str]:
    return [f"{test}[{case}]" for test in _BOTH for case in cases]


@caught("sleep", *_both("minus", "minus zero"), among="bad_delay")
class FailsOnMinus(Good):
    """Gives 500 to a delay below zero."""

    def bad_delay(self, text: str) -> None:
        """An unhandled exception."""
        if text.startswith("-"):
            self.answer(500, b"Internal Server Error")
        else:
            super().bad_delay(text)


class _Accepts(Good):
    """Accepts some more delays, and does not wait for them."""

    def accepts(self, _text: str) -> bool:
        """Whether this delay is one of them."""
        return False

    def sleep(self, text: str) -> None:
        """Answer what is accepted here and nowhere else."""
        if self.accepts(text):
            self.answer(200, self.encode("slept for 5 ms"))
        else:
            super().sleep(text)


@caught("sleep", *_both("exponent", "fraction", "whole fraction", "nan"), among="bad_delay")
class ReadsFloats(_Accepts):
    """Reads the delay with float()."""

    def accepts(self, text: str) -> bool:
        """What only float() reads."""
        return text.isascii() and any(sign in text for sign in ("e3", "nan", "."))


_ONLY_INT_READS = (
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


@caught("sleep", *_both(*_ONLY_INT_READS), among="bad_delay")
class ReadsWithInt(_Accepts):
    """Reads the delay with int(), which takes signs, spaces, underscores and the digits of all scripts."""

    def accepts(self, text: str) -> bool:
        """What only int() reads."""
        try:
            return 0 <= int(text) <= MAX_DELAY_MS
        except ValueError:
            return False


@caught("sleep", *_both("plus", "encoded plus"), among="bad_delay")
class AcceptsPlus(_Accepts):
    """Accepts a sign."""

    def accepts(self, text: str) -> bool:
        """+5."""
        return text.startswith("+")


@caught("sleep", *_both("arabic-indic digits", "full-width digit"), among="bad_delay")
class AcceptsAllScripts(_Accepts):
    r"""Matches the delay with \d."""

    def accepts(self, text: str) -> bool:
        """Digits that are not ASCII."""
        return text.isdecimal() and not text.isascii()


@caught("sleep", *_both("arabic-indic digits", "full-width digit", "superscript two"), among="bad_delay")
class AcceptsIsdigit(_Accepts):
    """Asks str.isdigit() first."""

    def accepts(self, text: str) -> bool:
        """Anything with a digit's value."""
        return not text.isascii() and all(unicodedata.digit(sign, None) is not None for sign in text)


@caught("sleep", *_both("newline after"), among="bad_delay")
class MatchesBeforeNewline(_Accepts):
    """Matches the delay with a pattern that ends in a dollar sign."""

    def accepts(self, text: str) -> bool:
        """A newline at the end."""
        return text.endswith("\n")


@caught("sleep", *_both("six digits with zeros"), among="bad_delay")
class AcceptsSixDigits(_Accepts):
    """Looks at the value and not at the number of digits."""

    def accepts(self, text: str) -> bool:
        """000001."""
        return text.isascii() and text.isdigit() and int(text) < MAX_DELAY_MS and len(text) > len(str(MAX_DELAY_MS))


@caught("sleep", *_both("just too long", "five nines"), among="bad_delay")
class AcceptsFiveDigits(_Accepts):
    """Looks at the number of digits and not at the value."""

    def accepts(self, text: str) -> bool:
        """60001 to 99999."""
        return text in {"60001", "99999"}


@caught("sleep", "bad_delay_is_refused_at_once[2e3]", among="bad_delay")
class RefusesAfterSleeping(Good):
    """Sleeps first and looks afterwards."""

    def bad_delay(self, text: str) -> None:
        """A refusal that comes late."""
        if text == "2e3":
            self.stopping.wait(1.05)
        super().bad_delay(text)


@caught("sleep", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesInText(Good):
    """Explains in words that are not JSON."""

    def bad_delay(self, _text: str) -> None:
        """Text."""
        self.answer(400, BAD_DELAY.encode())


@caught("sleep", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesWithoutMember(Good):
    """Explains under another name."""

    def bad_delay(self, _text: str) -> None:
        """The member that FastAPI uses."""
        self.answer(400, self.encode({"detail": BAD_DELAY}))


@caught("sleep", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesWithoutSaying(Good):
    """Has the member and says nothing in it."""

    def bad_delay(self, _text: str) -> None:
        """Nothing about what is accepted."""
        self.answer(400, self.encode({"error": "Bad Request"}))


@caught("sleep", "bad_delay_is_400", among="bad_delay")
class RefusesWith422(Good):
    """Refuses with the status a validating framework likes better."""

    def bad_delay(self, _text: str) -> None:
        """422."""
        self.answer(422, self.encode({"error": BAD_DELAY}))


@caught("openapi", "stack_does_what_the_document_says")
class FailsBeyondTheBmp(Good):
    """Gives 500 to letters that need four bytes: nobody wrote a test for those."""

    def bad_delay(self, text: str) -> None:
        """A legacy encoding somewhere."""
        self.answer(500 if max(text, default="") > "\uffff" else 400, self.encode({"error": BAD_DELAY}))


@caught("openapi", "stack_does_what_the_document_says")
class RefusesInAnotherShape(RefusesWithoutMember):
    """Its refusals do not fit the document."""


@caught("openapi", "stack_does_what_the_document_says")
class SaysADigitLess(Good):
    """Loses a digit of what was asked, within the document's pattern."""

    def slept(self, _text: str, delay_ms: int) -> str:
        """9 for 19."""
        return f"slept for {delay_ms % 4} ms"


@caught("sleep", "bad_delay_is_400", "bad_delay_is_explained_in_json", among="bad_delay")
class RefusesNothing(Good):
    """Answers 200 to everything."""

    def bad_delay(self, _text: str) -> None:
        """A sleep of no time."""
        self.answer(200, self.encode("slept for 0 ms"))
