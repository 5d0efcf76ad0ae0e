"""The bytes of images and libraries, for tests."""

from collections.abc import Sequence

from common.catalog.frameworks import Interface
from common.engine.contents import Layer
from common.registries.api import Blob
from loadtests.experiments.sizes.records import ImageFootprint, Library, LibraryKind, LibraryPackage, PackageFootprint
from loadtests.experiments.sizes.visit import image_footprint, layer_footprints

BLOBS = [Blob(media_type="m", digest=f"sha256:b{n}", size=10 * n) for n in (1, 2, 3)]
LAYERS = [Layer(diff_id=f"d{n}", tar_bytes=100 * n, zstd_bytes=n, files={}, texts={}) for n in (1, 2, 3)]


def footprint(base: Sequence[str] | None = None) -> ImageFootprint:
    """Return an image of three layers; ``base`` are the diff ids of those of its base image, if that is known."""
    return image_footprint(
        layer_footprints(BLOBS, LAYERS, base),
        image_id="sha256:i",
        manifest_digest="sha256:m",
        base="python:3.13-slim",
        stand_in_base=True,
        packages=[
            PackageFootprint(name="falcon", version="1", kind="python", size_bytes=3_900_000),
            PackageFootprint(name="libc6", version="2", kind="debian", size_bytes=12_800_000),
        ],
        files_bytes=5,
    )


def library(kind: LibraryKind = LibraryKind.FRAMEWORK, name: str = "falcon") -> Library:
    """Return a library of one package."""
    package = LibraryPackage(name=name, version="4.4", files_bytes=1000, bytecode_bytes=200)
    return Library(
        kind=kind,
        name=name,
        interface=Interface.WSGI,
        package=name,
        packages=[package],
        alone_bytes=1200,
        total_bytes=1200,
    )
