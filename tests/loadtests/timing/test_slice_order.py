"""How a server takes its turn depends on how fast it is."""

import pytest
from msgspec.structs import replace

from common.records.run import Slicing
from loadtests.timing.slice_order import slicing_of

SLICING = Slicing(passes=32, most_passes=48, slice_s=0.08, skipped_s=0.04)
ENOUGH = 64 / 0.04
"""The responses per second of which the part of a slice that counts holds 64."""


def test_a_server_whose_slices_hold_many_responses_is_loaded_as_planned() -> None:
    assert slicing_of(SLICING, users=16, responses_per_s=ENOUGH) == SLICING


@pytest.mark.parametrize(
    ("responses_per_s", "passes", "most_passes"), [(ENOUGH - 1, 28, 42), (200, 16, 24), (50, 8, 12), (0, 8, 12)]
)
def test_a_slow_server_is_counted_to_its_last_response_in_fewer_slices(
    responses_per_s: float, passes: int, most_passes: int
) -> None:
    expected = replace(SLICING, passes=passes, most_passes=most_passes, skipped_s=0.0)
    assert slicing_of(SLICING, users=16, responses_per_s=responses_per_s) == expected


def test_a_slow_server_never_has_more_slices_than_planned() -> None:
    planned = replace(SLICING, passes=3, most_passes=5)
    assert slicing_of(planned, users=16, responses_per_s=10) == replace(planned, skipped_s=0.0)
