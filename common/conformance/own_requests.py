"""Whether a server answers the user's own requests as expected: what stands in for the contract with ``PATHS=``."""

import time
from collections.abc import Sequence

from common.conformance.candidates import on_fresh_server
from common.conformance.endpoint import Endpoint
from common.conformance.wire import MalformedResponseError, Wire
from common.records.load import OwnRequest
from common.records.run import Conformance
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate

PATIENCE_S = 10.0
"""The longest wait for an answer."""


def answer_requests(candidate: Candidate, requests: Sequence[OwnRequest]) -> Conformance:
    """Send each request once to a fresh server, and return which are answered with the status that they expect.

    Raise ``UsageError`` if the user's own server cannot be reached.
    """

    def check(running: RunningServer) -> Conformance:
        target = Endpoint.parse(running.url)
        if candidate.guest is not None:
            target.reach()
        began_s, failed, closed = time.monotonic(), {}, False
        for request in requests:
            seen, closes = _send(target, request)
            closed = closed or closes
            if seen != (expected := f"status {request.status}"):
                failed[str(request)] = f"{seen}, not {expected}"
        return Conformance(
            passed=len(requests) - len(failed),
            failed=failed,
            observed={"keep-alive": "no" if closed else "yes"},
            duration_s=time.monotonic() - began_s,
        )

    return on_fresh_server(candidate, check, inside=False)


def _send(target: Endpoint, request: OwnRequest) -> tuple[str, bool]:
    """Return the status in words, or the error in its place, and whether the server closes the connection after it."""
    headers = (f"{name}: {value}" for name, value in request.headers.items())
    try:
        with Wire(target, patience_s=PATIENCE_S) as wire:
            body = request.body.encode()
            wire.send(wire.request(request.path, "Accept: */*", *headers, method=request.method, body=body))
            answer = wire.answer(request.method)
    except (OSError, MalformedResponseError) as error:
        return str(error).rstrip("."), False
    closes = "close" in map(str.lower, answer.values("connection")) or answer.raw.startswith(b"HTTP/1.0")
    return f"status {answer.status}", closes
