"""``make compare``: two stacks against each other, at once if the cores allow it, otherwise in turn."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from typing_extensions import override

from common.aws.settings import FargateSettings
from common.catalog.runtimes import Runtime
from common.catalog.sizes import Size
from common.conformance.candidates import conform_all, require_conforming
from common.errors import BenchmarkError, FailedError, UsageError
from common.host.cores import split_cores
from common.records.figure import Figure
from common.records.load import LoadSpec
from common.records.run import CompareRun, Design, LoadRun, Stopping
from common.records.summary import Pair, Summary
from common.records.visit import Visit
from common.records.window import Window
from common.runtimes.candidates import Candidate
from loadtests.analysis import outcome
from loadtests.analysis.across_runs import RecordedRun, across_runs
from loadtests.campaign.manifest import RunIdentity, cells_of, run_fields, setup_for
from loadtests.campaign.plan import PlannedVisit
from loadtests.campaign.store import RunFolder, misfits_named
from loadtests.experiments.loadtest import LoadTest, windows_of
from loadtests.experiments.sides import Side, both_candidates
from loadtests.targets.ceiling import with_ceiling
from loadtests.visits.fresh_servers import measure_together


class Compare(LoadTest[CompareRun]):
    """A comparison of two sides. It gives no figures of the stacks, since two servers slow each other down."""

    command = "compare"

    @override
    def together(self, todo: tuple[PlannedVisit, ...]) -> tuple[PlannedVisit, ...]:
        return todo if self.run.design is Design.DUET else todo[:1]

    @override
    def visit(self, batch: Sequence[PlannedVisit], subjects: Mapping[str, Candidate]) -> Sequence[Visit]:
        if self.run.design is Design.DUET:
            windows = [planned.record(Window, self.run.id) for planned in batch]
            return measure_together(windows, self.run.setup, subjects)
        return super().visit(batch, subjects)

    @override
    def half_made(self, visits: Sequence[Visit]) -> int:
        if self.run.design is not Design.DUET or not (windows := windows_of(visits)):
            return 0
        last = [window for window in windows if window.round == windows[-1].round]
        return len(last) % len(self.run.cells)

    @override
    def subjects(self, fargate: FargateSettings | None = None) -> Mapping[str, Candidate]:
        if len(self.run.sides) != len(self.run.cells):
            raise UsageError(f"run {self.run.id} does not record what A= and B= were. Start a new run.")
        a, b = (Side.parse(text, variable) for text, variable in zip(self.run.sides, "AB", strict=True))
        return {one.name: one for one in both_candidates(a, b, self.run.runtime, self.run.server_asked)}

    @override
    def figures(self, summary: Summary) -> Iterable[Figure]:
        return ()

    @override
    def failure(self, summary: Summary) -> BenchmarkError | None:
        return super().failure(summary) or slower_than_allowed(summary.pairs, self.run.fail_if_slower)

    @override
    def conclusions(self, summary: Summary) -> Iterable[str]:
        return [outcome.sentence(pair, self.run.stopping.margin) for pair in summary.pairs]


def begin_compare(
    a: Side,
    b: Side,
    *,
    server: str,
    load: LoadSpec,
    size: Size,
    runtime: Runtime,
    rounds: int,
    stopping: Stopping,
    fail_if_slower: float | None,
    messages: Console,
) -> Callable[[RunIdentity], tuple[Compare, dict[str, Candidate]]]:
    """Return the function that prepares a comparison: both sides are built, and must conform to the contract."""

    def begin(identity: RunIdentity) -> tuple[Compare, dict[str, Candidate]]:
        with messages.status("preparing environments and locks"):
            candidates = both_candidates(a, b, runtime, server)
        outcomes = conform_all(candidates, messages)
        if missing := [candidate for candidate in candidates if candidate.name not in outcomes]:
            raise UsageError(f"{missing[0].name} is not available: {missing[0].unavailable}.")
        require_conforming(outcomes)
        run = CompareRun(
            **run_fields(identity, runtime=runtime, rounds=rounds),
            design=Design.ALTERNATION if split_cores(size.vcpu).shared else Design.DUET,
            stopping=stopping,
            setup=with_ceiling(setup_for(load, size, runtime)),
            cells=cells_of(candidates, outcomes),
            sides=[a.text, b.text],
            server_asked=server,
            fail_if_slower=fail_if_slower,
        )
        return Compare(run), {candidate.name: candidate for candidate in candidates}

    return begin


def compare_runs(a: RunFolder, b: RunFolder, margin: float) -> tuple[Pair, ...]:
    """Compare every cell that two finished load tests have; ``UsageError`` as ``across_runs``."""
    first, second = _recorded(a), _recorded(b)
    with misfits_named(b.folder):
        return across_runs(first, second, margin)


def slower_than_allowed(pairs: Sequence[Pair], limit: float | None) -> FailedError | None:
    """Return an error if a ``b`` is slower than its ``a`` by more than ``limit`` (0.03: 3 %) for certain."""
    if limit is None or not (slower := [pair for pair in pairs if outcome.slower_by(pair) > limit]):
        return None
    worst = max(slower, key=outcome.slower_by)
    slower_by = outcome.slower_by(worst)
    return FailedError(f"{worst.b} is slower by at least {slower_by:.1%}, more than FAIL_IF_SLOWER={limit:.1%} allows.")


def _recorded(folder: RunFolder) -> RecordedRun:
    run = folder.run()
    assert isinstance(run, LoadRun)
    return RecordedRun(run=run, windows=windows_of(folder.visits()))
