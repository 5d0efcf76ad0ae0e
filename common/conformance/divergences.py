"""What a stack does where the contract leaves it free: probed and published, never judged."""

from collections.abc import Callable

from common.conformance.endpoint import Target
from common.conformance.wire import Answer, BrokenAnswerError, Wire

_PATIENCE_S = 1.0


def probe(url: str) -> dict[str, str]:
    """What was seen, by the name of the request or the property; "no answer" where none came within a second."""
    target = Target.read(url)
    return {name: _see(target, method, path, read) for name, (method, path, read) in _PROBES.items()}


def _see(target: Target, method: str, path: str, read: Callable[[Answer], str]) -> str:
    try:
        with Wire(target, patience_s=_PATIENCE_S) as wire:
            wire.send(wire.request(path, "Connection: close", method=method))
            return read(wire.answer(method))
    except BrokenAnswerError as error:
        return f"no answer ({str(error).partition('.')[0]})"
    except OSError as error:
        return f"no answer ({error.strerror or error})"


def _status(answer: Answer) -> str:
    """The status, and what it points to."""
    return " ".join([str(answer.status), *answer.values("location"), *answer.values("allow")])


def _status_and_body(answer: Answer) -> str:
    return f"{answer.status} {answer.body[:60].decode(errors='replace')}"


def _header(name: str) -> Callable[[Answer], str]:
    return lambda answer: ", ".join(answer.values(name)) or "absent"


def _framing(answer: Answer) -> str:
    return "Content-Length" if answer.values("content-length") else "chunked"


def _head_bytes(answer: Answer) -> str:
    blank_line_bytes = 4
    return f"{len(answer.head) + blank_line_bytes} bytes"


_PROBES: dict[str, tuple[str, str, Callable[[Answer], str]]] = {
    "HEAD /hello": ("HEAD", "/hello", _status),
    "OPTIONS /hello": ("OPTIONS", "/hello", _status),
    "TRACE /hello": ("TRACE", "/hello", _status),
    "GET /hello/": ("GET", "/hello/", _status),
    "GET //hello": ("GET", "//hello", _status),
    "GET /hell%6F": ("GET", "/hell%6F", _status),
    "GET /hello?x=1": ("GET", "/hello?x=1", _status),
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
