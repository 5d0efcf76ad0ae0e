"""Whether a server answers the user's own requests as expected: what stands in for the contract with ``PATHS=``."""

import http.client
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from common.conformance.candidates import on_fresh_server
from common.conformance.endpoint import Endpoint
from common.records.load import OwnRequest
from common.records.run import Conformance
from common.runtimes.base import RunningServer
from common.runtimes.candidates import Candidate

TIMEOUT_S = 10.0


def answer_requests(candidate: Candidate, requests: Sequence[OwnRequest]) -> Conformance:
    """Send each request once to a fresh server, and return which are answered with the status that they expect.

    Raise ``UsageError`` if the user's own server cannot be reached.
    """

    def check(running: RunningServer) -> Conformance:
        if candidate.guest is not None:
            Endpoint.parse(running.url).reach()
        began_s, failed, closed = time.monotonic(), {}, False
        for request in requests:
            seen, closes = _send(running.url, request)
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


def _send(url: str, request: OwnRequest) -> tuple[str, bool]:
    """Return the status in words, or the error in its place, and whether the server closes the connection after it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    try:
        body = request.body.encode() or None
        connection.request(request.method, request.path, body=body, headers={"Accept": "*/*"} | request.headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__, False
    finally:
        connection.close()
    return f"status {response.status}", response.will_close
