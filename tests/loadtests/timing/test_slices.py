"""The order in which several servers are loaded leaves nothing behind that would stall later slices."""

import gc
import os
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # importing Locust would replace the sockets of every other test

from common.records.run import Slicing
from loadtests.timing import slices
from loadtests.timing.slice_order import SliceOrder
from tests.support import records

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]  # Locust started by other tests needs the replacement

HELD = 10_000


@dataclass
class Turn:
    """A server whose slices keep many objects alive, as copies of the counters do."""

    wanted: bool = True
    held: list[list[int]] = field(default_factory=list)
    collectable: list[int] = field(default_factory=list)

    def open(self, warmup_s: float) -> None:
        """Open nothing."""


def test_what_earlier_slices_hold_is_out_of_the_garbage_collectors_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that went through it took 15 ms, which the responses of the next slice waited."""

    def load(_: object, turn: Turn, __: int) -> None:
        turn.collectable.append(len(gc.get_objects()))  # without what is frozen
        turn.held += [[number] for number in range(HELD)]

    monkeypatch.setattr(slices._Round, "_load", load)
    monkeypatch.setattr(slices._Round, "_record", lambda *_: None)
    slicing = Slicing(passes=10, most_passes=10, slice_s=0.1, skipped_s=0.02)
    turn = Turn()
    made = slices._Round(SliceOrder(servers=[], setup=records.setup(), slicing=slicing, seed="1"))
    made._turns = cast("Any", [turn])
    try:
        made.run()
    finally:
        gc.unfreeze()
    assert len(turn.collectable) == 10
    assert max(turn.collectable[1:]) < HELD
