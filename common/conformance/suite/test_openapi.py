"""Tests with valid and invalid requests that schemathesis generates from the contract's OpenAPI document."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from common import contract
from common.conformance.wire import Endpoint
from common.contract import slept

LONGEST_MS = 20
"""The longest generated sleep."""
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.positive_data_acceptance,
]
"""The checks on each answer. Methods and headers are left to test_methods.py."""

document = schemathesis.openapi.from_path(
    Path(contract.__file__).with_name("openapi.json"),
    config=schemathesis.Config.from_dict(
        {
            "generation": {"deterministic": True, "allow-x00": False, "with-security-parameters": False},
            "phases": {"coverage": {"unexpected-methods": []}},
        }
    ),
)


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


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """A session that closes each connection, so that no worker waits for a second request on it."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Connection"] = "close"
        yield session


@document.parametrize()
@hypothesis.settings(max_examples=30, deadline=None, database=None, derandomize=True)
def test_stack_matches_the_openapi_document(
    case: schemathesis.Case[Any], target: Endpoint, patience_s: float, session: requests.Session
) -> None:
    answer = case.call_and_validate(base_url=target.url, session=session, checks=CHECKS, timeout=patience_s)
    if answer.status_code == 200 and "delay" in case.path_parameters:
        delay = str(case.path_parameters["delay"])
        body = json.loads(answer.content)
        assert body == slept(int(delay)), f"GET /sleep/{delay} returns {body!r}; expected {slept(int(delay))!r}"
