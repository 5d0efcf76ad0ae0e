"""What earlier slices hold does not stall later ones, slow passes are made again, and lost servers lose their load."""

import gc
import socket

import gevent
import pytest

from common.records.run import Slicing
from common.records.window import Slice
from loadtests.timing import slices
from loadtests.timing.reading import Reading
from loadtests.timing.slice_order import SlicedServer, SliceOrder
from loadtests.timing.slices import Turn, _Round
from tests.support import records

HELD = 10_000
SERVER = SlicedServer(url="http://127.0.0.1:1", network_namespace=None, cpu_meter=None)


def test_what_earlier_slices_hold_is_out_of_the_garbage_collectors_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that went through it took 15 ms, which the responses of the next slice waited."""
    held, collectable = list[list[int]](), list[int]()

    def load(_: Turn) -> tuple[Reading, Reading]:
        collectable.append(len(gc.get_objects()))  # without what is frozen
        held.extend([number] for number in range(HELD))
        raise ProcessLookupError  # a slice that is lost leaves nothing to be recorded

    monkeypatch.setattr(Turn, "open", lambda *_: None)
    monkeypatch.setattr(Turn, "load", load)
    slicing = Slicing(passes=10, most_passes=10, slice_s=0.1, skipped_s=0.02)
    try:
        _Round(SliceOrder(servers=[SERVER], setup=records.setup(), slicing=slicing, seed="1")).run()
    finally:
        gc.unfreeze()
    assert len(collectable) == 10
    assert max(collectable[1:]) < HELD


@pytest.mark.parametrize(
    ("slow", "made"), [(set[int](), 10), ({3, 7}, 12), ({3, 6, 9, 12}, 14), ({1, 2, 6, 7, 11, 12}, 15)]
)
def test_passes_in_which_the_machine_is_slow_are_made_again_up_to_the_most(
    slow: set[int], made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: object, turn: Turn, number: int) -> None:
        one = Slice(
            number=number,
            start_s=float(number),
            duration_s=0.04,
            requests=1000,
            server_cpu_s=0.04,
            generator_cpu_s=0.024 if number in slow else 0.020,
            others_s=0.0,
            generator_others_s=0.0,
            steal_s=0.0,
            disturbed=False,
        )
        turn.slices.append(one)

    monkeypatch.setattr(Turn, "open", lambda *_: None)
    monkeypatch.setattr(_Round, "_load", load)
    monkeypatch.setattr(_Round, "_record", lambda *_: None)
    slicing = Slicing(passes=10, most_passes=15, slice_s=0.08, skipped_s=0.04)
    servers = _Round(SliceOrder(servers=[SERVER] * 4, setup=records.setup(), slicing=slicing, seed="1"))
    servers.run()
    for turn in servers._turns:
        assert [one.number for one in turn.judged] == list(range(1, made + 1))
        assert {one.number for one in turn.judged if one.disturbed} == slow


def test_a_server_that_cannot_be_opened_is_not_loaded_once_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections would be opened in the network namespace of whichever server has its turn."""
    monkeypatch.setattr(slices, "OPENING_S", 0.2)
    slicing = Slicing(passes=10, most_passes=15, slice_s=0.08, skipped_s=0.04)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = SlicedServer(url=url, network_namespace=None, cpu_meter=None)
        turn = Turn(server, records.setup(users=4), slicing)
        turn.open()
        sent = turn.loop.sent
        listener.listen()
        gevent.sleep(0.1)  # five times the pause after a failed attempt
    assert turn.gone is not None
    assert turn.gone.startswith("0 of 4 connections were open after 0.2 s")
    assert not turn.wanted
    assert (turn.loop.connections, turn.loop.sent) == (0, sent)
