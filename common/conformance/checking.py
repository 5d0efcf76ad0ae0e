"""Checking candidates against the contract, or with the user's own requests, and tabulating the outcomes.

Of a server that somebody else started, what was observed is tabulated too, and what was therefore not judged.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from msgspec.structs import replace
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from common.catalog.pythons import Python
from common.catalog.sizes import Size
from common.conformance.running import SuiteOutcome, run_suite
from common.conformance.wire import Endpoint, MalformedResponseError, Wire, why_unreachable
from common.console import live_progress
from common.errors import FailedError, UsageError
from common.parallel import each_finished
from common.records.load import OwnRequest
from common.records.run import Behaviour, Conformance, YesOrNo
from common.runtimes.candidates import Candidate
from common.runtimes.inspection import modules_that_enable_the_gil
from common.runtimes.preparation import prepare_available
from common.runtimes.running_server import RunningServer

SIZE = Size()
"""The size for conformance: one worker, because a second one could hide that the first one blocks."""

LONGEST_S = 120.0
"""An upper bound for the suite's duration on one server, for estimating the cost of a billable server."""

NO_DEVIATIONS: Mapping[str, str] = {}
_OUTDATED = "passes, but is declared as a deviation; remove it from the framework's pyproject.toml"

PATIENCE_S = 10.0
"""The longest wait for a response."""

_LABELS = {Behaviour.OVERLAP: "concurrent sleeps overlap", Behaviour.KEEP_ALIVE: "connections are kept open"}
_HINT = "OVERLAP=yes or no, and KEEP_ALIVE=yes or no, declare a behaviour, so that it is judged."
_NOT_OBSERVED = "not observed: the test failed before"


def conform(candidate: Candidate) -> Conformance:
    """Return the outcome of the suite on a fresh server.

    Of a server of the user's own nothing is declared, so keep-alive and overlap are observed.
    """
    server = candidate.stack.server
    keep_alive, overlap = (server.keep_alive, server.concurrent) if candidate.guest is None else (None, None)

    def check(running: RunningServer) -> Conformance:
        with ThreadPoolExecutor(max_workers=1) as beside:
            states = beside.submit(running.worker_states if _is_asked(candidate) else list)
            outcome = run_suite(
                running.url,
                keep_alive=keep_alive,
                overlap=overlap,
                prefix=running.client_prefix,
                app=candidate.app,
            )
        record = conformance_record(outcome, candidate.stack.framework.deviations_on(server.kind))
        enabled_by = modules_that_enable_the_gil(running.output()) if _is_asked(candidate) else []
        return replace(record, workers=states.result(), gil_enabled_by=enabled_by)

    return on_fresh_server(candidate, check)


def _is_asked(candidate: Candidate) -> bool:
    """Return whether a stack's Python may run otherwise than it was asked to."""
    python = Python.parse(candidate.python)
    return candidate.guest is None and (python.free_threaded or python.jit)


def on_fresh_server(
    candidate: Candidate, check: Callable[[RunningServer], Conformance], *, inside: bool = True
) -> Conformance:
    """Return the outcome of a check. ``inside`` as ``serve``.

    A server that does not start fails the test ``start``, and one that ends before the check does, or on which the
    check does not end, the test ``suite``. Raise ``UsageError`` if a server at ``URL=`` cannot be reached.
    """
    try:
        with candidate.serve(SIZE, cores=sorted(os.sched_getaffinity(0)), inside=inside) as running:
            return _checked(candidate, running, check)
    except FailedError as error:
        return _failed("start", str(error))


def _checked(
    candidate: Candidate, running: RunningServer, check: Callable[[RunningServer], Conformance]
) -> Conformance:
    at_url = candidate.guest is not None and candidate.guest.url is not None
    try:
        return check(running)
    except (FailedError, UsageError) as error:
        if at_url and isinstance(error, UsageError):
            raise
        why = why_unreachable(error)
        reason = str(error) if why is None else f"the server no longer accepts connections: {why}"
        ended = running.exit_reason()
        return _failed("suite", reason if ended is None else f"the server ended: {ended}")


def _failed(test: str, reason: str) -> Conformance:
    return Conformance(passed=0, failed={test: reason}, duration_s=0)


def conform_all(
    candidates: Sequence[Candidate], console: Console, check: Callable[[Candidate], Conformance] = conform
) -> dict[str, Conformance]:
    """Check each available candidate, once all are prepared, and return the outcomes by name, in the order given."""
    ready, _ = prepare_available(candidates, console)
    return check_all(ready, console, check)


def check_all(
    candidates: Sequence[Candidate], console: Console, check: Callable[[Candidate], Conformance] = conform
) -> dict[str, Conformance]:
    """Check candidates that are prepared, and return the outcomes by name, in the order given.

    One candidate per core is checked at a time, since the suite spends most of its time waiting. Tasks on Fargate are
    checked one by one, because an interrupt must stop what costs money at once.
    """
    at_once = 1 if any(candidate.fargate for candidate in candidates) else len(os.sched_getaffinity(0))
    outcomes = {}
    with live_progress("conformance", len(candidates), console) as display:
        for candidate, outcome in each_finished(check, candidates, at_once=at_once):
            outcomes[candidate.name] = outcome
            display.done(f"{candidate.name}: {outcome.passed} passed, {len(outcome.failed)} failed")
    return {candidate.name: outcomes[candidate.name] for candidate in candidates}


def require_some_conforming(
    candidates: Iterable[Candidate], outcomes: Mapping[str, Conformance]
) -> dict[str, Candidate]:
    """Return the candidates that conform, by name; raise ``FailedError`` if there is none."""
    passed = {name for name, outcome in outcomes.items() if not outcome.failed}
    if conforming := {candidate.name: candidate for candidate in candidates if candidate.name in passed}:
        return conforming
    raise FailedError("none of the selected stacks is available and conforms to the contract; see the reasons above.")


