"""What all records have in common: their version, what is said of a field, how they are read.

Times are seconds, sizes bytes, rates per second, instants UTC.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from common.errors import UsageError

SCHEMA_VERSION = 2

OLDEST_SCHEMA_VERSION = 1
"""The oldest version that is still read; what it does not hold has a default that says so."""


def says(description: str) -> Meta:
    """What a field means, for RECORDS.md and the schemas."""
    return Meta(description=description)


Count = Annotated[int, Meta(ge=0)]

Seconds = Annotated[float, Meta(ge=0)]


class _Versioned(Struct):
    schema_version: int = SCHEMA_VERSION


def decode(text: bytes | str, kind: type[Any], *, source: str) -> Any:  # noqa: ANN401 -- as msgspec.json.decode
    """The record in ``text``; ``UsageError`` names ``source`` and the field, or the schema version, that is wrong."""
    try:
        _refuse_version(msgspec.json.decode(text, type=_Versioned).schema_version, source)
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{source} is not a {kind.__name__} record of schema version {SCHEMA_VERSION}: {error}"
        ) from error


def _refuse_version(version: int, source: str) -> None:
    if not OLDEST_SCHEMA_VERSION <= version <= SCHEMA_VERSION:
        raise UsageError(
            f"{source} is of schema version {version}. "
            f"Accepted: {OLDEST_SCHEMA_VERSION} to {SCHEMA_VERSION}; read it with the revision that wrote it."
        )
