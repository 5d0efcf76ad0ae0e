"""The list of the files in a bundle (``bundle.json``), with their digests."""

from typing import Annotated

from msgspec import Meta, Struct

from common.records.schema import SCHEMA_VERSION, says

Revision = Annotated[str, Meta(pattern=r"^[0-9a-f]{7,40}(\+dirty)?$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Bundle(Struct, frozen=True, kw_only=True):
    """The list of the files in a bundle (``bundle.json``)."""

    schema_version: Annotated[int, says("Schema version of this record.")] = SCHEMA_VERSION
    written_by: Annotated[
        Revision | None, says("Commit of this project that wrote the tables and pages; null if unknown.")
    ]
    files: Annotated[dict[str, Sha256], says("SHA-256 digests of all other files, by name.")]