def conformance_record(outcome: SuiteOutcome, known: Mapping[str, str] = NO_DEVIATIONS) -> Conformance:
    """Return the outcome in the form in which runs record it.

    A test that fails as ``known`` declares is recorded as a deviation. One that passes all the same counts as failed,
    so that no declaration outlives its reason.
    """
    failed = outcome.failed
    outdated = {test: _OUTDATED for test in known if test in outcome.passed}
    return Conformance(
        passed=len(outcome.passed),
        failed={test: reason for test, reason in failed.items() if test not in known} | outdated,
        deviations={test: reason for test, reason in known.items() if test in failed},
        duration_s=outcome.duration_s,
        observed=outcome.observed,
        divergences=outcome.divergences,
    )


def conformance_tables(outcomes: Mapping[str, Conformance]) -> Group:
    """Return a table with one row per stack, and tables with one row per failure and per deviation."""
    stacks = Table(title="conformance", title_justify="left")
    for heading in ("stack", "passed", "failed", "seconds", "verdict"):
        stacks.add_column(heading, justify="left" if heading in {"stack", "verdict"} else "right")
    for name, outcome in outcomes.items():
        verdict = _verdict(outcome)
        stacks.add_row(Text(name), str(outcome.passed), str(len(outcome.failed)), f"{outcome.duration_s:.1f}", verdict)
    details = {
        "failures": [(name, *failure) for name, outcome in outcomes.items() for failure in outcome.failed.items()],
        "declared deviations": [
            (name, *deviation) for name, outcome in outcomes.items() for deviation in outcome.deviations.items()
        ],
    }
    headings = ("stack", "test", "reason")
    return Group(stacks, *(_table(title, headings, rows) for title, rows in details.items() if rows))


def _verdict(outcome: Conformance) -> str:
    if outcome.failed:
        return "nonconforming"
    return "conforms, with deviations" if outcome.deviations else "conforms"


def require_conforming(outcomes: Mapping[str, Conformance]) -> None:
    """Raise ``FailedError`` naming the stacks that do not conform, if there are any."""
    if nonconforming := [name for name, outcome in outcomes.items() if outcome.failed]:
        raise FailedError(f"{len(nonconforming)} of {len(outcomes)} stacks do not conform: {', '.join(nonconforming)}.")


def check_for(requests: Sequence[OwnRequest]) -> Callable[[Candidate], Conformance]:
    """Return the check of candidates that are to be loaded with requests of the user's own, or with the contract's."""
    return partial(send_requests, requests=requests) if requests else conform


def send_requests(candidate: Candidate, requests: Sequence[OwnRequest]) -> Conformance:
    """Send each request once to a fresh server, and return which are answered with the status that they expect.

    Raise ``UsageError`` if the user's own server cannot be reached.
    """

    def check(running: RunningServer) -> Conformance:
        target = Endpoint.parse(running.url)
        if candidate.guest is not None:
            target.reach()
        began_s, failed, closed = time.monotonic(), {}, False
        for name, request in _named(requests):
            seen, closes = _send(target, request)
            closed = closed or closes
            if seen != (expected := f"status {request.status}"):
                failed[name] = f"{seen}, not {expected}"
        return Conformance(
            passed=len(requests) - len(failed),
            failed=failed,
            observed={Behaviour.KEEP_ALIVE: YesOrNo.NO if closed else YesOrNo.YES},
            duration_s=time.monotonic() - began_s,
        )

    return on_fresh_server(candidate, check, inside=False)


def _named(requests: Sequence[OwnRequest]) -> Iterator[tuple[str, OwnRequest]]:
    """Yield each request with its name, and with a number where others share that: ``POST /a (2)``."""
    total, seen = Counter(map(str, requests)), Counter[str]()
    for request in requests:
        name = str(request)
        seen[name] += 1
        yield (name if total[name] == 1 else f"{name} ({seen[name]})"), request


def _send(target: Endpoint, request: OwnRequest) -> tuple[str, bool]:
    """Return the status in words, or the error in its place, and whether the server closes the connection after it."""
    headers = (f"{name}: {value}" for name, value in request.headers.items())
    try:
        with Wire(target, patience_s=PATIENCE_S) as wire:
            body = request.body.encode()
            wire.send(wire.request(request.path, "Accept: */*", *headers, method=request.method, body=body))
            response = wire.response(request.method)
    except (OSError, MalformedResponseError) as error:
        return str(error).rstrip("."), False
    return f"status {response.status}", response.announces_close


def observation_tables(outcome: SuiteOutcome) -> RenderableType:
    """Return what was observed, every divergence, and the behaviours that were not judged, each with the reason."""
    observed = [(label, outcome.observed.get(name, _NOT_OBSERVED)) for name, label in _LABELS.items()]
    divergences = outcome.divergences.items()
    not_judged = [(behaviour(test), reason) for test, reason in outcome.not_judged.items()]
    tables = (
        _table("observed", ("behaviour", "observed"), observed),
        _table("divergences: the contract leaves these free", ("request or property", "observed"), divergences),
        _table("not judged", ("behaviour", "reason"), not_judged or [("-", "every behaviour was judged")]),
    )
    undeclared = any("=auto" in reason for _, reason in not_judged)
    return Group(*tables, _HINT) if undeclared else Group(*tables)


def behaviour(test: str) -> str:
    """Return the behaviour that a test checks, in words: its name without module and underscores."""
    return test.partition("::test_")[2].replace("_", " ")


def _table(title: str, headings: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(*headings, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # what a server sends must not be read as markup
    return table
