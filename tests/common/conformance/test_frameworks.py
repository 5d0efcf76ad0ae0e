"""Holds the real frameworks and servers to the contract, each in its own environment."""

import os
import random
import time

import pytest

from common.catalog.frameworks import frameworks
from common.catalog.stacks import Stack, compatible, stacks
from common.conformance.candidates import conform
from common.runtimes.candidates import Candidate

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

KNOWN = frameworks()
DEFAULTS = stacks("default", "default", KNOWN)
OTHERS = [
    stack
    for framework in KNOWN.values()
    for stack in (Stack(framework=framework, server=server) for server in compatible(framework))
    if stack not in DEFAULTS and Candidate(stack=stack).unavailable is None
]
SAMPLED = 5
"""The number of other stacks tried in one run; all of them would take a quarter of an hour."""
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{time.time_ns():x}"
SEED = int(os.environ.get("SAMPLE_SEED") or int(_RUN, 16) % 1_000_000)
"""The seed that chooses them, the same for every worker of a run. ``SAMPLE_SEED=`` repeats a choice."""
SAMPLE = random.Random(SEED).sample(OTHERS, SAMPLED)  # noqa: S311 -- a choice of tests


def failures(stack: Stack) -> dict[str, str]:
    """Return the tests that a stack fails, each with the reason; skip the test where the stack cannot run."""
    candidate = Candidate(stack=stack)
    if candidate.unavailable is not None:
        pytest.skip(f"{candidate.name} is not available: {candidate.unavailable}")
    return conform(candidate).failed


@pytest.mark.parametrize("stack", DEFAULTS, ids=lambda stack: stack.name)
def test_well_known_framework_conforms_on_its_default_server(stack: Stack) -> None:
    assert failures(stack) == {}


@pytest.mark.parametrize("stack", SAMPLE, ids=lambda stack: f"{stack.name}, SAMPLE_SEED={SEED}")
def test_another_stack_conforms(stack: Stack) -> None:
    assert failures(stack) == {}
