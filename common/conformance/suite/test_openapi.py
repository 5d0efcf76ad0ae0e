"""Tests with valid and invalid requests that schemathesis generates from the contract's OpenAPI document."""

import json
from typing import Any

import hypothesis
import requests
import schemathesis

from common import contract
from common.conformance.suite.documents import CHECKS, read_document
from common.conformance.wire import Endpoint
from common.contract import slept

LONGEST_MS = 20
"""The longest generated sleep."""
document = read_document("openapi.json")


@document.hook
def filter_path_parameters(_context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> bool:
    """Leave out a delay with a slash, because the contract does not say to which path it leads."""
    return "/" not in str((path_parameters or {}).get("delay"))


@document.hook
def map_path_parameters(
    _context: schemathesis.HookContext, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Shorten a valid delay but keep its number of digits, so that no test sleeps for a minute."""
    return path_parameters and {name: shortened(value) for name, value in path_parameters.items()}


def shortened(delay: object) -> object:
    """Return a valid delay reduced to at most ``LONGEST_MS``, and an invalid one unchanged."""
    text = str(delay)
    try:
        return str(contract.parse_delay(text) % (LONGEST_MS + 1)).zfill(len(text))
    except ValueError:
        return delay


@document.parametrize()
@hypothesis.settings(max_examples=30, deadline=None, database=None, derandomize=True)
def test_stack_matches_the_openapi_document(
    case: schemathesis.Case[Any], target: Endpoint, patience_s: float, session: requests.Session
) -> None:
    response = case.call_and_validate(base_url=target.url, session=session, checks=CHECKS, timeout=patience_s)
    if response.status_code == 200 and "delay" in case.path_parameters:
        delay = str(case.path_parameters["delay"])
        body = json.loads(response.content)
        assert body == slept(int(delay)), f"GET /sleep/{delay} returns {body!r}; expected {slept(int(delay))!r}"
