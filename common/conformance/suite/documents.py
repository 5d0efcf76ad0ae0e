"""The contracts' OpenAPI documents, from which schemathesis generates requests, and how it checks the responses."""

from pathlib import Path

import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.schemas import OpenApiSchema

from common import contract

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.positive_data_acceptance,
]
"""The checks on each response. Methods and headers are left to the tests of routes."""


def write_whole_numbers(member: object) -> None:
    """Write whole numbers of an object without a fraction: the contract does not say whether 2.0 is an integer."""
    if isinstance(member, dict):
        member.update(
            {name: int(value) for name, value in member.items() if isinstance(value, float) and value.is_integer()}
        )


def read_document(name: str) -> OpenApiSchema:
    """Return the OpenAPI document with this file name, as schemathesis reads it."""
    return schemathesis.openapi.from_path(
        Path(contract.__file__).with_name(name),
        config=schemathesis.Config.from_dict(
            {
                "generation": {"deterministic": True, "allow-x00": False, "with-security-parameters": False},
                "phases": {"coverage": {"unexpected-methods": []}},
            }
        ),
    )
