"""What is wrong with a record, in one line: the field, the value that it has, and what is accepted."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

_PLACE = re.compile(r"(?P<problem>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = "..."
"""The step of a path for which msgspec does not say which key of a mapping it is."""
_CHOICE = re.compile(r"Invalid (?:enum )?value (?P<value>.*)", re.DOTALL)
_EXPECTED = re.compile(r"Expected (?P<accepted>.*?)(?:, got .*)?", re.DOTALL)
_LONGEST = 80
"""The most characters of a value that are shown."""


def explain(error: msgspec.ValidationError, text: bytes | str, kind: Any) -> str:  # noqa: ANN401 -- any type
    """Return what is wrong with the record of ``kind`` in ``text``, which msgspec has refused with ``error``.

    Where neither the value nor what is accepted can be told, these are msgspec's own words.
    """
    if (place := _PLACE.fullmatch(str(error))) is None:
        return str(error)
    steps = [name or number for name, number in _STEP.findall(place["path"])]
    field = ("a key of " if place["key"] else "") + place["path"].removeprefix(".")
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # it is damaged further on
        return str(error)
    if choice := _CHOICE.fullmatch(place["problem"]):
        accepted = _choices(inspect.type_info(kind), document, steps, of_key=bool(place["key"]))
        return explain_choice(field, ast.literal_eval(choice["value"]), accepted)
    expected = _EXPECTED.fullmatch(place["problem"])
    if expected is None or _UNKNOWN in steps or place["key"]:
        return str(error)
    return f"{field} is {_shown(_follow(document, steps))}: must be {expected['accepted']}"


def explain_choice(field: str, value: object, accepted: Iterable[str]) -> str:
    """Return the sentence that a field's value is not among those accepted."""
    return f"{field} is {_shown(value)}: must be one of {', '.join(accepted)}"


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _follow(document: Any, steps: Sequence[str]) -> Any:  # noqa: ANN401 -- JSON
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _choices(kind: inspect.Type, document: Any, steps: Sequence[str], *, of_key: bool) -> list[str]:  # noqa: ANN401 -- JSON
    """Return the values that are accepted at the end of ``steps``."""
    kinds = list(_alternatives(kind, document))
    for step in steps:
        document = _part(document, step)
        below = [child for parent in kinds for child in _children(parent, step)]
        kinds = [alternative for child in below for alternative in _alternatives(child, document)]
    if of_key:
        kinds = [mapping.key_type for mapping in kinds if isinstance(mapping, inspect.DictType)]
    return list(dict.fromkeys(str(value) for choice in kinds for value in _values(choice)))


def _part(document: Any, step: str) -> Any:  # noqa: ANN401 -- JSON
    """Return a part of a document; ``None`` where msgspec does not say which it is."""
    if isinstance(document, list):
        return document[int(step)]
    return document.get(step) if isinstance(document, dict) else None


def _alternatives(kind: inspect.Type, document: Any) -> Iterator[inspect.Type]:  # noqa: ANN401 -- JSON
    """Yield the kinds that a document may be of: among several records only the one that its tag names, if any."""
    match kind:
        case inspect.Metadata():
            yield from _alternatives(kind.type, document)
        case inspect.UnionType():
            records = [part for part in kind.types if isinstance(part, inspect.StructType) and part.tag_field]
            tagged = document if isinstance(document, dict) else {}
            named = [record for record in records if tagged.get(record.tag_field) == record.tag]
            for part in named or kind.types:
                yield from _alternatives(part, document)
        case _:
            yield kind


def _children(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    match kind:
        case inspect.StructType():
            if step == kind.tag_field:
                yield inspect.LiteralType(values=(str(kind.tag),))
            yield from (field.type for field in kind.fields if field.encode_name == step)
        case inspect.ListType():
            yield kind.item_type
        case inspect.DictType():
            yield kind.value_type


def _values(kind: inspect.Type) -> Iterator[object]:
    match kind:
        case inspect.EnumType():
            yield from (member.value for member in kind.cls)
        case inspect.LiteralType():
            yield from kind.values
