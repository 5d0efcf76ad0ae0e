"""What ``make sizes`` writes (``sizes.json``). Sizes are bytes and exact: they have no intervals."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from common.records import SCHEMA_VERSION, Count, Machine


def _says(description: str) -> Meta:
    return Meta(description=description)


class LibraryKind(StrEnum):
    """Whose libraries they are."""

    FRAMEWORK = "framework"
    SERVER = "server"


class LibraryPackage(Struct, frozen=True, kw_only=True):
    """An installed package."""

    name: Annotated[str, _says("Its name, normalised.")]
    version: Annotated[str, _says("Its version.")]
    files_bytes: Annotated[Count, _says("The files that its RECORD lists, bytecode left out.")]
    bytecode_bytes: Annotated[Count, _says("The bytecode compiled of them.")]

    @property
    def size_bytes(self) -> int:
        """Both."""
        return self.files_bytes + self.bytecode_bytes


class Library(Struct, frozen=True, kw_only=True):
    """What a framework or a server takes in its environment on this machine."""

    kind: LibraryKind
    name: Annotated[str, _says("The framework's or the server's name.")]
    interface: Annotated[str, _says("The interface that it was installed for.")]
    package: Annotated[str, _says("The package that it is.")]
    packages: Annotated[list[LibraryPackage], _says("That package and all that it needs.")]
    alone_bytes: Annotated[Count, _says("That package, bytecode included.")]
    total_bytes: Annotated[Count, _says("All of them, bytecode included.")]


class LayerSize(Struct, frozen=True, kw_only=True):
    """A layer of an image."""

    digest: Annotated[str, _says("Of the blob in the registry.")]
    diff_id: Annotated[str, _says("Of the tar.")]
    media_type: Annotated[str, _says("How the registry keeps it.")]
    compressed_bytes: Annotated[Count, _says("The blob, as the registry's manifest states it.")]
    tar_bytes: Annotated[Count, _says("The tar, counted.")]
    zstd_bytes: Annotated[Count, _says("The tar compressed here with zstd: computed, not stored anywhere.")]
    of_base: Annotated[bool | None, _says("Whether it is the base image's; null where the base is not here.")]


class PackageSize(Struct, frozen=True, kw_only=True):
    """A package in an image."""

    name: str
    version: str
    kind: Annotated[str, _says("python, debian or alpine.")]
    size_bytes: Annotated[Count, _says("Its files in the image, a Python package's bytecode included.")]


class ImageSize(Struct, frozen=True, kw_only=True):
    """What an image weighs."""

    name: Annotated[str, _says("Stack and flavour.")]
    framework: Annotated[str, _says("Folder under frameworks/.")]
    server: Annotated[str, _says("Server set-up.")]
    image: Annotated[str, _says("fat, slim or alpine.")]
    image_id: Annotated[str, _says("Digest of the image.")]
    lock_sha256: Annotated[str, _says("Digest of the framework's lock.")]
    manifest_digest: Annotated[str, _says("Digest of its manifest in the registry.")]
    base: Annotated[str, _says("The base image's reference.")]
    stand_in_base: Annotated[bool, _says("Whether the base is a locally made stand-in.")]
    layers: list[LayerSize]
    packages: Annotated[list[PackageSize], _says("The biggest packages of each kind, the largest first.")]
    files_bytes: Annotated[Count, _says("All files as they are seen inside: what a later layer hides is left out.")]
    tar_bytes: Annotated[Count, _says("Uncompressed: the sum of its layers' tars.")]
    compressed_bytes: Annotated[Count, _says("The sum of its layers in the registry's manifest.")]
    zstd_bytes: Annotated[Count, _says("The sum of its layers in zstd: computed.")]
    unique_tar_bytes: Annotated[int | None, _says("Uncompressed, over its base; null where the base is not here.")]
    unique_compressed_bytes: Annotated[int | None, _says("Compressed, over its base; null where it is not here.")]


class Sizes(Struct, frozen=True, kw_only=True):
    """One invocation of ``make sizes``."""

    schema_version: Annotated[int, _says("Version of these records.")] = SCHEMA_VERSION
    id: Annotated[str, _says("Names the results folder.")]
    started_at: Annotated[datetime, _says("UTC.")]
    revision: Annotated[str | None, _says("Commit of this project, with +dirty where files had changed.")]
    machine: Machine
    registry: Annotated[str | None, _says("The registry that was given; null for one of our own.")]
    zstd_level: Annotated[int, _says("Level of the computed zstd sizes.")]
    libraries: list[Library]
    images: list[ImageSize]
    missing: Annotated[dict[str, str], _says("Images that have no sizes, each with the reason.")]
