"""Divergences: how a stack behaves where the contract leaves it free. They are published, never judged."""

from collections.abc import Callable

from common.conformance.endpoint import Endpoint
from common.conformance.wire import MalformedResponseError, Response, Wire

_PATIENCE_S = 1.0
"""The longest wait for an answer to a probe."""


def probe(url: str) -> dict[str, str]:
    """Return the observations by request or property; one that got no answer in time starts with "no answer"."""
    target = Endpoint.parse(url)
    return {name: _observe(target, method, path, read) for name, (method, path, read) in _PROBES.items()}


def _observe(target: Endpoint, method: str, path: str, read: Callable[[Response], str]) -> str:
    try:
        with Wire(target, patience_s=_PATIENCE_S) as wire:
            wire.send(wire.request(path, "Connection: close", method=method))
            return read(wire.answer(method))
    except MalformedResponseError as error:
        return f"no answer ({str(error).partition('.')[0]})"
    except OSError as error:
        return f"no answer ({error.strerror or error})"


def _status(answer: Response) -> str:
    """Return the status, followed by the Location and Allow headers if there are any."""
    return " ".join([str(answer.status), *answer.values("location"), *answer.values("allow")])


def _status_and_body(answer: Response) -> str:
    return f"{answer.status} {answer.body[:60].decode(errors='replace')}"


def _header(name: str) -> Callable[[Response], str]:
    return lambda answer: ", ".join(answer.values(name)) or "absent"


def _framing(answer: Response) -> str:
    if answer.values("content-length"):
        return "Content-Length"
    return "chunked" if answer.values("transfer-encoding") else "until the connection closes"


def _head_bytes(answer: Response) -> str:
    blank_line_bytes = 4
    return f"{len(answer.head) + blank_line_bytes} bytes"


_PROBES: dict[str, tuple[str, str, Callable[[Response], str]]] = {
    "HEAD /hello": ("HEAD", "/hello", _status),
    "OPTIONS /hello": ("OPTIONS", "/hello", _status),
    "TRACE /hello": ("TRACE", "/hello", _status),
    "GET /hello/": ("GET", "/hello/", _status),
    "GET //hello": ("GET", "//hello", _status),
    "GET /hell%6F": ("GET", "/hell%6F", _status),
    "GET /hello?x=1": ("GET", "/hello?x=1", _status),
    "GET /hello%0A": ("GET", "/hello%0A", _status),
    "GET /sleep/": ("GET", "/sleep/", _status),
    "GET /sleep/1/": ("GET", "/sleep/1/", _status),
    "GET /sleep/%31": ("GET", "/sleep/%31", _status_and_body),
    "GET /sleep/%FF": ("GET", "/sleep/%FF", _status),
    "GET /sleep/1%2F2": ("GET", "/sleep/1%2F2", _status),
    "Content-Type": ("GET", "/hello", _header("content-type")),
    "Server": ("GET", "/hello", _header("server")),
    "Date": ("GET", "/hello", lambda answer: "present" if answer.values("date") else "absent"),
    "framing": ("GET", "/hello", _framing),
    "body of /hello": ("GET", "/hello", lambda answer: answer.body[:60].decode(errors="replace")),
    "header size": ("GET", "/hello", _head_bytes),
}
