"""Tests with valid and invalid requests that schemathesis generates from the orders in the OpenAPI document."""

from typing import Any

import hypothesis
import requests
import schemathesis

from common.conformance.suite.documents import CHECKS, read_document, write_whole_numbers
from common.conformance.wire import Endpoint

document = read_document("service.json").include(path_regex="^/orders")


@document.hook
def map_body(_context: schemathesis.HookContext, body: object) -> object:
    """Write the whole numbers of an order without a fraction."""
    write_whole_numbers(body)
    return body


@document.parametrize()
@hypothesis.settings(max_examples=30, deadline=None, database=None, derandomize=True)
def test_orders_match_their_openapi_document(
    case: schemathesis.Case[Any], target: Endpoint, patience_s: float, session: requests.Session
) -> None:
    case.call_and_validate(base_url=target.url, session=session, checks=CHECKS, timeout=patience_s)
