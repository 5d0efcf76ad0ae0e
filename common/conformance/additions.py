"""The conformance of a stack with additions: its responses are right, and each addition does its work."""

import dataclasses
import time

from msgspec.structs import replace

from common.conformance.checking import conformance_record, on_fresh_server
from common.conformance.running import run_suite
from common.contract.extras import CALLED, EMPTY_MIDDLEWARES
from common.host.readiness import fetch_body
from common.records.run import Conformance
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer

REQUESTS = 5
"""The requests by which calls of empty middlewares are counted."""
PATIENCE_S = 5.0
"""The longest wait for what a server prints."""
POLL_S = 0.02
CALLS = "empty middlewares are called"
"""The name of the test that counts them."""


def conform_with_additions(candidate: Candidate) -> Conformance:
    """Return the outcome of the suite on a fresh server, and whether each addition of the candidate does its work."""
    server, asked = candidate.stack.server, sum(EMPTY_MIDDLEWARES.get(name, 0) for name in candidate.additions)

    def check(running: RunningServer) -> Conformance:
        outcome = run_suite(running.url, keep_alive=server.keep_alive, overlap=None, app=candidate.app)
        record = conformance_record(outcome)
        calls = calls_a_request(running, expected=asked)
        if calls == asked:
            return replace(record, passed=record.passed + 1)
        reason = f"GET /hello calls {calls:g} empty middlewares; expected {asked}"
        return replace(record, failed=record.failed | {CALLS: reason})

    return on_fresh_server(dataclasses.replace(candidate, says_calls=True), check, inside=False)


def calls_a_request(running: RunningServer, *, expected: int) -> float:
    """Return how many empty middlewares a request calls, on average of several, by what the server prints."""
    before = running.output().count(CALLED)
    for _ in range(REQUESTS):
        fetch_body(running.url, "/hello")
    deadline_s = time.monotonic() + PATIENCE_S
    while (calls := running.output().count(CALLED) - before) < expected * REQUESTS and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return calls / REQUESTS
