"""The summary of the sizes of libraries and images. Pure."""

from collections.abc import Iterator, Sequence

from common.records.experiments.footprint import FootprintRun, FootprintSummary, ImageVisit, LibrariesVisit
from common.records.figure import Figure, Metric
from common.records.summary import Verdict
from loadtests.summaries.figures import exact, figure


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
