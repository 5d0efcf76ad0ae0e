"""Records of ``make sizes``: what libraries and images weigh. Sizes are bytes and exact, so they have no intervals."""

from enum import StrEnum
from typing import Annotated

from msgspec import Struct, field

from common.catalog.frameworks import Interface
from common.records.run import Cell, Run
from common.records.schema import Count, RunSummary, Visit, says


class LibraryKind(StrEnum):
    """Whether a library is a framework or a server."""

    FRAMEWORK = "framework"
    SERVER = "server"


class Weighed(StrEnum):
    """The part of a stack that is weighed."""

    LIBRARIES = "libraries"
    IMAGE = "image"


class LibraryPackage(Struct, frozen=True, kw_only=True):
    """An installed package."""

    name: Annotated[str, says("Normalised name of the package.")]
    version: Annotated[str, says("Version of the package.")]
    files_bytes: Annotated[Count, says("Size of the files that its RECORD lists, without bytecode.")]
    bytecode_bytes: Annotated[Count, says("Size of the bytecode compiled from them.")]

    @property
    def size_bytes(self) -> int:
        """The size of files and bytecode together."""
        return self.files_bytes + self.bytecode_bytes


class Library(Struct, frozen=True, kw_only=True):
    """The size of a framework or a server in its environment on this machine."""

    kind: LibraryKind
    name: Annotated[str, says("Name of the framework or server.")]
    interface: Annotated[Interface, says("Interface for which it was installed.")]
    package: Annotated[str, says("Its main package.")]
    packages: Annotated[list[LibraryPackage], says("The main package and all its dependencies.")]
    alone_bytes: Annotated[Count, says("Size of the main package, bytecode included.")]
    total_bytes: Annotated[Count, says("Size of all these packages, bytecode included.")]


class LayerFootprint(Struct, frozen=True, kw_only=True):
    """A layer of an image."""

    digest: Annotated[str, says("Digest of the blob in the registry.")]
    diff_id: Annotated[str, says("Digest of the uncompressed tar.")]
    media_type: Annotated[str, says("Media type in the registry's manifest.")]
    compressed_bytes: Annotated[Count, says("Size of the blob according to the registry's manifest.")]
    tar_bytes: Annotated[Count, says("Size of the uncompressed tar.")]
    zstd_bytes: Annotated[Count, says("Size of the tar compressed with zstd: computed here, not stored anywhere.")]
    of_base: Annotated[
        bool | None, says("Whether it belongs to the base image; null if the base image is not on this machine.")
    ]


class PackageFootprint(Struct, frozen=True, kw_only=True):
    """A package in an image."""

    name: str
    version: str
    kind: Annotated[str, says("python, debian or alpine.")]
    size_bytes: Annotated[Count, says("Size of its files in the image, including a Python package's bytecode.")]


class ImageFootprint(Struct, frozen=True, kw_only=True):
    """The sizes of an image."""

    image_id: Annotated[str, says("Digest of the image.")]
    manifest_digest: Annotated[str, says("Digest of its manifest in the registry.")]
    base: Annotated[str, says("Reference of the base image.")]
    stand_in_base: Annotated[bool, says("Whether the base is a locally made stand-in.")]
    layers: list[LayerFootprint]
    packages: Annotated[list[PackageFootprint], says("Largest packages of each kind, in descending order of size.")]
    files_bytes: Annotated[
        Count, says("Size of all files as a container sees them, without those that a later layer hides.")
    ]
    tar_bytes: Annotated[Count, says("Uncompressed size: sum of its layers' tars.")]
    compressed_bytes: Annotated[Count, says("Compressed size: sum of its layers in the registry's manifest.")]
    zstd_bytes: Annotated[Count, says("Sum of its layers compressed with zstd: computed here.")]
    unique_tar_bytes: Annotated[
        int | None, says("Uncompressed size beyond its base image's; null if the base image is not on this machine.")
    ]
    unique_compressed_bytes: Annotated[
        int | None, says("Compressed size beyond its base image's; null if the base image is not on this machine.")
    ]


class FootprintCell(Struct, frozen=True, kw_only=True):
    """The libraries of a stack or, where it has one, its image."""

    name: Annotated[str, says("Name, unique in its run.")]
    stack: Cell
    weighs: Annotated[Weighed, says("Libraries or image.")]


class FootprintRun(Run, frozen=True, kw_only=True, tag="sizes"):
    """The sizes of libraries and images."""

    registry: Annotated[str | None, says("Registry given by the user; null for a temporary local one.")]
    zstd_level: Annotated[int, says("Compression level of the computed zstd sizes.")]
    cells: list[FootprintCell]
    missing: Annotated[dict[str, str], says("Images without sizes, each with the reason.")]


class LibrariesVisit(Visit, frozen=True, kw_only=True, tag="libraries"):
    """The libraries of one stack's environment."""

    libraries: Annotated[list[Library], says("The framework's and the server's.")] = field(default_factory=list)


class ImageVisit(Visit, frozen=True, kw_only=True, tag="image"):
    """One image, pushed into a registry and read back."""

    footprint: Annotated[ImageFootprint | None, says("Null where the image could not be weighed.")] = None


class FootprintSummary(RunSummary, frozen=True, kw_only=True):
    """The sizes of a run's libraries and images (``summary.json``)."""

    libraries: Annotated[list[Library], says("Each library once for each interface.")]
    images: Annotated[dict[str, ImageFootprint], says("Images by the names of their cells.")]
    missing: Annotated[dict[str, str], says("Images without sizes, each with the reason.")]
