"""A window gives a value only if the server answered."""

import pytest

from common.records.window import Load
from loadtests.analysis.values import requests_per_cpu_s, throughput_rps
from tests.support.records import load


@pytest.mark.parametrize("found", [None, load(0)])
def test_a_window_without_a_good_response_has_no_rate(found: Load | None) -> None:
    assert (throughput_rps(found), requests_per_cpu_s(found)) == (None, None)
