"""Every error message that a user can see is plain and on one line. ``pytest -s`` prints them all, to be read aloud."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from common.errors import BenchmarkError
from common.project import ROOT

PACKAGES = ("common", "loadtests")
BANNED = (
    "is none", "told", "has to say", "whoever", "lives no more", "in vain", "anew", "beside", "at last",
    "cannot do", "as it was begun", "under way", "Please", "please", "sorry", "!", "  ", "..", " .", ":.",
)  # fmt: skip


def families(names: frozenset[str]) -> frozenset[str]:
    """Return the names of all classes of the source that derive from the named ones."""
    derived = names | {name for name, own in bases().items() if own & names}
    return derived if derived == names else families(derived)


@cache
def bases() -> dict[str, set[str]]:
    """Return the names of the base classes of every class of the source."""
    return {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


@cache
def sources() -> tuple[tuple[Path, ast.Module], ...]:
    """Return every module of the source with its syntax tree."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return tuple((file.relative_to(ROOT), ast.parse(file.read_text())) for file in files)


def templates() -> list[tuple[str, str, bool]]:
    """Return where each message is, its text with values in braces, and whether it shows a ``repr``."""
    errors = families(frozenset({BenchmarkError.__name__}))
    return [
        (f"{file}:{call.lineno}", _text(call.args[0]), _shows_repr(call.args[0]))
        for file, tree in sources()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).rpartition(".")[2] in errors
        and call.args
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    assert isinstance(node, ast.Constant)
    return str(node.value)


def _shows_repr(node: ast.expr) -> bool:
    return any(isinstance(part, ast.FormattedValue) and part.conversion == ord("r") for part in ast.walk(node))


def faults(text: str, *, shows_repr: bool) -> Iterator[str]:
    """Yield what is wrong with a message; values in braces are not judged."""
    words = re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "{}", text)
    if "\n" in words:
        yield "more than one line"
    if shows_repr:
        yield "shows a repr, which users do not read"
    if words != words.strip():
        yield "blanks at an end"
    if re.search(r"[,;:]$", words):
        yield "ends in the middle of a sentence"
    if re.search(r"[a-z]\. [A-Z]", words) and not re.search(r"\.$|\{\}$|Run: .*$", words.strip()):
        yield "the last of several sentences has no full stop"
    yield from (f"says {phrase!r}" for phrase in BANNED if phrase in words.replace("...", ""))


def test_every_error_message_is_plain_and_on_one_line() -> None:
    messages = templates()
    print(*(f"{place}: {text}" for place, text, _ in messages), sep="\n")  # noqa: T201 -- for people to read
    assert len(messages) > 150
    assert [
        f"{place}: {fault}: {text}"
        for place, text, shows_repr in messages
        for fault in faults(text, shows_repr=shows_repr)
    ] == []


@pytest.mark.parametrize(
    ("text", "shows_repr", "fault"),
    [
        ("invalid WORKERS={text}: must be a whole number.", False, None),
        ("the recipe failed. The end of its output: {tail}", False, None),
        ("the recipe failed. The end of its output:\n{tail}", False, "more than one line"),
        ("no port is free. Run: make serve PORT=8001", False, None),
        ("WORKERS={text} is none.", False, "says 'is none'"),
        ("invalid WORKERS={text}:", False, "ends in the middle of a sentence"),
        ("first line\nsecond line", False, "more than one line"),
        ("invalid WORKERS={text}.", True, "shows a repr, which users do not read"),
        ("It failed. Try another port", False, "the last of several sentences has no full stop"),
    ],
)
def test_each_rule_finds_a_bad_message(text: str, shows_repr: bool, fault: str | None) -> None:  # noqa: FBT001
    assert list(faults(text, shows_repr=shows_repr)) == ([] if fault is None else [fault])
