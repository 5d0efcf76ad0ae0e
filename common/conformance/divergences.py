"""Divergences: how a stack behaves where the contract leaves it free. They are published, never judged."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from common.catalog.frameworks import App
from common.conformance.wire import Endpoint, MalformedResponseError, Response, Wire

_PATIENCE_S = 1.0
"""The longest wait for a response to a probe."""
_SHOWN = 60
"""The number of bytes of a body that are shown."""
_BLANK_LINE = "\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A request, and what is read from its response."""

    method: str = "GET"
    path: str = "/hello"
    headers: tuple[str, ...] = ()
    edit: Callable[[bytes], bytes] = bytes
    """The change made to the bytes of the request before they are sent."""
    body: bytes = b""
    read: Callable[[Response], str]


def probe(url: str, app: App = App.APP) -> dict[str, str]:
    """Return the observations by request or property; one without a response in time starts with "no answer".

    They are about the contract of ``app``; none with additions, which change what is observed.
    """
    target = Endpoint.parse(url)
    if app is App.EXTRAS:
        return {}
    if app is not App.APP:
        return {name: _observe(target, probe) for name, probe in _SERVICE_PROBES.items()}
    observed = {name: _observe(target, probe) for name, probe in _PROBES.items()}
    return observed | {"two requests at once": _pipelining(target)}


def _observe(target: Endpoint, probe: Probe) -> str:
    try:
        with Wire(target, patience_s=_PATIENCE_S) as wire:
            headers = ("Connection: close", *probe.headers)
            wire.send(probe.edit(wire.request(probe.path, *headers, method=probe.method, body=probe.body)))
            return probe.read(wire.response(probe.method)).replace(target.authority, "HOST")
    except MalformedResponseError as error:
        return f"no answer ({str(error).partition('.')[0]})"
    except OSError as error:
        return f"no answer ({error.strerror or error})"


def _pipelining(target: Endpoint) -> str:
    """Return what happens to two requests that are sent before the first response."""
    try:
        with Wire(target, patience_s=_PATIENCE_S) as wire:
            wire.send(wire.request("/hello") + wire.request("/sleep/1"))
            wire.response()
            wire.response()
    except (MalformedResponseError, OSError):
        return "the second is not answered"
    return "both are answered"


def _status(response: Response) -> str:
    """Return the status, followed by the Location header and the allowed methods, sorted, if there are any."""
    allowed = sorted(method.strip() for value in response.values("allow") for method in value.split(","))
    return " ".join([str(response.status), *response.values("location"), *([", ".join(allowed)] if allowed else [])])


def _body(response: Response) -> str:
    return response.body[:_SHOWN].decode(errors="replace").replace("\r", "\\r").replace("\n", "\\n")


def _error(response: Response) -> str:
    """Return the content type and the beginning of the body."""
    return f"{_header('content-type')(response)}: {_body(response) or 'empty'}"


def _header(name: str) -> Callable[[Response], str]:
    return lambda response: ", ".join(response.values(name)) or "absent"


def _framing(response: Response) -> str:
    if response.values("content-length"):
        return "Content-Length"
    return "chunked" if response.values("transfer-encoding") else "until the connection closes"


def _as_http_1_0(request: bytes) -> bytes:
    return request.replace(b"HTTP/1.1", b"HTTP/1.0", 1).replace(b"Connection: close\r\n", b"")


def _without_host(request: bytes) -> bytes:
    line, _, rest = request.partition(b"\r\nHost: ")
    return line + b"\r\n" + rest.partition(b"\r\n")[2]


