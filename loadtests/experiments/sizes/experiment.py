"""``make sizes``: the bytes of libraries and images. They are exact, so one round is enough."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from rich.console import Console, RenderableType
from typing_extensions import override

from common.catalog.sizes import Runtime
from common.engine.contents import ZSTD_LEVEL
from common.errors import BenchmarkError, FailedError
from common.records.figure import Figure
from common.records.run import Cell
from common.records.schema import Visit
from common.registries.api import RegistryAddress
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import available, prepare, prepare_available
from common.words import counted
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, remaining_of
from loadtests.campaign.manifest import RunIdentity, cell_of, run_fields
from loadtests.campaign.plan import PlannedVisit
from loadtests.experiments.sizes import report
from loadtests.experiments.sizes.records import (
    FootprintCell,
    FootprintRun,
    FootprintSummary,
    ImageVisit,
    LibrariesVisit,
    Weighed,
)
from loadtests.experiments.sizes.visit import ImageReader, image_reader, measure_libraries


class Sizes(Experiment[FootprintRun, FootprintSummary]):
    """The libraries of every stack, then its images."""

    command = "sizes"
    run_type = FootprintRun
    visit_types = (LibrariesVisit, ImageVisit)
    summary_type = FootprintSummary

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        kinds: Mapping[Weighed, type[Visit]] = {Weighed.LIBRARIES: LibrariesVisit, Weighed.IMAGE: ImageVisit}
        planned = [
            PlannedVisit(kind=kinds[cell.weighs], round=1, position=position, cell=cell.name)
            for position, cell in enumerate(self.run.cells, start=1)
        ]
        return remaining_of(planned, visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        cells = {cell.name: cell for cell in self.run.cells}
        readers: list[ImageReader] = []
        with ExitStack() as stack:

            def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
                (planned,) = batch
                candidate = subjects[cells[planned.cell].stack.name]
                if planned.kind is LibrariesVisit:
                    return [measure_libraries(planned.record(LibrariesVisit, self.run.id), candidate)]
                if not readers:
                    address = RegistryAddress.parse(self.run.registry) if self.run.registry else None
                    readers.append(stack.enter_context(image_reader(address)))
                return [readers[0].measure(planned.record(ImageVisit, self.run.id), candidate)]

            yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> FootprintSummary:
        return report.summarise(self.run, [visit for visit in visits if isinstance(visit, LibrariesVisit | ImageVisit)])

    @override
    def tables(self, summary: FootprintSummary) -> Iterable[RenderableType]:
        return report.tables(self.run, summary)

    @override
    def notes(self, summary: FootprintSummary) -> Iterable[str]:
        return report.notes(self.run, summary)

    @override
    def figures(self, summary: FootprintSummary) -> Iterable[Figure]:
        return report.figures(self.run, summary)

    @override
    def describe(self, visit: Visit) -> str:
        if isinstance(visit, LibrariesVisit):
            return f"{sum(library.total_bytes for library in visit.libraries):,} bytes of libraries"
        assert isinstance(visit, ImageVisit)
        assert visit.footprint is not None
        return f"{visit.footprint.compressed_bytes:,} bytes compressed"

    @override
    def failure(self, summary: FootprintSummary) -> BenchmarkError | None:
        if failed := [name for name in summary.missing if name not in self.run.missing]:
            return FailedError(f"{counted(len(failed), 'cell')} could not be measured: {', '.join(failed)}.")
        return None

    @override
    def stacks(self) -> Iterable[Cell]:
        return {cell.stack.name: cell.stack for cell in self.run.cells}.values()


def begin_sizes(
    candidates: Sequence[Candidate],
    identity: RunIdentity,
    *,
    address: RegistryAddress | None,
    runtime: Runtime,
    messages: Console,
) -> tuple[Sizes, dict[str, Candidate]]:
    """Prepare a run of all libraries, and of all images unless the runtime has none.

    The libraries of a stack are those of its environment on this machine, whatever the image.
    """
    wanted = available(candidates, messages)
    environments = list({candidate.stack.name: Candidate(stack=candidate.stack) for candidate in wanted}.values())
    prepare(environments, messages)
    images, missing = prepare_available([candidate for candidate in wanted if candidate.image is not None], messages)
    missing |= {candidate.name: candidate.unavailable for candidate in candidates if candidate.unavailable is not None}
    if runtime is not Runtime.DOCKER:
        missing["images"] = "no Docker engine answers"
    cells = [
        FootprintCell(name=f"libraries of {candidate.name}", stack=cell_of(candidate, None), weighs=Weighed.LIBRARIES)
        for candidate in environments
    ]
    cells += [
        FootprintCell(name=candidate.name, stack=cell_of(candidate, None), weighs=Weighed.IMAGE) for candidate in images
    ]
    run = FootprintRun(
        **run_fields(identity, runtime=runtime, rounds=1),
        registry=None if address is None else f"{address.host}/{address.prefix}".rstrip("/"),
        zstd_level=ZSTD_LEVEL,
        cells=cells,
        missing=missing,
    )
    return Sizes(run), {candidate.name: candidate for candidate in (*environments, *images)}
