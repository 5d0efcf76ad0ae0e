"""The common part of all records: their schema version, descriptions of fields, the fields of a visit, and reading.

Times are in seconds, sizes in bytes, rates per second, instants in UTC.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from common.errors import UsageError
from common.records.refusals import explain

SCHEMA_VERSION = 3


def says(description: str) -> Meta:
    """Return the annotation that describes a field in docs/records.md and in the JSON Schemas."""
    return Meta(description=description)


Count = Annotated[int, Meta(ge=0)]

Seconds = Annotated[float, Meta(ge=0)]


class _Versioned(Struct):
    schema_version: int = SCHEMA_VERSION


@cache
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 -- any type that msgspec knows
    """Return the JSON decoder of a type, which is built while signals are held back.

    msgspec looks up annotations in C, but Python computes their hashes. A ``KeyboardInterrupt`` that is raised while it
    does so is discarded in C, and Ctrl-C would be lost.
    """
    with _signals_held_back():
        return msgspec.json.Decoder(kind)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold back the signals that end a command until the block has ended."""
    if threading.current_thread() is not threading.main_thread():  # which handles all signals
        yield
        return
    waiting: list[int] = []
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: handler for number in ending if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda seen, _: waiting.append(seen))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def decode(text: bytes | str, kind: Any, *, what: str, source: str) -> Any:  # noqa: ANN401 -- as msgspec.json.decode
    """Return the record of ``kind`` in ``text``.

    ``UsageError`` names ``source``, ``what`` it should hold, the field, or the schema version, that is wrong, and what
    is accepted.
    """
    try:
        _refuse_version(decoder(_Versioned).decode(text).schema_version, source)
        return decoder(kind).decode(text)
    except msgspec.ValidationError as error:
        raise invalid(what, source, explain(error, text, kind)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(what, source, str(error)) from error


def invalid(what: str, source: str, problem: str) -> UsageError:
    """Return the error for a record in ``source`` that is not valid."""
    return UsageError(f"{source} is not a valid {what} of schema version {SCHEMA_VERSION}: {problem}.")


def _refuse_version(version: int, source: str) -> None:
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{source} has schema version {version}: must be {SCHEMA_VERSION}. Read it with the revision that wrote it."
        )


class Visit(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """One visit to a cell, which measures something fresh: a server, an image, a task."""

    run: Annotated[str, says("The run's id.")]
    round: Annotated[Count, says("Round number, from 1.")]
    position: Annotated[Count, says("Position in the round's order, from 1.")]
    cell: Annotated[str, says("The cell's name.")]
    started_at: Annotated[datetime, says("Start time, UTC.")]
    took_s: Annotated[Seconds | None, says("Wall time since the end of the visit before: what a budget counts.")] = None
    error: Annotated[str | None, says("Why nothing was measured, or how the server ended meanwhile.")] = None


class RunSummary(Struct, frozen=True, kw_only=True):
    """The results of a run: the fields that every ``summary.json`` begins with."""

    schema_version: Annotated[int, says("Schema version of this record.")] = SCHEMA_VERSION
    run: Annotated[str, says("The run's id.")]
