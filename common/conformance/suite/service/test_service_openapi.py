"""Tests with valid and invalid bodies that schemathesis generates from the OpenAPI document of ``service``."""

from typing import Any

import hypothesis
import requests
import schemathesis

from common.conformance.suite.documents import CHECKS, read_document
from common.conformance.wire import Endpoint

document = read_document("service.json")


@document.hook
def map_body(_context: schemathesis.HookContext, body: object) -> object:
    """Write whole numbers without a fraction, because the contract does not say whether 2.0 is an integer."""
    items = body.get("items") if isinstance(body, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            item.update({name: int(value) for name, value in item.items() if _is_whole(value)})
    return body


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


@document.parametrize()
@hypothesis.settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_service_matches_its_openapi_document(
    case: schemathesis.Case[Any], target: Endpoint, patience_s: float, session: requests.Session
) -> None:
    case.call_and_validate(base_url=target.url, session=session, checks=CHECKS, timeout=patience_s)