_PROBES = {
    **{f"{method} /hello": Probe(method=method, read=_status) for method in ("HEAD", "OPTIONS", "TRACE", "BREW")},
    **{
        f"GET {path}": Probe(path=path, read=_status)
        for path in ("/hello/", "//hello", "/hell%6F", "/hello?x=1", "/hello%0A", "/sleep/", "/sleep/1/")
    },
    "GET /sleep/%31": Probe(path="/sleep/%31", read=lambda response: f"{response.status} {_body(response)}"),
    "GET /sleep/%FF": Probe(path="/sleep/%FF", read=_status),
    "GET /sleep/1%2F2": Probe(path="/sleep/1%2F2", read=_status),
    "Content-Type": Probe(read=_header("content-type")),
    "Server": Probe(read=_header("server")),
    "Date": Probe(read=lambda response: "present" if response.values("date") else "absent"),
    "header names": Probe(read=lambda response: ", ".join(name for name, _ in response.headers)),
    "header size": Probe(read=lambda response: f"{len(response.head) + len(_BLANK_LINE)} bytes"),
    "framing": Probe(read=_framing),
    "body of /hello": Probe(read=_body),
    "body of a 404": Probe(path="/nothing", read=_error),
    "body of a 405": Probe(method="DELETE", read=_error),
    "HTTP/1.0": Probe(edit=_as_http_1_0, read=lambda response: response.head.partition(b"\r\n")[0].decode("latin-1")),
    "HTTP/1.1 without Host": Probe(edit=_without_host, read=_status),
    "query of 10,000 bytes": Probe(path=f"/hello?{'x' * 10_000}", read=_status),
    "header of 10,000 bytes": Probe(headers=(f"X-Filler: {'x' * 10_000}",), read=_status),
    "header of 100,000 bytes": Probe(headers=(f"X-Filler: {'x' * 100_000}",), read=_status),
    "150 headers": Probe(headers=tuple(f"X-Filler-{number}: x" for number in range(150)), read=_status),
}


def _quoted(
    body: str | bytes,
    read: Callable[[Response], str],
    content_type: str | None = "application/json",
    edit: Callable[[bytes], bytes] = bytes,
) -> Probe:
    """Return a probe of ``POST /quotes``."""
    return Probe(
        method="POST",
        path="/quotes",
        headers=() if content_type is None else (f"Content-Type: {content_type}",),
        body=body if isinstance(body, bytes) else body.encode(),
        edit=edit,
        read=read,
    )


def _in_chunks(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length: ")]
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", framed])


def _outcome(response: Response) -> str:
    """Return the status and, if a quote was accepted, the body with normalised spacing."""
    if response.status != HTTPStatus.CREATED:
        return str(response.status)
    return f"{response.status} {json.dumps(json.loads(response.body), sort_keys=True)}"


_QUOTE = '{"customer": "Ada", "items": [{"sku": "A", "quantity": 2, "price_cents": 3}]}'
_SERVICE_PROBES = {
    "no customer": _quoted(_QUOTE.replace("customer", "guest"), _error),
    "quantity as text": _quoted(_QUOTE.replace("2", '"2"'), _error),
    "not JSON": _quoted("customer=Ada", _error),
    "not UTF-8": _quoted(_QUOTE.encode().replace(b"Ada", b"\xe9"), _error),
    "no body": _quoted("", _error),
    "no content type": _quoted(_QUOTE, _outcome, content_type=None),
    "content type text/plain": _quoted(_QUOTE, _outcome, content_type="text/plain"),
    "content type Application/JSON": _quoted(_QUOTE, _outcome, content_type="Application/JSON"),
    "content type application/vnd.api+json": _quoted(_QUOTE, _outcome, content_type="application/vnd.api+json"),
    "quantity 2.0": _quoted(_QUOTE.replace("2", "2.0"), _outcome),
    "a member twice": _quoted(_QUOTE.replace('"quantity"', '"quantity": 1, "quantity"'), _outcome),
    "NaN in a member to ignore": _quoted(_QUOTE.replace("{", '{"x": NaN, ', 1), _outcome),
    "lone surrogate": _quoted(_QUOTE.replace("Ada", "\\ud800"), _outcome),
    "U+0000": _quoted(_QUOTE.replace("Ada", "\\u0000"), _outcome),
    "byte order mark": _quoted("\ufeff" + _QUOTE, _outcome),
    "UTF-16": _quoted(_QUOTE.encode("utf-16"), _outcome),
    "in chunks": _quoted(_QUOTE, _outcome, edit=_in_chunks),
    "nested 100,000 times": _quoted(_QUOTE.replace("{", f'{{"x": {"[" * 100_000}{"]" * 100_000}, ', 1), _outcome),
    "body of 3,000,000 bytes": _quoted(_QUOTE + " " * 3_000_000, _outcome),
    "GET /quotes": Probe(path="/quotes", read=_status),
    "OPTIONS /quotes": Probe(method="OPTIONS", path="/quotes", read=_status),
    "POST /quotes/": Probe(method="POST", path="/quotes/", body=_QUOTE.encode(), read=_status),
}
