"""``make startup``: starts of fresh servers by phase, and pulls of their images over links."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from msgspec.structs import replace
from rich.console import Console, RenderableType
from typing_extensions import override

from common.catalog.sizes import Runtime, Size
from common.conformance.checking import conform_all
from common.engine.cold_starts import cold_method, require_dockerd
from common.errors import BenchmarkError, FailedError, UsageError
from common.host.cores import split_cores
from common.host.network import parse_bandwidths, require_namespaces
from common.records.figure import Figure
from common.records.run import Cell
from common.records.schema import Visit
from common.registries import local
from common.runtimes.candidates import Candidate
from common.words import select
from loadtests.analysis.values import conforms
from loadtests.campaign.experiment import Experiment, Remaining, Visitor, failure_of, remaining_of
from loadtests.campaign.manifest import RunIdentity, cells_of, run_fields
from loadtests.campaign.plan import PlannedVisit, planned_visits
from loadtests.experiments.startup import report
from loadtests.experiments.startup.records import (
    PageCache,
    Pull,
    PullCell,
    Start,
    StartCell,
    StartupRun,
    StartupSummary,
)
from loadtests.experiments.startup.report import WARM_BYTES
from loadtests.experiments.startup.visit import Puller, import_costs, observe, pinned, puller

ROUNDS = 5
"""The default of ``ROUNDS=``."""


class Startup(Experiment[StartupRun, StartupSummary]):
    """Starts first, then pulls; each cell once per round."""

    command = "startup"
    run_type = StartupRun
    visit_types = (Start, Pull)
    summary_type = StartupSummary

    @override
    def remaining(self, visits: Sequence[Visit]) -> Remaining:
        run = self.run
        starts = [cell.name for cell in run.cells if conforms(cell.stack)]
        planned = [
            *planned_visits(Start, starts, run.rounds, run.seed),
            *planned_visits(Pull, [cell.name for cell in run.pulls], run.rounds, run.seed),
        ]
        return remaining_of(planned, visits)

    @override
    @contextmanager
    def visiting(self, subjects: Mapping[str, Candidate], messages: Console) -> Iterator[Visitor]:
        cells = {cell.name: cell for cell in self.run.cells}
        links = {cell.name: cell for cell in self.run.pulls}
        pullers: list[Puller] = []
        with ExitStack() as stack:

            def visit(batch: Sequence[PlannedVisit]) -> Sequence[Visit]:
                (planned,) = batch
                if planned.kind is Start:
                    cell = cells[planned.cell]
                    return [measure_start(planned.record(Start, self.run.id), subjects[cell.stack.name], cell)]
                if not pullers:
                    messages.print("pushing images into a registry and starting an empty engine for the pulls")
                    images = dict.fromkeys(cell.image for cell in self.run.pulls)
                    pullers.append(stack.enter_context(puller(images)))
                return [pullers[0].measure(planned.record(Pull, self.run.id), links[planned.cell])]

            yield visit

    @override
    def summarise(self, visits: Sequence[Visit]) -> StartupSummary:
        return report.summarise(self.run, [visit for visit in visits if isinstance(visit, Start | Pull)])

    @override
    def tables(self, summary: StartupSummary) -> Iterable[RenderableType]:
        if self.run.cells:
            yield report.starts_table(self.run, summary)
        if self.run.pulls:
            yield report.pulls_table(self.run, summary)

    @override
    def notes(self, summary: StartupSummary) -> Iterable[str]:
        return report.notes(self.run, summary)

    @override
    def figures(self, summary: StartupSummary) -> Iterable[Figure]:
        return report.figures(self.run, summary)

    @override
    def describe(self, visit: Visit) -> str:
        if isinstance(visit, Pull):
            return f"{visit.total_s:.2f} s"
        assert isinstance(visit, Start)
        return f"{visit.total_s:.3f} s, {visit.cpu_s:.3f} CPU-seconds"

    @override
    def failure(self, summary: StartupSummary) -> BenchmarkError | None:
        starts = [(row.cell, row.verdict, row.doubts) for row in summary.starts]
        return failure_of([*starts, *((row.cell, row.verdict, row.doubts) for row in summary.pulls)], "cell")

    @override
    def stacks(self) -> Iterable[Cell]:
        return {cell.stack.name: cell.stack for cell in self.run.cells}.values()


def begin_startup(
    candidates: Sequence[Candidate],
    identity: RunIdentity,
    *,
    sizes: Sequence[Size],
    caches: Sequence[PageCache],
    links: Sequence[str],
    runtime: Runtime,
    rounds: int,
    messages: Console,
) -> tuple[Startup, dict[str, Candidate]]:
    """Prepare starts at every size and state of the page cache, and pulls over links.

    Every candidate is checked against the contract first, which also warms the page cache.
    """
    outcomes = conform_all(candidates, messages)
    made = {candidate.name: candidate for candidate in candidates if candidate.name in outcomes}
    cold_tags = [candidate.tag for candidate in made.values() if candidate.tag] if PageCache.COLD in caches else []
    run = StartupRun(
        **run_fields(identity, runtime=runtime, rounds=rounds),
        cold_by=cold_method(cold_tags[0]) if cold_tags else None,
        cells=[
            StartCell(name=f"{stack.name} {size.vcpu:g} vCPU {cache}", stack=stack, size=size, cache=cache)
            for stack in cells_of(candidates, outcomes)
            for size in sizes
            for cache in caches
        ],
        pulls=[
            PullCell(name=f"{name} over {link}", image=candidate.tag, link=link)
            for name, candidate in made.items()
            for link in links
            if candidate.tag
        ],
    )
    return Startup(run), made


def parse_caches(text: str | None, runtime: Runtime) -> tuple[PageCache, ...]:
    """Return the states of the page cache that ``CACHE=`` names; by default both in Docker, warm for processes."""
    if runtime is Runtime.PROCESS:
        if text not in {None, PageCache.WARM}:
            raise UsageError(
                f"CACHE={text} needs RUNTIME=docker; RUNTIME=process starts warm, without an image's files."
            )
        return (PageCache.WARM,)
    return tuple(map(PageCache, select(text or "all", tuple(PageCache), variable="CACHE")))


def parse_links(text: str, runtime: Runtime) -> tuple[str, ...]:
    """Return the links that ``BANDWIDTH=`` names; ``UsageError`` if one is invalid, or what it needs is missing."""
    if links := parse_bandwidths(text):
        if runtime is Runtime.PROCESS:
            raise UsageError(f"BANDWIDTH={text} needs RUNTIME=docker; RUNTIME=process has no images to pull.")
        require_namespaces()
        require_dockerd()
        local.require_program()
    return links


def measure_start(blank: Start, candidate: Candidate, cell: StartCell) -> Start:
    """Return one start; for a warm one, also the cost of the interpreter and the import."""
    cores = split_cores(cell.size.vcpu)
    with pinned(cores):
        start = observe(blank, candidate, cell.size, cores=cores, cold=cell.cache is PageCache.COLD)
        if cell.cache is PageCache.WARM and (start.disk_read_bytes or 0) > WARM_BYTES:
            # Another stack's cold start has evicted files of layers they share: this one was not warm, the next is.
            start = observe(blank, candidate, cell.size, cores=cores, cold=False)
    if start.error or cell.cache is PageCache.COLD:
        return start
    try:
        interpreter, app_import = import_costs(candidate, cell.size, cores.server)
    except FailedError as error:
        return replace(start, error=str(error))
    return replace(start, interpreter=interpreter, app_import=app_import)
