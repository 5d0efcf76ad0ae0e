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
SAMPLED = 12
"""How many of the other stacks are tried in one run; all of them would take a quarter of an hour."""


def failures(stack: Stack) -> dict[str, str]:
    """Return the tests that a stack fails, each with the reason; skip the test where the stack cannot run."""
    candidate = Candidate(stack=stack)
    if candidate.unavailable is not None:
        pytest.skip(f"{candidate.name} is not available: {candidate.unavailable}")
    return conform(candidate).failed


@pytest.mark.parametrize("stack", DEFAULTS, ids=lambda stack: stack.name)
def test_well_known_framework_conforms_on_its_default_server(stack: Stack) -> None:
    assert failures(stack) == {}


@pytest.mark.timeout(900)
def test_sample_of_the_other_stacks_conforms() -> None:
    """``SAMPLE_SEED=`` repeats a choice; the seed is part of the message."""
    seed = int(os.environ.get("SAMPLE_SEED", time.time_ns() % 1_000_000))
    chosen = random.Random(seed).sample(OTHERS, SAMPLED)  # noqa: S311 -- a choice of tests
    print(f"SAMPLE_SEED={seed}: {', '.join(stack.name for stack in chosen)}")  # noqa: T201 -- pytest shows it
    found = {stack.name: failed for stack in chosen if (failed := failures(stack))}
    assert found == {}, f"SAMPLE_SEED={seed}"
