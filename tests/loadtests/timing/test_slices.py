"""What earlier slices hold does not stall later ones, slow passes are made again, and lost servers lose their load."""

import gc
import socket
from dataclasses import replace
from typing import Any

import gevent
import pytest

from common.host.cores import CoreTimes
from common.records.run import Slicing
from common.records.window import Slice
from loadtests.timing import slices
from loadtests.timing.slice_order import SlicedServer, SliceOrder
from loadtests.timing.slice_sums import Counters, Measured
from loadtests.timing.slices import Turn, _Round, _Surroundings
from tests.support import records

HELD = 10_000
SERVER = SlicedServer(url="http://127.0.0.1:1", network_namespace=None, cpu_meter=None)


def test_what_earlier_slices_hold_is_out_of_the_garbage_collectors_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that went through it took 15 ms, which the responses of the next slice waited."""
    held, collectable = list[list[int]](), list[int]()

    def load(_: Turn) -> Measured:
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


def _surroundings(
    at_s: float = 0.0,
    *,
    server_cpu_s: float | None = 0.0,
    generator_cpu_s: float = 0.0,
    server_cores_s: float | None = 0.0,
    generator_cores_s: float | None = 0.0,
    steal_s: float = 0.0,
) -> _Surroundings:
    """Return counters that stood at 5 s before a slice, and what it added; half of the steal was on either side."""
    stolen = CoreTimes(busy_s=0.0, steal_s=5.0 + steal_s)
    half = replace(stolen, steal_s=5.0 + steal_s / 2)
    return _Surroundings(
        at_s=5.0 + at_s,
        server_cpu_s=None if server_cpu_s is None else 5.0 + server_cpu_s,
        generator_cpu_s=5.0 + generator_cpu_s,
        server_cores_s=None if server_cores_s is None else 5.0 + server_cores_s,
        generator_cores_s=None if generator_cores_s is None else 5.0 + generator_cores_s,
        steal=stolen,
        own_steal=half,
        server_steal=half,
    )


def _slice(after: _Surroundings, **changes: object) -> tuple[Slice, Measured]:
    """Return the record of a slice that counts for half of the time between two readings, 0.1 s apart."""
    counters = Counters(
        at_s=0.03, tallies=(), server_cpu_s=0.0, sent=0, reconnects=0, generator_cpu_s=0.0, run_delay_s=0.0
    )
    measured = Measured(first=counters, last=replace(counters, at_s=0.08), open_min=16)
    order = SliceOrder(servers=[SERVER], setup=records.setup(**changes), slicing=records.SLICING, seed="1")
    servers = _Round(order)
    (turn,) = servers._turns
    servers._keep(turn, 1, measured, _surroundings(), after)
    assert turn.loaded_s == pytest.approx(0.1)
    return turn.slices[0], turn.measured[0]


BUSY: dict[str, Any] = {"server_cpu_s": 0.09, "generator_cpu_s": 0.03}
ONE_CORE_EACH: dict[str, Any] = {"server_cores_s": 0.09, "generator_cores_s": 0.03}


@pytest.mark.parametrize(
    ("seen", "disturbed"),
    [
        (ONE_CORE_EACH, False),
        (ONE_CORE_EACH | {"server_cores_s": 0.099}, False),
        (ONE_CORE_EACH | {"server_cores_s": 0.101}, True),
        (ONE_CORE_EACH | {"generator_cores_s": 0.039}, False),
        (ONE_CORE_EACH | {"generator_cores_s": 0.041}, True),
        (ONE_CORE_EACH | {"steal_s": 0.009}, False),
        (ONE_CORE_EACH | {"steal_s": 0.011}, True),
    ],
)
def test_a_slice_is_disturbed_by_a_tenth_of_either_sides_cores_or_a_twentieth_stolen_of_all(
    seen: dict[str, float],
    disturbed: bool,  # noqa: FBT001
) -> None:
    made, _ = _slice(_surroundings(0.1, **BUSY | seen))
    assert made.disturbed is disturbed


def test_what_ran_on_the_cores_meanwhile_counts_for_the_part_that_counts() -> None:
    after = _surroundings(0.1, **BUSY | {"server_cores_s": 0.094, "generator_cores_s": 0.036, "steal_s": 0.008})
    made, counted = _slice(after)
    assert (made.others_s, made.generator_others_s, made.steal_s) == pytest.approx((0.004, 0.006, 0.008))
    assert counted.others_s == pytest.approx(0.002)
    assert (counted.steal_all_s, counted.steal_s, counted.server_steal_s) == pytest.approx((0.004, 0.002, 0.002))


def test_on_shared_cores_neither_side_is_a_disturbance_of_the_other() -> None:
    both_s = BUSY["server_cpu_s"] + BUSY["generator_cpu_s"] + 0.005
    after = _surroundings(0.1, **BUSY, server_cores_s=both_s, generator_cores_s=both_s)
    made, _ = _slice(after, server_cores=[0, 1], generator_cores=[0, 1])
    assert (made.others_s, made.generator_others_s) == pytest.approx((0.005, 0.005))


@pytest.mark.parametrize("unknown", ["server_cpu_s", "server_cores_s"])
def test_what_others_used_is_unknown_without_either_meter(unknown: str) -> None:
    made, counted = _slice(_surroundings(0.1, **BUSY | ONE_CORE_EACH | {unknown: None}))
    assert (made.others_s, made.generator_others_s, counted.others_s, made.disturbed) == (None, None, None, False)


def test_a_server_that_cannot_be_opened_is_not_loaded_once_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections would be opened in the network namespace of whichever server has its turn."""
    monkeypatch.setattr(slices, "OPENING_S", 0.2)
    slicing = Slicing(passes=10, most_passes=15, slice_s=0.08, skipped_s=0.04)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = SlicedServer(url=url, network_namespace=None, cpu_meter=None)
        turn = Turn(server, records.setup(users=4), slicing)
        turn.open(0.1)
        sent = turn.loop.sent
        listener.listen()
        gevent.sleep(0.1)  # five times the pause after a failed attempt
    assert turn.gone is not None
    assert turn.gone.startswith("0 of 4 connections were open after 0.2 s")
    assert not turn.wanted
    assert (turn.loop.connections, turn.loop.sent) == (0, sent)
