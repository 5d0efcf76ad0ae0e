"""Tests with valid and invalid bodies that schemathesis generates from the OpenAPI document of ``service``."""

from typing import Any

import hypothesis
import requests
import schemathesis

from common.conformance.suite.documents import CHECKS, read_document
from common.conformance.wire import Endpoint

document = read_document("service.json")


@document.parametrize()
@hypothesis.settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_service_matches_its_openapi_document(
    case: schemathesis.Case[Any], target: Endpoint, patience_s: float, session: requests.Session
) -> None:
    case.call_and_validate(base_url=target.url, session=session, checks=CHECKS, timeout=patience_s)
