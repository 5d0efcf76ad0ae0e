"""Passes in which the machine was slow are found, nothing else is, and leaving them out makes ratios steadier."""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import exp, log
from statistics import fmean

import pytest
from msgspec.structs import replace

from common.records.window import Slice, Window
from loadtests.analysis.slice_verdicts import costs, slow_passes
from loadtests.analysis.thresholds import FEWEST_SERVERS
from loadtests.campaign.store import PUBLISHED, RunFolder
from loadtests.statistics.spread import spread
from tests.support import records

PASSES = 60
VARIES = 0.04
"""The spread of the generator's cost per request within a server, as seen in published runs."""
RUNS = ["hello-docker", "hello-docker-2", "hello-docker-3"]

Round = Mapping[str, Mapping[int, Slice]]
"""The slices of a round, by cell and pass."""


def _costs(seed: int, servers: int, slowed: Mapping[int, float]) -> list[dict[int, float]]:
    draw = random.Random(seed)  # noqa: S311 -- not for secrets
    usual = [10 ** draw.uniform(-5, -4) for _ in range(servers)]
    return [
        {number: cost * exp(draw.gauss(slowed.get(number, 0.0), VARIES)) for number in range(1, PASSES + 1)}
        for cost in usual
    ]


@pytest.mark.parametrize("servers", [8, 13])
def test_passes_in_which_every_request_costs_a_tenth_more_are_found(servers: int) -> None:
    slowed = dict.fromkeys([3, *range(20, 31)], log(1.10))
    found = [slow_passes(_costs(seed, servers, slowed)) for seed in range(50)]
    assert fmean(len(one & slowed.keys()) / len(slowed) for one in found) > 0.97
    assert fmean(len(one - slowed.keys()) / PASSES for one in found) < 0.005


@pytest.mark.parametrize("servers", [FEWEST_SERVERS, 8])
def test_what_varies_by_chance_is_hardly_ever_taken_for_a_slow_machine(servers: int) -> None:
    assert fmean(len(slow_passes(_costs(seed, servers, {}))) / PASSES for seed in range(50)) < 0.02


def test_a_machine_that_is_slow_for_most_of_a_round_is_taken_as_it_is() -> None:
    assert not slow_passes(_costs(1, 13, dict.fromkeys(range(10, 61), log(1.10))))


def test_fewer_servers_say_too_little() -> None:
    assert not slow_passes(_costs(1, FEWEST_SERVERS - 1, {5: log(1.5)}))
    assert not slow_passes([])
    assert not slow_passes([{}, {}])


def test_slices_without_a_response_say_nothing() -> None:
    silent, usual = (replace(one, requests=requests) for one, requests in zip(records.slices(2), (0, 800), strict=True))
    assert costs([silent, usual]) == {2: pytest.approx(0.02 / 800)}


@cache
def _published(name: str) -> Sequence[Round]:
    rounds = defaultdict[int, dict[str, dict[int, Slice]]](dict)
    for one in RunFolder(folder=PUBLISHED / name).visits():
        if isinstance(one, Window) and one.load is not None:
            slices = {made.number: made for made in one.load.slices if made.requests}
            rounds[one.round][one.cell] = slices
    return list(rounds.values())


def _slow(made: Round) -> frozenset[int]:
    return slow_passes([costs(slices.values()) for slices in made.values()])


def _rate(slices: Sequence[Slice]) -> float:
    return sum(one.requests for one in slices) / sum(one.server_cpu_s or 0.0 for one in slices)


@pytest.mark.parametrize("name", RUNS)
def test_in_passes_that_cost_the_generator_more_servers_were_slower_too(name: str) -> None:
    logs = list[float]()
    for made in _published(name):
        slow = _slow(made)
        for slices in made.values():
            left_out = [one for number, one in slices.items() if number in slow]
            kept = [one for number, one in slices.items() if number not in slow]
            logs += [log(_rate(left_out) / _rate(kept))] if left_out else []
    assert len(logs) > 20
    assert exp(fmean(logs)) < 0.98


@pytest.mark.parametrize("name", RUNS)
def test_ratios_spread_less_with_as_many_slices_of_other_passes(name: str) -> None:
    """Each server is given two thirds of its slices: the first ones, or the first ones outside slow passes."""

    def seen(leave_out: Callable[[Round], frozenset[int]]) -> float:
        values = defaultdict[str, dict[int, float]](dict)
        for number, made in enumerate(_published(name)):
            slow = leave_out(made)
            for cell, slices in made.items():
                usual = [one for key, one in sorted(slices.items()) if key not in slow]
                values[cell][number] = _rate(usual[: len(slices) * 2 // 3])
        found = spread(values)
        assert found is not None
        return found.servers

    assert seen(_slow) < seen(lambda _: frozenset())
