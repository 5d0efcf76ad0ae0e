"""From sizes to tables for a terminal, and what has to be known beside them. Pure."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table

from common.records.footprint import ImageSize, Sizes

LIBRARIES = ("library", "of", "package", "version", "alone", "with its needs", "packages")
IMAGES = ("image", "uncompressed", "compressed", "zstd", "over base", "compressed over base", "layers")
SHOWN = 5
"""How many packages the table names; the record has more."""


def tables(sizes: Sizes) -> Iterator[Table]:
    """One of libraries, one of images, one of the biggest packages in each image."""
    yield _table("libraries on disk, bytecode included (bytes)", LIBRARIES, library_rows(sizes), text=4)
    if sizes.images:
        yield _table("images (bytes)", IMAGES, image_rows(sizes))
        yield _table("the biggest packages inside (MB)", ("image", "packages"), package_rows(sizes), text=2)


def library_rows(sizes: Sizes) -> Iterator[tuple[str, ...]]:
    """Each library's cells, in the order of ``LIBRARIES``."""
    for one in sizes.libraries:
        version = next(package.version for package in one.packages if package.name == one.package)
        counts = (f"{one.alone_bytes:,}", f"{one.total_bytes:,}", str(len(one.packages)))
        yield (one.name, f"{one.kind}, {one.interface}", one.package, version, *counts)


def image_rows(sizes: Sizes) -> Iterator[tuple[str, ...]]:
    """Each image's cells, in the order of ``IMAGES``; those that have no sizes say why in the notes."""
    for one in sizes.images:
        figures = (one.tar_bytes, one.compressed_bytes, one.zstd_bytes, one.unique_tar_bytes,
                   one.unique_compressed_bytes, len(one.layers))  # fmt: skip
        yield (one.name, *("-" if figure is None else f"{figure:,}" for figure in figures))


def package_rows(sizes: Sizes) -> Iterator[tuple[str, ...]]:
    """Each image's biggest Python packages, and once for each flavour its distribution's, which are the base's."""
    for one in sizes.images:
        yield one.name, ", ".join(_packages(one, python=True))
    for flavour, one in {one.image: one for one in sizes.images}.items():
        yield flavour, ", ".join(_packages(one, python=False))


def notes(sizes: Sizes) -> Iterator[str]:
    """What a reader has to know beside the tables, one sentence each."""
    if sizes.images:
        yield "uncompressed: the sum of the layers' tars. compressed: the sum of the layers in the registry's manifest."
        yield f"zstd: the same layers compressed with zstd at level {sizes.zstd_level}: computed, not the registry's."
        yield "over base: layers that the base image has not; the standard library's bytecode is one that all share."
    if any(one.stand_in_base for one in sizes.images):
        yield "stand-in base: images stand on locally made base images, not on the official ones."
    if unknown := [one.name for one in sizes.images if one.unique_tar_bytes is None]:
        yield f"over base: missing for {', '.join(unknown)}, because the base they were built on is not in the engine."
    yield from (f"{name}: missing, because {reason}" for name, reason in sizes.missing.items())


def _packages(image: ImageSize, *, python: bool) -> Iterator[str]:
    """Name and megabytes of the ``SHOWN`` biggest."""
    chosen = [one for one in image.packages if (one.kind == "python") is python]
    for one in chosen[:SHOWN]:
        yield f"{one.name} {one.size_bytes / 1e6:.1f}"


def _table(title: str, headings: tuple[str, ...], rows: Iterator[tuple[str, ...]], text: int = 1) -> Table:
    """A table whose first ``text`` columns are words and the others figures."""
    found = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, heading in enumerate(headings):
        found.add_column(heading, justify="left" if place < text else "right")
    for row in rows:
        found.add_row(*row)
    return found
