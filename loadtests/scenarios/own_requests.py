"""Requests of the user's own, from the TOML file that ``PATHS=`` names, as a scenario in place of the contract's."""

import hashlib
import re
import secrets
import tomllib
import types
from collections.abc import Mapping, Sequence
from http import HTTPMethod
from pathlib import Path
from typing import Any

import msgspec

from common.errors import UsageError
from common.records.load import OwnRequest
from loadtests.scenarios.scenario import Scenario, Task
from loadtests.users.responses import Request

NAME = "paths"
"""The name of the scenario in records and tables."""
ACCEPTED = (
    "Accepted: a TOML file of [[request]] entries, each with a path and, where needed, method, headers, body, status "
    "and weight; docs/getting-started.md shows one"
)
MOST_REQUESTS, MOST_WEIGHT = 100, 1000
METHODS = tuple(method.value for method in HTTPMethod if method is not HTTPMethod.CONNECT)
_TARGET = re.compile(r"/[!-~]*")
"""A path and a query as they stand in a request line: printable, without spaces."""
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[ -~\t]*")
_OURS = frozenset({"host", "accept", "content-length", "transfer-encoding", "connection"})
"""Header fields that belong to the load generator."""


def parse_requests(text: str) -> list[OwnRequest]:
    """Return the requests in the file that ``PATHS=`` names; ``UsageError`` names what is wrong in it."""
    try:
        document = tomllib.loads(Path(text).read_text())
        requests = [_request(entry) for entry in _entries(document)]
    except RecursionError as error:
        raise UsageError(f"invalid PATHS={text}: it is nested too deeply. {ACCEPTED}.") from error
    except (OSError, ValueError, msgspec.ValidationError) as error:  # tomllib's and Unicode's errors are ValueErrors
        raise UsageError(f"invalid PATHS={text}: {getattr(error, 'strerror', None) or error}. {ACCEPTED}.") from error
    return requests


def headers_digest(requests: Sequence[OwnRequest], salt: str | None = None) -> str | None:
    """Return a salt, drawn unless given, and the digest of all values of headers; ``None`` if there are none."""
    if not any(own.headers for own in requests):
        return None
    salt = secrets.token_hex(16) if salt is None else salt
    values = msgspec.json.encode([list(own.headers.items()) for own in requests])
    return f"{salt}:{hashlib.scrypt(values, salt=salt.encode(), n=2**14, r=8, p=1).hex()}"


def of_requests(requests: Sequence[OwnRequest]) -> type[Scenario]:
    """Return the scenario that sends these requests, each as often as its weight says, and checks their status."""
    tasks = {f"request_{number}": _task(request) for number, request in enumerate(requests)}
    doc = "Requests of the user's own."
    return types.new_class("Paths", (Scenario,), exec_body=lambda body: body.update(tasks, __doc__=doc))


def _task(own: OwnRequest) -> Task:
    request = Request(
        own.path,
        name=str(own),
        method=own.method,
        headers=tuple(own.headers.items()),
        body=own.body.encode(),
        status=own.status,
        expect=lambda _: True,
    )
    return Task(makes=(lambda _: request,), weight=own.weight, tags=())


def _entries(document: Mapping[str, Any]) -> Sequence[Any]:
    entries = document.get("request")
    if not isinstance(entries, list) or set(document) != {"request"} or not 0 < len(entries) <= MOST_REQUESTS:
        raise ValueError(f"it must hold 1 to {MOST_REQUESTS} entries [[request]] and nothing else")
    return entries


def _request(entry: Any) -> OwnRequest:  # noqa: ANN401 -- TOML
    own = msgspec.convert(entry, OwnRequest)
    if unknown := sorted(set(entry) - set(OwnRequest.__struct_fields__)):
        raise ValueError(f"a request has the unknown entry {unknown[0]}")
    check_request(own)
    return own


def check_request(own: OwnRequest) -> None:
    """Raise ``ValueError`` if a request cannot be sent as it is."""
    if _TARGET.fullmatch(own.path) is None:
        raise ValueError(f"the path {own.path!r} must begin with / and hold no spaces and only ASCII")
    if own.method not in METHODS:
        raise ValueError(f"the method {own.method!r} must be one of {', '.join(METHODS)}")
    if not 200 <= own.status <= 599:  # noqa: PLR2004 -- the final statuses of HTTP
        raise ValueError(f"the status {own.status} must be between 200 and 599")
    if not 0 < own.weight <= MOST_WEIGHT:
        raise ValueError(f"the weight {own.weight} must be between 1 and {MOST_WEIGHT}")
    for name, value in own.headers.items():
        if _FIELD_NAME.fullmatch(name) is None or _FIELD_VALUE.fullmatch(value) is None:
            raise ValueError(f"the header {name!r} must be a name and a value of printable ASCII")
        if name.lower() in _OURS:
            raise ValueError(f"the header {name!r} is set by the load generator")
