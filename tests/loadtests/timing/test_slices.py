"""What earlier slices leave behind does not stall later ones."""

import gc
import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # importing Locust would replace the sockets of every other test

from common.records.run import Slicing
from loadtests.timing.slice_order import SlicedServer
from loadtests.timing.slices import Turn
from tests.support import records

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]  # Locust started by other tests needs the replacement

HELD = 10_000


def test_what_earlier_slices_hold_is_out_of_the_garbage_collectors_way() -> None:
    """A collection that went through it took 15 ms, which the responses of the next slice waited."""
    slicing = Slicing(passes=2, most_passes=3, slice_s=0.1, skipped_s=0.02)
    server = SlicedServer(url="http://127.0.0.1:1", network_namespace=None, cpu_meter=None)
    turn, held = Turn(server, records.setup(), slicing), list[list[int]]()
    try:
        for _ in range(2):
            held += [[number] for number in range(HELD)]
            turn.enter()
            assert len(gc.get_objects()) < HELD  # without what is frozen
    finally:
        gc.unfreeze()
