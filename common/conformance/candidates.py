"""Running the conformance suite against candidates, and tabulating the outcomes."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from common.catalog.sizes import Size
from common.conformance.running import SuiteOutcome, run_suite
from common.console import live_progress
from common.errors import FailedError
from common.parallel import each_finished
from common.records.run import Conformance
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import available, prepare

SIZE = Size()
"""The size for conformance: one worker, because a second one could hide that the first one blocks."""

LONGEST_S = 120.0
"""An upper bound for the suite's duration on one server, for estimating the cost of a billable server."""

NO_DEVIATIONS: Mapping[str, str] = {}
_OUTDATED = "passes, but is declared as a deviation; remove it from the framework's pyproject.toml"


def conform(candidate: Candidate) -> Conformance:
    """Return the outcome of the suite on a fresh server.

    Of a server of the user's own nothing is declared, so keep-alive and overlap are observed.
    """
    server = candidate.stack.server
    keep_alive, overlap = (server.keep_alive, server.concurrent) if candidate.guest is None else (None, None)

    def check(running: RunningServer) -> Conformance:
        outcome = run_suite(running.url, keep_alive=keep_alive, overlap=overlap, prefix=running.client_prefix)
        return conformance_record(outcome, candidate.stack.framework.deviations_on(server.kind))

    return on_fresh_server(candidate, check)


def on_fresh_server(
    candidate: Candidate, check: Callable[[RunningServer], Conformance], *, inside: bool = True
) -> Conformance:
    """Return the outcome of a check; a server that does not start fails the test ``start``. ``inside`` as ``serve``."""
    try:
        with candidate.serve(SIZE, cores=sorted(os.sched_getaffinity(0)), inside=inside) as running:
            return check(running)
    except FailedError as error:
        return Conformance(passed=0, failed={"start": str(error)}, duration_s=0)


def conform_all(
    candidates: Sequence[Candidate], console: Console, check: Callable[[Candidate], Conformance] = conform
) -> dict[str, Conformance]:
    """Check each available candidate, once all are prepared, and return the outcomes by name, in the order given.

    One candidate per core is checked at a time, since the suite spends most of its time waiting. Tasks on Fargate are
    checked one by one, because an interrupt must stop what costs money at once.
    """
    runnable = available(candidates, console)
    prepare(runnable, console)
    at_once = 1 if any(candidate.fargate for candidate in runnable) else len(os.sched_getaffinity(0))
    outcomes = {}
    with live_progress("conformance", len(runnable), console) as display:
        for candidate, outcome in each_finished(check, runnable, at_once=at_once):
            outcomes[candidate.name] = outcome
            display.done(f"{candidate.name}: {outcome.passed} passed, {len(outcome.failed)} failed")
    return {candidate.name: outcomes[candidate.name] for candidate in runnable}


def conforming_candidates(candidates: Iterable[Candidate], outcomes: Mapping[str, Conformance]) -> dict[str, Candidate]:
    """Return the candidates that conform, by name."""
    return {
        candidate.name: candidate
        for candidate in candidates
        if candidate.name in outcomes and not outcomes[candidate.name].failed
    }


def require_some_conforming(
    candidates: Iterable[Candidate], outcomes: Mapping[str, Conformance]
) -> dict[str, Candidate]:
    """Return the candidates that conform, by name; raise ``FailedError`` if there is none."""
    if conforming := conforming_candidates(candidates, outcomes):
        return conforming
    raise FailedError("none of the selected stacks is available and conforms to the contract; see the reasons above.")


def conformance_record(outcome: SuiteOutcome, known: Mapping[str, str] = NO_DEVIATIONS) -> Conformance:
    """Return the outcome in the form in which runs record it.

    A test that fails as ``known`` declares is recorded as a deviation. One that passes all the same counts as failed,
    so that no declaration outlives its reason.
    """
    failed = dict(outcome.failed)
    outdated = {test: _OUTDATED for test in known if test in outcome.passed}
    return Conformance(
        passed=len(outcome.passed),
        failed={test: reason for test, reason in failed.items() if test not in known} | outdated,
        deviations={test: reason for test, reason in known.items() if test in failed},
        duration_s=outcome.duration_s,
        observed=dict(outcome.observed),
        divergences=dict(outcome.divergences),
    )


def conformance_tables(outcomes: Mapping[str, Conformance]) -> Group:
    """Return a table with one row per stack, and tables with one row per failure and per deviation."""
    stacks = Table(title="conformance", title_justify="left")
    for heading in ("stack", "passed", "failed", "seconds", "verdict"):
        stacks.add_column(heading, justify="left" if heading in {"stack", "verdict"} else "right")
    failures = Table("stack", "test", "reason", title="failures", title_justify="left")
    deviations = Table("stack", "test", "reason", title="declared deviations", title_justify="left")
    for name, outcome in outcomes.items():
        verdict = _verdict(outcome)
        stacks.add_row(Text(name), str(outcome.passed), str(len(outcome.failed)), f"{outcome.duration_s:.1f}", verdict)
        for test, reason in outcome.failed.items():
            failures.add_row(Text(name), Text(test), Text(reason))  # not markup, though brackets are in both
        for test, reason in outcome.deviations.items():
            deviations.add_row(Text(name), Text(test), Text(reason))
    return Group(stacks, *(table for table in (failures, deviations) if table.row_count))


def _verdict(outcome: Conformance) -> str:
    if outcome.failed:
        return "nonconforming"
    return "conforms, with deviations" if outcome.deviations else "conforms"


def require_conforming(outcomes: Mapping[str, Conformance]) -> None:
    """Raise ``FailedError`` naming the stacks that do not conform, if there are any."""
    if nonconforming := [name for name, outcome in outcomes.items() if outcome.failed]:
        raise FailedError(f"{len(nonconforming)} of {len(outcomes)} stacks do not conform: {', '.join(nonconforming)}.")
