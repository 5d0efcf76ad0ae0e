"""Two against each other: in a duet where the cores allow it, else in turn; or two finished runs."""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from common.conformance.candidates import conform_all, require_conforming
from common.errors import FailedError, UsageError
from common.host.cores import split_cores
from common.host.run_lock import hold_run_lock
from common.records.run import Run
from common.records.summary import Pair
from common.runtimes.candidates import Candidate
from loadtests.analysis import outcome
from loadtests.analysis.dropping import pairs_of
from loadtests.runs.across_runs import across_runs
from loadtests.runs.manifest import Identity, Settings, manifest
from loadtests.runs.results import RESULTS, Results
from loadtests.runs.resuming import Resumed
from loadtests.runs.runner import finish, resume_run
from loadtests.runs.sides import Side, both


def compare_sides(
    a: Side, b: Side, settings: Settings, *, server: str, out: Path | None, console: Console
) -> tuple[Pair, ...]:
    """What came of ``b`` against ``a``, printed and written; of two finished runs, of every cell that both have."""
    if a.run is not None and b.run is not None:
        found = across_runs(Results(folder=a.run), Results(folder=b.run), settings.stopping.margin)
        for pair in found:
            say(pair, settings.stopping.margin, console)
        return found
    if a.run is not None or b.run is not None:
        raise UsageError(f"A={a.text} B={b.text}: a finished run is compared with another finished run.")
    identity = Identity.of(settings.seed)
    with hold_run_lock(identity.id):
        with console.status("environments and locks"):
            candidates = both(a, b, settings.runtime, server)
        run = replace(_begun(candidates, settings, identity, console), sides=[a.text, b.text], server_asked=server)
        results = Results.create(out or RESULTS / run.id, run)
        finish(run, {one.name: one for one in candidates}, results, console)
    return _told(run, results, console)


def resume_comparison(resumed: Resumed, console: Console) -> tuple[Pair, ...]:
    """The same of a comparison that was ended before its time."""
    resume_run(resumed, console)
    return _told(resumed.run, resumed.results, console)


def _told(run: Run, results: Results, console: Console) -> tuple[Pair, ...]:
    (pair,) = pairs_of(run, results.windows())
    say(pair, run.margin, console)
    return (pair,)


def say(pair: Pair, margin: float, console: Console) -> None:
    """The outcome in one line, which is the last of the command."""
    console.print(outcome.sentence(pair, margin), soft_wrap=True, markup=False)


def fail_if_slower(found: Sequence[Pair], limit: float) -> None:
    """``FailedError`` where a ``b`` is told to be slower, and by ``limit`` (0.03: 3 %) or more."""
    if slower := [pair for pair in found if outcome.slower_by(pair) >= limit]:
        worst = max(slower, key=outcome.slower_by)
        raise FailedError(f"{worst.b} is slower by {outcome.slower_by(worst):.1%}; FAIL_IF_SLOWER is {limit:.1%}.")


def _begun(candidates: Sequence[Candidate], settings: Settings, identity: Identity, console: Console) -> Run:
    outcomes = conform_all(candidates, console)
    if missing := [one for one in candidates if one.name not in outcomes]:
        raise UsageError(f"{missing[0].name} is not available: {missing[0].unavailable}.")
    require_conforming(outcomes)
    design = "alternation" if split_cores(settings.size.vcpu).shared else "duet"
    return manifest(settings, candidates, outcomes, identity, design=design)
