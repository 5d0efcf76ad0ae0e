"""Holds the real frameworks and servers to the contract, each in its own environment."""

import os
import random
import time
from contextlib import ExitStack

import pytest

from common.catalog.frameworks import App, frameworks
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack, compatible, stacks
from common.conformance.checking import SIZE, conform
from common.conformance.wire import Endpoint, Wire
from common.contract import MAX_DELAY_MS
from common.runtimes import process
from common.runtimes.candidates import Candidate
from common.runtimes.process import environ

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

KNOWN = frameworks()
DEFAULTS = stacks("default", "default", KNOWN)
USUAL = stacks("all", "default", KNOWN)
OTHERS = [
    stack
    for framework in KNOWN.values()
    for stack in (Stack(framework=framework, server=server) for server in compatible(framework))
    if stack not in DEFAULTS and Candidate(stack=stack).unavailable is None
]
SAMPLED = 5
"""The number of other stacks tried in one run; all of them would take a quarter of an hour."""
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{time.time_ns():x}"
SEED = int(os.environ.get("SAMPLE_SEED") or int(_RUN, 16) % 1_000_000)
"""The seed that chooses them, the same for every worker of a run. ``SAMPLE_SEED=`` repeats a choice."""
SAMPLE = random.Random(SEED).sample(OTHERS, SAMPLED)  # noqa: S311 -- a choice of tests

USES_DEPRECATED = {"connexion", "pyramid", "robyn"}
"""Frameworks whose own code uses deprecated features, so their apps cannot run with deprecations as errors."""
STRICT = sorted(
    {stack.framework.name for stack in (*DEFAULTS, *SAMPLE) if Candidate(stack=stack).unavailable is None}
    - USES_DEPRECATED
)

LIMITED = [
    Stack(framework=KNOWN[framework], server=SERVERS[server])
    for framework, server in (
        ("sanic", "native"),
        ("robyn", "native"),
        ("raw_wsgi", "gunicorn-sync"),
        ("raw_wsgi", "gunicorn-gthread"),
        ("raw_asgi", "granian"),
    )
]
"""Stacks with a time limit, by default or as they are set up, that a request of the longest delay could run into."""
HELD = 12
"""The requests held on a stack that answers several at once: a limit of just a minute cuts off only some of them."""


def failures(stack: Stack) -> dict[str, str]:
    """Return the tests that a stack fails, each with the reason; skip the test where the stack cannot run."""
    candidate = Candidate(stack=stack)
    if candidate.unavailable is not None:
        pytest.skip(f"{candidate.name} is not available: {candidate.unavailable}")
    return conform(candidate).failed


@pytest.mark.parametrize("stack", DEFAULTS, ids=lambda stack: stack.name)
def test_well_known_framework_conforms_on_its_default_server(stack: Stack) -> None:
    assert failures(stack) == {}


@pytest.mark.parametrize(
    ("app", "stack"),
    [(app, stack) for app in (App.SERVICE, App.ORDERS) for stack in USUAL if stack.framework.has(app)],
    ids=str,
)
def test_each_other_app_conforms_on_its_default_server(app: App, stack: Stack) -> None:
    assert conform(Candidate(stack=stack).serving(app)).failed == {}


@pytest.mark.parametrize("stack", SAMPLE, ids=lambda stack: f"{stack.name}, SAMPLE_SEED={SEED}")
def test_another_stack_conforms(stack: Stack) -> None:
    assert failures(stack) == {}


@pytest.mark.parametrize("name", STRICT, ids=lambda name: f"{name}, SAMPLE_SEED={SEED}")
def test_app_works_where_what_is_deprecated_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (candidate,) = (Candidate(stack=stack) for stack in stacks(name, "default", KNOWN))
    strict = {"PYTHONWARNINGS": "error::DeprecationWarning"}
    monkeypatch.setattr(process, "environ", lambda *of: environ(*of) | strict)
    with (
        candidate.serve(SIZE, cores=sorted(os.sched_getaffinity(0))) as running,
        Wire(Endpoint.parse(running.url), patience_s=10) as wire,
    ):
        assert [wire.ask(path).status for path in ("/hello", "/sleep/1", "/sleep/x")] == [200, 200, 400]


@pytest.mark.long
def test_longest_delay_is_waited_for_and_answered() -> None:
    candidates = [one for one in (Candidate(stack=stack) for stack in LIMITED) if one.unavailable is None]
    with ExitStack() as opened:
        held = [(one.name, wire) for one in candidates for wire in _held(one, opened)]
        statuses = {(name, wire.response().status) for name, wire in held}
    assert statuses == {(one.name, 200) for one in candidates}


def _held(candidate: Candidate, opened: ExitStack) -> list[Wire]:
    """Return connections to a fresh server, on each of which it has been sent a request of the longest delay."""
    running = opened.enter_context(candidate.serve(SIZE, cores=sorted(os.sched_getaffinity(0))))
    target, patience_s = Endpoint.parse(running.url), MAX_DELAY_MS / 1000 + 30
    wires = []
    for _ in range(HELD if candidate.stack.server.concurrent else 1):
        wire = opened.enter_context(Wire(target, patience_s=patience_s))
        wire.send(wire.request(f"/sleep/{MAX_DELAY_MS}"))
        wires.append(wire)
    return wires
