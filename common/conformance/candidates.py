"""Stacks held to the contract, one after the other, with a table of what came of it."""

import os
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from common.catalog.sizes import Size
from common.conformance.running import SuiteOutcome, run_suite
from common.console import live_progress
from common.errors import FailedError
from common.records.run import Conformance
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import available, prepare

SIZE = Size()
"""Conformance is checked with one worker, which every fault of a stack shows on."""

LONGEST_S = 120.0
"""What the suite may take on one server, for reckoning what a server costs that is paid for."""


def conform(candidate: Candidate) -> Conformance:
    """What the suite says of a fresh server of ``candidate``; one that does not come up fails as ``start``."""
    server = candidate.stack.server
    try:
        with candidate.serve(SIZE, cores=sorted(os.sched_getaffinity(0))) as running:
            return conformance_record(
                run_suite(
                    running.url, keep_alive=server.keep_alive, overlap=server.concurrent, prefix=running.client_prefix
                )
            )
    except FailedError as error:
        return Conformance(passed=0, failed={"start": str(error)}, duration_s=0)


def conform_all(candidates: Sequence[Candidate], console: Console) -> dict[str, Conformance]:
    """What the suite says of each candidate that can be had, by name; what they need is made first."""
    chosen = available(candidates, console)
    prepare(chosen, console)
    outcomes = {}
    with live_progress("conformance", len(chosen), console) as display:
        for candidate in chosen:
            display.start(candidate.name)
            outcomes[candidate.name] = one = conform(candidate)
            display.done(f"{candidate.name}: {one.passed} passed, {len(one.failed)} failed")
    return outcomes


def conforming_candidates(candidates: Iterable[Candidate], outcomes: Mapping[str, Conformance]) -> dict[str, Candidate]:
    """The candidates that can be had and conform, by name."""
    return {one.name: one for one in candidates if one.name in outcomes and not outcomes[one.name].failed}


def require_some_conforming(
    candidates: Iterable[Candidate], outcomes: Mapping[str, Conformance]
) -> dict[str, Candidate]:
    """The same; ``FailedError`` where there is none."""
    if good := conforming_candidates(candidates, outcomes):
        return good
    raise FailedError("no stack that was asked for can be had and conforms to the contract.")


def conformance_record(outcome: SuiteOutcome) -> Conformance:
    """The outcome as runs keep it."""
    return Conformance(
        passed=len(outcome.passed),
        failed=dict(outcome.failed),
        duration_s=outcome.duration_s,
        divergences=dict(outcome.divergences),
    )


def conformance_table(outcomes: Mapping[str, Conformance]) -> Table:
    """A row a stack."""
    found = Table(title="conformance", title_justify="left")
    for heading in ("stack", "passed", "failed", "seconds", "verdict"):
        found.add_column(heading, justify="left" if heading in {"stack", "verdict"} else "right")
    for name, one in outcomes.items():
        verdict = "conforms" if not one.failed else f"nonconforming: {', '.join(one.failed)}"
        found.add_row(name, str(one.passed), str(len(one.failed)), f"{one.duration_s:.1f}", verdict)
    return found


def require_conforming(outcomes: Mapping[str, Conformance]) -> None:
    """``FailedError`` with the stacks that do not conform, if any."""
    if failed := [name for name, one in outcomes.items() if one.failed]:
        raise FailedError(f"{len(failed)} of {len(outcomes)} stacks do not conform: {', '.join(failed)}.")
