"""Tests with valid and invalid bodies that schemathesis generates from the OpenAPI document of ``service``."""

from typing import Any

import hypothesis
import requests
import schemathesis

from common.conformance.suite.documents import CHECKS, read_document, write_whole_numbers
from common.conformance.wire import Endpoint

document = read_document("service.json").include(path="/quotes")


@document.hook
def map_body(_context: schemathesis.HookContext, body: object) -> object:
    """Write the whole numbers of its items without a fraction."""
    items = body.get("items") if isinstance(body, dict) else None
    for item in items if isinstance(items, list) else ():
        write_whole_numbers(item)
    return body


@document.parametrize()
@hypothesis.settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_service_matches_its_openapi_document(
    case: schemathesis.Case[Any], target: Endpoint, patience_s: float, session: requests.Session
) -> None:
    case.call_and_validate(base_url=target.url, session=session, checks=CHECKS, timeout=patience_s)
