"""A server of the user's own is held to the user's own requests."""

import contextlib
import time

import pytest

from common.conformance import checking
from common.conformance.checking import send_requests
from common.errors import UsageError
from common.records.load import OwnRequest
from common.records.run import Guest
from common.runtimes.candidates import guest_candidate
from tests.common.conformance.good_server import Closing, Good, serving


class _Hanging(Good):
    def route(self) -> None:
        """End the connection without an answer."""
        self.close_connection = True


class _ClosingWithOptions(Good):
    def head(self, status: int, headers: dict[str, str]) -> None:
        """Name a second option beside ``close``."""
        super().head(status, headers | {"Connection": "close, X-Filler"})


class _Dripping(Good):
    def route(self) -> None:
        """Send a byte every 50 ms, for 10 s."""
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 180:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        self.close_connection = True


HELLO, MISSING = OwnRequest(path="/hello"), OwnRequest(path="/nothing", status=404)


def test_requests_are_answered_with_the_status_that_they_expect() -> None:
    with serving(Good) as url:
        found = send_requests(guest_candidate(Guest(url=url)), [HELLO, MISSING])
    assert (found.passed, found.failed, found.observed) == (2, {}, {"keep-alive": "yes"})


def test_another_status_is_a_failure_with_both() -> None:
    posted = OwnRequest(path="/hello", method="POST", body="x")
    with serving(Good) as url:
        found = send_requests(guest_candidate(Guest(url=url)), [HELLO, posted])
    assert found.passed == 1
    assert found.failed == {"POST /hello": "status 405, not status 200"}


def test_requests_that_share_method_and_path_are_counted_apart_and_numbered() -> None:
    posted = [OwnRequest(path="/hello", method="POST", body=body) for body in ("x", "y")]
    with serving(Good) as url:
        found = send_requests(guest_candidate(Guest(url=url)), [posted[0], HELLO, posted[1]])
    assert found.passed == 1
    assert set(found.failed) == {"POST /hello (1)", "POST /hello (2)"}


def test_a_server_that_closes_its_connections_is_seen_to() -> None:
    with serving(Closing) as url:
        found = send_requests(guest_candidate(Guest(url=url)), [HELLO])
    assert found.observed == {"keep-alive": "no"}


def test_close_among_other_options_is_seen_too() -> None:
    with serving(_ClosingWithOptions) as url:
        found = send_requests(guest_candidate(Guest(url=url)), [HELLO])
    assert found.observed == {"keep-alive": "no"}


def test_a_server_that_cannot_be_reached_is_named_as_such() -> None:
    with pytest.raises(UsageError, match=r"URL=http://127\.0\.0\.1:9 cannot be reached"):
        send_requests(guest_candidate(Guest(url="http://127.0.0.1:9")), [HELLO])


def test_no_answer_is_a_failure_with_its_reason() -> None:
    with serving(_Hanging) as url:
        found = send_requests(guest_candidate(Guest(url=url)), [HELLO])
    assert found.failed == {"GET /hello": "the connection was closed without an answer, not status 200"}


def test_an_answer_that_drips_is_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "PATIENCE_S", 0.3)
    began_s = time.monotonic()
    with serving(_Dripping) as url:
        found = send_requests(guest_candidate(Guest(url=url)), [HELLO])
    assert "no complete response within 0.3 s" in found.failed["GET /hello"]
    assert time.monotonic() - began_s < 5
