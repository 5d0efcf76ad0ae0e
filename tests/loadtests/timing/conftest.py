"""Fixtures of the tests of ``loadtests.timing``."""

import os
from collections.abc import Iterator

import pytest

from common.runtimes.running_server import RunningServer
from loadtests.targets.ceiling import null_server


@pytest.fixture
def known() -> Iterator[RunningServer]:
    """Start a server whose answers take 10 ms."""
    with null_server([min(os.sched_getaffinity(0))], 0.010) as running:
        yield running
