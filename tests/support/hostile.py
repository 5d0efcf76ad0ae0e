"""Texts that mean something to a page, a spreadsheet or a terminal, and what is looked for once they are written."""

import re
from collections.abc import Sequence
from enum import Enum
from html.parser import HTMLParser
from typing import Any

import msgspec
from markdown_it import MarkdownIt

from common.records.run import Run
from common.records.schema import Visit
from loadtests.campaign.catalog import decode_run, decode_visit

HOSTILE = [
    "<script>window.pwned=1</script>", "</script><script>window.pwned=1</script>",
    '"><img src=x onerror=alert(1)>', "' onload='alert(1)", '" onload="alert(1)', "x onmouseover=alert(1)",
    "javascript:alert(1)", "</style><script>1</script>", "</title><script>1</script>", "<!-- ",
    "--><script>1</script>", "]]><script>1</script>", "<![CDATA[", "&lt;script&gt;", "<svg/onload=alert(1)>",
    "<iframe src=//evil>", "<base href=//evil>", "<meta http-equiv=refresh content=0>", "{{7*7}}", "{% raw %}",
    "${7*7}", "# heading", "\n# heading\n", "\n\n## heading", "- item", "1. item", "> quote", "```", "~~~",
    "| a | b |", "**bold**", "_it_", "[link](javascript:alert(1))", "![x](//evil/x.png)", "<https://evil.example>",
    "\n---\n", "\n===\n", "=1+cmd|' /C calc'!A0", "+1+cmd", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1",
    "\x1b[2J\x1b]0;title\x07", "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\", "\x9b31m", "\u202eevil",
    "[bold red]x[/]", "../../etc/passwd", "x" * 5_000,
]  # fmt: skip
"""Fifty texts that mean something to one of the writers."""
assert len(HOSTILE) == 50
SHARES = 5


def share(number: int) -> list[str]:
    """Return a fifth of the hostile texts for a quick test, another fifth for each of five consecutive numbers."""
    return HOSTILE[number % SHARES :: SHARES]


CHOICES = frozenset({"scenario"})
"""Fields of records whose values are names that only the code knows."""


class Exchange:
    """Puts a hostile text in the place of every string of some records, with a number that tells the strings apart.

    So names that tie records together still do. Closed choices are enumerations, or in ``CHOICES``, and stay.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._numbers: dict[str, int] = {}

    def of(self, value: Any) -> Any:  # noqa: ANN401 -- a record, or a part of one
        """Return a record with its strings exchanged, the keys of its mappings included."""
        match value:
            case msgspec.Struct():
                open_fields = (name for name in value.__struct_fields__ if name not in CHOICES)
                parts = {name: self.of(getattr(value, name)) for name in open_fields}
                return msgspec.structs.replace(value, **parts)
            case dict():
                return {self.of(key): self.of(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return type(value)(self.of(item) for item in value)
            case str() if not isinstance(value, Enum) and value:
                return f"{self._text}{self._numbers.setdefault(value, len(self._numbers))}"
            case _:
                return value


def exchanged(run: Run, visits: Sequence[Visit], exchange: Exchange) -> tuple[Run, list[Visit]]:
    """Return a run and its visits with their strings exchanged, after they were written and read again."""
    return _read_run(exchange.of(_read_run(run))), [_read_visit(exchange.of(_read_visit(visit))) for visit in visits]


def _read_run(run: Run) -> Run:
    return decode_run(msgspec.json.encode(run), source="run.json")


def _read_visit(visit: Visit) -> Visit:
    return decode_visit(msgspec.json.encode(visit), source="visits.jsonl")


class Markup(HTMLParser):
    """The elements of a page, each with the names of its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found |= {(tag, name) for name, _ in [("", None), *attrs]}
        self.links |= {value or "" for name, value in attrs if name in {"href", "src", "action"}}


def markdown_blocks(text: str) -> set[str]:
    """Return the kinds of blocks that a Markdown text is made of."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return {f"{token.type}{token.tag}" for block in tokens for token in (block, *(block.children or ()))}


def is_formula(cell: str) -> bool:
    """Return whether a spreadsheet would take a cell of CSV for a formula."""
    return re.match(r"[=@\t\r]|[+-](?![\d.,]* ?%?$)", cell) is not None


def unprintable(text: str) -> list[str]:
    """Return the characters in a text that control a terminal or turn the direction of writing."""
    return re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
