"""Each flaw of a sliced window is flagged, and what is no flaw leaves the number valid."""

from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.records.summary import Verdict
from common.records.window import Load, Warmup
from loadtests.analysis.verdicts import verdicts
from tests.support.records import cell, load, setup, slices, warmup, window

ROUNDS = 20


def _load(disturbed: int = 0, count: int = 24, **changes: Any) -> Load:  # noqa: ANN401 -- any field
    return load(20_000, changes.pop("server_cpu_s", 1.98), slices=slices(count, disturbed), **changes)


def _verdicts(*loads: Load | None) -> set[Verdict]:
    made = [
        window("a+b", number, one, None if one else "it did not come up") for number, one in enumerate(loads, start=1)
    ]
    return set(verdicts(cell("a+b"), made, setup(), Runtime.PROCESS))


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([_load()] * ROUNDS, set()),
        ([_load(disturbed=6, count=30)] * ROUNDS, set()),
        ([_load(disturbed=24, count=36)] * ROUNDS, set()),
        ([_load(disturbed=25, count=36)] * ROUNDS, {Verdict.DISTURBED}),
        ([_load(disturbed=30, count=36)] * 9 + [_load()] * 11, set()),
        ([_load(server_cpu_s=1.8)] * ROUNDS, {Verdict.NOT_SATURATED}),
        ([_load(server_cpu_s=1.8, throttled_s=0.2, throttled_periods=3)] * ROUNDS, {Verdict.THROTTLED}),
        ([_load(server_cpu_s=1.2, throttled_s=0.001, throttled_periods=1)] * ROUNDS, {Verdict.NOT_SATURATED}),
        ([_load()] * 3 + [_load(server_cpu_s=1.8)] * 2, {Verdict.NOT_SATURATED}),
        ([_load(server_cpu_s=1.85, server_cores_busy_s=1.97)] * ROUNDS, set()),  # others had the rest of its core
        ([_load()] * 4 + [_load(server_cpu_s=1.8)], set()),
        ([_load()] * 3 + [_load(disturbed=30, count=36, server_cpu_s=1.8)] * 2, set()),
        ([_load(warmup=warmup())] * ROUNDS, set()),
        ([_load(warmup=warmup(None, warm=None))] * ROUNDS, set()),
        ([_load(warmup=warmup(None))] * ROUNDS, {Verdict.NOT_WARM}),
        ([_load(warmup=warmup(None))] + [_load(warmup=warmup())] * 4, set()),
        ([_load(idle_cpu_share=0.05)] * ROUNDS, {Verdict.DISTURBED}),
        ([_load(idle_cpu_share=0.005)] * ROUNDS, set()),
        ([_load(server_cores_busy_s=2.8)] * ROUNDS, {Verdict.DISTURBED}),
        ([_load(server_steal_s=0.2)] * ROUNDS, {Verdict.DISTURBED}),
        ([_load(generator_cpu_s=1.9)] * ROUNDS, {Verdict.GENERATOR_BOUND}),
        ([_load()] * 19 + [None], set()),
        ([_load()] * 16 + [None] * 4, {Verdict.SERVER_DIED}),
        ([_load()] * 19 + [_load(failures={"connection reset": 1}, reconnects=1, connections_open_min=15)], set()),
        ([_load(failures={"connection reset": 5}, reconnects=5)] * ROUNDS, {Verdict.WRONG_ANSWERS}),
        ([_load()] * 19 + [_load(failures={"status 500": 1})], {Verdict.WRONG_ANSWERS}),
        ([_load()] * 4, {Verdict.TOO_FEW_ROUNDS}),
    ],
)  # fmt: skip
def test_windows_in_slices(loads: list[Load | None], expected: set[Verdict]) -> None:
    assert _verdicts(*loads) == expected


def _rising(share: float, made: Warmup | None, number: int = 0) -> Load:
    """Return a window with a rate that rises by a share from the first half of its slices to the second."""
    of_slices = [
        replace(one, requests=round((1 + share) * 800) + number if one.number > 12 else 800) for one in slices()
    ]
    return load(20_000, 1.98, slices=of_slices, warmup=made)


@pytest.mark.parametrize(
    ("rises", "made", "expected"),
    [
        ([0.1] * 5, warmup(), {Verdict.NOT_WARM}),
        ([0.1] * 5, None, set()),
        ([0.04] * 5, warmup(), set()),
        ([-0.05] * 5, warmup(), set()),
        ([0.2, -0.1, 0.1, 0.0, 0.05], warmup(), set()),
    ],
)
def test_a_rate_that_rises_while_it_is_measured_is_not_that_of_a_warm_server(
    rises: list[float], made: Warmup | None, expected: set[Verdict]
) -> None:
    assert _verdicts(*(_rising(share, made, number) for number, share in enumerate(rises))) == expected


def test_a_server_that_is_not_warm_is_told_how_that_shows() -> None:
    def reason(*loads: Load) -> str:
        made = [window("a+b", number, one) for number, one in enumerate(loads, start=1)]
        return verdicts(cell("a+b"), made, setup(), Runtime.PROCESS)[Verdict.NOT_WARM]

    assert reason(*[_load(warmup=warmup(None))] * 2, *[_load(warmup=warmup())] * 3).startswith(
        "in 2 of 5 windows the server was not warm after 41 s of load, so a server that has been up for longer is"
    )
    assert reason(*(_rising(0.1, warmup(), number) for number in range(5))).startswith(
        "in 5 windows the rate rose by 10% from the first half of the slices to the second, so"
    )


def test_a_server_that_was_loaded_alone_may_not_be_warm_either() -> None:
    alone = load(20_000, 2.0, warmup=warmup(None))
    assert _verdicts(*[alone] * ROUNDS) == {Verdict.NOT_WARM}
    assert _verdicts(*[replace(alone, warmup=warmup())] * ROUNDS) == set()


def test_a_server_that_idled_in_some_windows_is_told_in_how_many_and_how_much() -> None:
    """The median window of the five is busy."""
    loads = [_load()] * 3 + [_load(server_cpu_s=1.8), _load(server_cpu_s=1.6)]
    made = [window("a+b", number, one) for number, one in enumerate(loads, start=1)]
    reason = verdicts(cell("a+b"), made, setup(), Runtime.PROCESS)[Verdict.NOT_SATURATED]
    assert reason.startswith("in 2 of 5 windows the server was busy less than 95% of the time, 80% in the worst")
