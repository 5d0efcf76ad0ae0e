"""A probe of a server ends at its deadline, whatever the server sends, and reads every form of complete answer."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from common.errors import FailedError
from common.host import readiness
from common.host.readiness import answers, fetch_body, responds, wait_until

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def answering(*chunks: bytes, interval_s: float = 0.0, close: bool = True) -> Iterator[str]:
    """Serve one connection: send ``chunks`` at an interval, then close it unless asked to keep it open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()
        thread = threading.Thread(target=_answer, args=(listener, chunks, interval_s, close, done))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def _answer(
    listener: socket.socket,
    chunks: Sequence[bytes],
    interval_s: float,
    close: bool,  # noqa: FBT001 -- a thread's arguments
    done: threading.Event,
) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        for chunk in chunks:
            if done.wait(interval_s):
                return
            try:
                connection.sendall(chunk)
            except OSError:  # the probe has left
                return
        if not close:
            done.wait()


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        ((OK + b"Content-Length: 2\r\n\r\nok",), b"ok"),
        ((OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"), b"ok"),
        ((b"HTTP/1.0 200 OK\r\n\r\n", b"ok"), b"ok"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 2\r\n\r\nok"), b"ok"),
        ((OK + b"Content-Length: 3\r\n\r\nok",), None),
        ((b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",), None),
        ((b"220 smtp.test ready\r\n",), None),
        ((), None),
    ],
)
def test_only_a_complete_answer_of_status_200_has_a_body(chunks: tuple[bytes, ...], body: bytes | None) -> None:
    with answering(*chunks) as url:
        assert fetch_body(url, "/hello") == body


def test_an_answer_is_complete_although_the_server_keeps_the_connection() -> None:
    with answering(OK + b"Content-Length: 2\r\n\r\nok", close=False) as url:
        assert fetch_body(url, "/hello") == b"ok"


@pytest.mark.parametrize("start", [b"", OK, OK + b"Content-Length: 999\r\n\r\n"])
def test_a_server_that_drips_bytes_does_not_outlast_the_deadline(start: bytes) -> None:
    drips = (start + b"X", *(b"x" for _ in range(200)))
    started_s = time.monotonic()
    with answering(*drips, interval_s=0.05) as url:
        assert not responds(url, timeout_s=0.3)
    assert time.monotonic() - started_s < 5


def test_any_complete_head_is_an_answer() -> None:
    with answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") as url:
        assert answers(url)


def test_a_head_that_drips_is_no_answer_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PROBE_TIMEOUT_S", 0.3)
    began_s = time.monotonic()
    with answering(OK + b"X: ", *(b"x" for _ in range(200)), interval_s=0.05) as url:
        assert not answers(url)
        assert time.monotonic() - began_s < 5


def test_a_server_that_never_answers_does_not_outlast_the_deadline() -> None:
    started_s = time.monotonic()
    with answering(close=False) as url:
        assert not responds(url, timeout_s=0.2)
    assert time.monotonic() - started_s < 5


def test_nobody_listening_is_no_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not responds(f"http://127.0.0.1:{unused.getsockname()[1]}")


def test_a_body_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "MAX_BODY_BYTES", 10_000)
    with answering(OK + b"Connection: close\r\n\r\n", *[b"x" * 5000] * 100, close=False) as url:
        began_s = time.monotonic()
        assert fetch_body(url, "/hello", timeout_s=30) is None
        assert time.monotonic() - began_s < 10


@pytest.mark.parametrize(
    ("exit_reason", "output", "message"),
    [
        ("exit status 1. no such option", "", "dockerd ended before it was ready: exit status 1. no such option"),
        (None, "", "dockerd was not ready within 0 s. It is still running; it has printed nothing."),
        (
            None,
            "waiting\n\nfor a lock\n",
            "dockerd was not ready within 0 s. It is still running; the end of its output: waiting | for a lock",
        ),
    ],
)
def test_what_does_not_become_ready_is_named_whatever_it_would_answer(
    monkeypatch: pytest.MonkeyPatch, exit_reason: str | None, output: str, message: str
) -> None:
    monkeypatch.setattr(readiness, "READY_DEADLINE_S", 0.0)
    with pytest.raises(FailedError) as failure:
        wait_until(lambda: False, lambda: exit_reason, name="dockerd", output=lambda: output)
    assert str(failure.value) == message
