"""Each limit of the generator is detected in the kind of loop where it matters."""

from typing import Any

import pytest

from common.records.load import Ceiling, Setup, Tool
from common.records.window import Latency, Load, LoadStep, OpenLoop, Second
from loadtests.analysis.generator_limits import generator_limits, held_up
from tests.support.records import load, setup

SETUP = setup(
    ceiling=Ceiling(requests=100_000, duration_s=1.0, generator_cpu_s=1.0, requests_per_cpu_s=100_000.0),
)


def _second(cpu_share: float) -> Second:
    return Second(
        duration_s=1.0, cpu_share=cpu_share, run_delay_share=0.0, loop_lag_s=0.01, send_lag_s=None, open=16,
        in_flight=16, sent=1000, answered=1000, littles_law_ratio=1.0,
    )  # fmt: skip


def _times(p999: float) -> Latency:
    return Latency(p50=0.00002, p90=0.00003, p99=0.00005, p999=p999, max=0.01, mean=0.00003)


def _open(requests: int = 2000, *, lag_p999_s: float = 0.0005, **changes: Any) -> Load:  # noqa: ANN401 -- any field
    opened = OpenLoop(
        rate_rps=1000, planned=2000, queued=0, waiting=0, never_sent=0, from_send_s=None, from_send_histogram=[],
        send_lag_s=_times(lag_p999_s), send_lag_histogram=[],
    )  # fmt: skip
    return load(requests, open_loop=opened, **changes)


def _step(run_delay_share: float, broken: str | None) -> LoadStep:
    return LoadStep(
        target=10, throughput_rps=10, requests=10, p50_s=0.1, p99_s=0.1, generator_cpu_share=0.1, broken=broken,
        generator_run_delay_share=run_delay_share,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (load(seconds=[_second(0.3), _second(0.85)]), "85% of a core in one second"),
        (load(170_000), "85,000 req/s are above 80% of the 100,000"),
        (_open(110_000), "55,000 req/s are above 50% of the 100,000"),
        (load(sent=20_017), "20017 requests were begun and 20000 ended"),
        (_open(generator_run_delay_s=0.1), "no core for 5.0% of the time"),
        (_open(lag_p999_s=0.0011), "one send in a thousand was 1.1 ms late"),
        (load(steps=[_step(0.03, "slow")]), "no core for 3.0% of the time"),
    ],
)
def test_a_limit_is_named_with_what_was_seen(seen: Load, reason: str) -> None:
    (found,) = generator_limits(SETUP, [load(), seen])
    assert reason in found


@pytest.mark.parametrize(
    "seen",
    [
        load(),
        load(seconds=[_second(0.75)]),
        load(110_000),
        load(sent=20_016),
        load(generator_run_delay_s=0.5),
        load(steps=[_step(0.03, None), _step(0.01, "slow")]),
        _open(),
        _open(lag_p999_s=0.003, latency_s=Latency(p50=0.04, p90=0.05, p99=0.06, p999=0.07, max=0.1, mean=0.04)),
        load(5, sent=20_000, server_gone="exit status 1"),
    ],
)
def test_a_healthy_generator_and_a_disturbed_one_in_a_closed_loop_reach_no_limit(seen: Load) -> None:
    assert list(generator_limits(SETUP, [seen])) == []


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        (_open(), False),
        (_open(generator_run_delay_s=0.1), True),
        (_open(lag_p999_s=0.0011), True),
        (_open(generator_run_delay_s=0.1, steps=[_step(0.0, None)]), False),
        (load(generator_run_delay_s=0.1), False),
    ],
)
def test_only_a_window_of_an_open_loop_without_steps_is_made_again(seen: Load, again: bool) -> None:  # noqa: FBT001
    assert (held_up(seen) is not None) is again


def test_each_core_that_the_generator_can_use_raises_its_ceiling() -> None:
    assert SETUP.ceiling is not None
    several = setup(ceiling=SETUP.ceiling, generator_cores=[1, 2], generator_workers=2)
    assert list(generator_limits(several, [load(170_000)])) == []
    (found,) = generator_limits(several, [load(330_000)])
    assert "165,000 req/s are above 80% of the 200,000" in found


@pytest.mark.parametrize("without", [setup(), setup(ceiling=SETUP.ceiling, tool=Tool.WRK)])
def test_without_a_ceiling_or_with_wrk_the_rate_is_not_compared_with_it(without: Setup) -> None:
    assert list(generator_limits(without, [load(1_000_000)])) == []
