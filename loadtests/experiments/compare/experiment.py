"""``make compare``: two sides against each other, at once if the cores and the load allow it, otherwise in turn."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from typing_extensions import override

from common.aws.settings import FargateSettings
from common.catalog.sizes import Runtime, Size
from common.conformance.checking import check_all, check_for, require_conforming
from common.errors import BenchmarkError, SlowerError, UsageError
from common.host.cores import split_cores
from common.records.figure import Figure
from common.records.load import LoadSpec
from common.records.run import CompareRun, Design, Stopping
from common.records.schema import Visit
from common.records.summary import LimitDecision, Pair, Summary
from common.records.window import Window
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare_available
from loadtests.analysis import outcome
from loadtests.analysis.across_runs import across_runs
from loadtests.campaign.manifest import RunIdentity, cells_of, run_fields, setup_for, with_databases
from loadtests.campaign.plan import PlannedVisit
from loadtests.campaign.store import RunFolder, misfits_named
from loadtests.experiments.compare import report
from loadtests.experiments.compare.sides import Side, both_candidates
from loadtests.experiments.loadtest.experiment import LoadTest, read_load_test
from loadtests.experiments.loadtest.visit import measure_together
from loadtests.scenarios.workloads import scenario_for
from loadtests.targets.ceiling import with_ceiling
from loadtests.windows.sliced import slicing_for, warmed


class Compare(LoadTest[CompareRun]):
    """A comparison of two sides. It gives no figures of the stacks, since two servers slow each other down."""

    command = "compare"
    run_type = CompareRun
    why_not_resumable = None  # a folder of the user's own is recorded as A= or B=

    @override
    def visit(self, batch: Sequence[PlannedVisit], subjects: Mapping[str, Candidate]) -> Sequence[Visit]:
        if self.run.design is Design.DUET:
            windows = [planned.record(Window, self.run.id) for planned in batch]
            return measure_together(windows, self.run.setup, subjects)
        return super().visit(batch, subjects)

    @override
    def subjects(self, fargate: FargateSettings | None = None) -> Mapping[str, Candidate]:
        if len(self.run.sides) != len(self.run.cells):
            raise UsageError(f"run {self.run.id} does not record what A= and B= were. Start a new run.")
        a, b = (Side.parse(text, variable) for text, variable in zip(self.run.sides, "AB", strict=True))
        app = scenario_for(self.run.setup.load).app
        chosen = both_candidates(a, b, self.run.runtime, self.run.server_asked)
        return {candidate.name: candidate.serving(app) for candidate in chosen}

    @override
    def figures(self, summary: Summary) -> Iterable[Figure]:
        return ()

    @override
    def failure(self, summary: Summary) -> BenchmarkError | None:
        return super().failure(summary) or slower_than_allowed(summary.pairs)

    @override
    def warnings(self, summary: Summary) -> Iterable[str]:
        return undecided_limits(summary.pairs)

    @override
    def notes(self, summary: Summary) -> Iterable[str]:
        return (*super().notes(summary), *report.notes(self.run))

    @override
    def conclusions(self, summary: Summary) -> Iterable[str]:
        return [sentence for pair in summary.pairs for sentence in outcome.sentences(pair, self.run.stopping.margin)]


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
    comparisons: int = 1,
) -> Callable[[RunIdentity], tuple[Compare, dict[str, Candidate]]]:
    """Return the function that prepares a comparison: both sides are built, and must conform to the contract."""

    def begin(identity: RunIdentity) -> tuple[Compare, dict[str, Candidate]]:
        with messages.status("preparing environments and locks"):
            chosen = both_candidates(a, b, runtime, server)
        candidates = [candidate.serving(scenario_for(load).app) for candidate in chosen]
        design = _design_for(load, size)
        sliced = design is Design.SLICED
        setup = setup_for(warmed(load, runtime, sliced=sliced), size, runtime)
        setup = with_databases(setup, candidates, at_once=len(candidates))
        ready, unavailable = prepare_available(candidates, messages)
        for name, reason in unavailable.items():
            raise UsageError(f"{name} is not available: {reason.rstrip('.')}.")
        outcomes = check_all(ready, messages, check_for(load.requests))
        require_conforming(outcomes)
        run = CompareRun(
            **run_fields(identity, runtime=runtime, rounds=rounds),
            design=design,
            slicing=slicing_for(size.vcpu, len(candidates)) if sliced else None,
            stopping=stopping,
            setup=with_ceiling(setup),
            cells=cells_of(candidates, outcomes),
            sides=[a.text, b.text],
            origins=[side.origin(candidate) for side, candidate in zip((a, b), candidates, strict=True)],
            server_asked=server,
            fail_if_slower=fail_if_slower,
            comparisons=comparisons,
        )
        return Compare(run), {candidate.name: candidate for candidate in candidates}

    return begin


def _design_for(load: LoadSpec, size: Size) -> Design:
    """Return how both sides are loaded: requests of the user's own in slices, others at once if the cores allow it."""
    if load.requests:
        return Design.SLICED
    return Design.ALTERNATION if split_cores(size.vcpu).shared else Design.DUET


def compare_runs(
    a: RunFolder, b: RunFolder, margin: float, limit: float | None = None
) -> tuple[tuple[Pair, ...], list[str]]:
    """Return the pair of every cell that two finished load tests have, and why cells are left out.

    ``UsageError`` as ``across_runs``.
    """
    first, second = read_load_test(a), read_load_test(b)
    with misfits_named(b.folder):
        return across_runs(first, second, margin, limit)


def slower_than_allowed(pairs: Iterable[Pair]) -> SlowerError | None:
    """Return an error if a ``b`` was found to be slower than its ``a`` by more than the limit; it names the slowest."""
    slower = {
        pair.b: pair.against_limit
        for pair in pairs
        if pair.against_limit is not None and pair.against_limit.decision is LimitDecision.SLOWER
    }
    if not slower:
        return None
    worst, found = min(slower.items(), key=lambda pair: pair[1].change.estimate)
    seen = f"{-found.change.estimate:.1%}, at least {-(found.change.high or 0.0):.1%}"
    return SlowerError(f"{worst} is slower by {seen}: more than FAIL_IF_SLOWER={found.limit:.1%} allows.")


def undecided_limits(pairs: Iterable[Pair]) -> list[str]:
    """Return a sentence for each pair of which a limit was asked and not decided."""
    return [
        f"FAIL_IF_SLOWER={pair.against_limit.limit:.1%} is undecided for {pair.b}, which therefore does not fail. "
        "Give more rounds, or a longer BUDGET=."
        for pair in pairs
        if pair.against_limit is not None and pair.is_undecided
    ]
