"""What ``make sizes`` writes (``sizes.json``). Sizes are bytes and exact: they have no intervals."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Struct

from common.records.run import Machine
from common.records.schema import SCHEMA_VERSION, Count, says


class LibraryKind(StrEnum):
    """Whose libraries they are."""

    FRAMEWORK = "framework"
    SERVER = "server"


class LibraryPackage(Struct, frozen=True, kw_only=True):
    """An installed package."""

    name: Annotated[str, says("Its name, normalised.")]
    version: Annotated[str, says("Its version.")]
    files_bytes: Annotated[Count, says("The files that its RECORD lists, bytecode left out.")]
    bytecode_bytes: Annotated[Count, says("The bytecode compiled of them.")]

    @property
    def size_bytes(self) -> int:
        """Both."""
        return self.files_bytes + self.bytecode_bytes


class Library(Struct, frozen=True, kw_only=True):
    """What a framework or a server takes in its environment on this machine."""

    kind: LibraryKind
    name: Annotated[str, says("The framework's or the server's name.")]
    interface: Annotated[str, says("The interface that it was installed for.")]
    package: Annotated[str, says("The package that it is.")]
    packages: Annotated[list[LibraryPackage], says("That package and all that it needs.")]
    alone_bytes: Annotated[Count, says("That package, bytecode included.")]
    total_bytes: Annotated[Count, says("All of them, bytecode included.")]


class LayerSize(Struct, frozen=True, kw_only=True):
    """A layer of an image."""

    digest: Annotated[str, says("Of the blob in the registry.")]
    diff_id: Annotated[str, says("Of the tar.")]
    media_type: Annotated[str, says("How the registry keeps it.")]
    compressed_bytes: Annotated[Count, says("The blob, as the registry's manifest states it.")]
    tar_bytes: Annotated[Count, says("The tar, counted.")]
    zstd_bytes: Annotated[Count, says("The tar compressed here with zstd: computed, not stored anywhere.")]
    of_base: Annotated[bool | None, says("Whether it is the base image's; null where the base is not here.")]


class PackageSize(Struct, frozen=True, kw_only=True):
    """A package in an image."""

    name: str
    version: str
    kind: Annotated[str, says("python, debian or alpine.")]
    size_bytes: Annotated[Count, says("Its files in the image, a Python package's bytecode included.")]


class ImageSize(Struct, frozen=True, kw_only=True):
    """What an image weighs."""

    name: Annotated[str, says("Stack and flavour.")]
    framework: Annotated[str, says("Folder under frameworks/.")]
    server: Annotated[str, says("Server set-up.")]
    image: Annotated[str, says("fat, slim or alpine.")]
    image_id: Annotated[str, says("Digest of the image.")]
    lock_sha256: Annotated[str, says("Digest of the framework's lock.")]
    manifest_digest: Annotated[str, says("Digest of its manifest in the registry.")]
    base: Annotated[str, says("The base image's reference.")]
    stand_in_base: Annotated[bool, says("Whether the base is a locally made stand-in.")]
    layers: list[LayerSize]
    packages: Annotated[list[PackageSize], says("The biggest packages of each kind, the largest first.")]
    files_bytes: Annotated[Count, says("All files as they are seen inside: what a later layer hides is left out.")]
    tar_bytes: Annotated[Count, says("Uncompressed: the sum of its layers' tars.")]
    compressed_bytes: Annotated[Count, says("The sum of its layers in the registry's manifest.")]
    zstd_bytes: Annotated[Count, says("The sum of its layers in zstd: computed.")]
    unique_tar_bytes: Annotated[int | None, says("Uncompressed, over its base; null where the base is not here.")]
    unique_compressed_bytes: Annotated[int | None, says("Compressed, over its base; null where it is not here.")]


class Sizes(Struct, frozen=True, kw_only=True):
    """One invocation of ``make sizes``."""

    schema_version: Annotated[int, says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, says("Names the results folder.")]
    started_at: Annotated[datetime, says("UTC.")]
    revision: Annotated[str | None, says("Commit of this project, with +dirty where files had changed.")]
    machine: Machine
    registry: Annotated[str | None, says("The registry that was given; null for one of our own.")]
    zstd_level: Annotated[int, says("Level of the computed zstd sizes.")]
    libraries: list[Library]
    images: list[ImageSize]
    missing: Annotated[dict[str, str], says("Images that have no sizes, each with the reason.")]
