"""What libraries and images weigh: the summary, its figures and its tables. Pure."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from common.records.figure import Figure, Metric, exact, figure
from common.records.summary import Verdict
from loadtests.analysis.formatting import BYTES_PER_MB, MISSING, number, plain_table, stand_in_notes
from loadtests.experiments.sizes.records import (
    FootprintRun,
    FootprintSummary,
    ImageFootprint,
    ImageVisit,
    LibrariesVisit,
)

LIBRARIES = ("library", "of", "package", "version", "alone", "with dependencies", "packages")
IMAGES = ("image", "uncompressed", "compressed", "zstd", "over base", "compressed over base", "layers")
SHOWN = 5
"""The number of packages that the table names; the record has more."""
LEFT = frozenset({"library", "of", "package", "version", "image"})


def summarise(run: FootprintRun, visits: Sequence[LibrariesVisit | ImageVisit]) -> FootprintSummary:
    """Return every measured image, each library once per interface, and why others are missing."""
    libraries = {
        (library.kind, library.name, library.interface): library
        for visit in visits
        if isinstance(visit, LibrariesVisit)
        for library in visit.libraries
    }
    images = {visit.cell: visit for visit in visits if isinstance(visit, ImageVisit)}
    failed = {visit.cell: visit.error for visit in visits if visit.error is not None}
    return FootprintSummary(
        run=run.id,
        libraries=list(libraries.values()),
        images={cell: visit.footprint for cell, visit in images.items() if visit.footprint is not None},
        missing=run.missing | failed,
    )


def figures(run: FootprintRun, summary: FootprintSummary) -> Iterator[Figure]:
    """Yield the compressed size of each image, in bytes."""
    cells = {cell.name: cell.stack for cell in run.cells}
    for name, image in summary.images.items():
        yield figure(run, cells[name], Metric.COMPRESSED_BYTES, exact(image.compressed_bytes), Verdict.VALID)


def tables(run: FootprintRun, summary: FootprintSummary) -> Iterator[Table]:
    """Yield a table of libraries, one of images, and one of the biggest packages in each image."""
    if summary.libraries:
        yield plain_table("libraries on disk, bytecode included (bytes)", LIBRARIES, library_rows(summary), left=LEFT)
    if summary.images:
        yield plain_table("images (bytes)", IMAGES, image_rows(summary), left=LEFT)
        title = "the biggest packages in each image (MB)"
        rows = package_rows(run, summary)
        yield plain_table(title, ("image", "packages"), rows, left=frozenset({"image", "packages"}))


def notes(run: FootprintRun, summary: FootprintSummary) -> Iterator[str]:
    """Yield what a reader must know besides the tables, one sentence each."""
    if summary.images:
        yield "uncompressed: the sum of the layers' tars. compressed: the sum of the layers in the registry's manifest."
        yield f"zstd: the same layers compressed with zstd at level {run.zstd_level}: computed, not the registry's."
        yield (
            "over base: layers that the base image lacks; the standard library's bytecode is one layer that all images "
            "on a base share."
        )
    yield from stand_in_notes(cell.stack for cell in run.cells)
    if unknown := [name for name, image in summary.images.items() if image.unique_tar_bytes is None]:
        yield f"over base: missing for {', '.join(unknown)}, since the base they were built on is not in the engine."
    about: dict[str, list[str]] = {}
    for name, reason in summary.missing.items():
        about.setdefault(reason, []).append(name)
    yield from (f"missing: {', '.join(names)}: {reason}" for reason, names in about.items())


def library_rows(summary: FootprintSummary) -> Iterator[tuple[str, ...]]:
    """Yield each library's text, in the order of ``LIBRARIES``."""
    for library in summary.libraries:
        version = next((package.version for package in library.packages if package.name == library.package), MISSING)
        counts = (f"{library.alone_bytes:,}", f"{library.total_bytes:,}", str(len(library.packages)))
        yield (library.name, f"{library.kind}, {library.interface}", library.package, version, *counts)


def image_rows(summary: FootprintSummary) -> Iterator[tuple[str, ...]]:
    """Yield each image's text, in the order of ``IMAGES``; missing images are in the notes."""
    for name, image in summary.images.items():
        values = (image.tar_bytes, image.compressed_bytes, image.zstd_bytes, image.unique_tar_bytes,
                  image.unique_compressed_bytes, len(image.layers))  # fmt: skip
        yield (name, *map(number, values))


def package_rows(run: FootprintRun, summary: FootprintSummary) -> Iterator[tuple[str, ...]]:
    """Yield each image's biggest Python packages, and once for each flavour its base's distribution packages."""
    flavours = {cell.name: cell.stack.image or "" for cell in run.cells}
    for name, image in summary.images.items():
        yield name, ", ".join(_packages(image, python=True))
    for flavour, image in {flavours[name]: image for name, image in summary.images.items()}.items():
        yield flavour, ", ".join(_packages(image, python=False))


def _packages(image: ImageFootprint, *, python: bool) -> Iterator[str]:
    """Yield the names and megabytes of the ``SHOWN`` biggest packages."""
    chosen = [package for package in image.packages if (package.kind == "python") is python]
    for package in chosen[:SHOWN]:
        yield f"{package.name} {package.size_bytes / BYTES_PER_MB:.1f}"
