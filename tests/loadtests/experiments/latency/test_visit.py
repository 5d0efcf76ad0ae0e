"""One fresh server and all its traffic: order, rates, failures, and real containers under changed conditions."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from docker import DockerClient
from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Runtime, Size
from common.cli.parameters import StackParameter
from common.engine.ownership import OWNER
from common.errors import FailedError
from common.host.ownership import owner_id
from common.records.load import Arrivals, Rate, Setup
from common.records.window import Load, OpenLoop
from common.runtimes import surroundings
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare
from common.runtimes.running_server import RunningServer
from loadtests.experiments.latency.experiment import closed, latency_traffic, opened, point
from loadtests.experiments.latency.records import SATURATED, Point, Traffic, TrafficVisit
from loadtests.experiments.latency.visit import load_in_turn, longest_window_s, shuffled
from loadtests.windows import by_locust
from loadtests.windows.tools import GeneratorError
from tests.support import records
from tests.support.traffic_records import PACED, a_point, a_visit

CORES = sorted(os.sched_getaffinity(0))
HALF = opened(Rate(share=0.5))
QUARTER = Size(vcpu=0.25)


def test_the_capacity_is_measured_before_shares_of_it_and_the_rest_is_shuffled() -> None:
    all_of_it = latency_traffic(Rate(rps=100))
    orders = [tuple(one.name for one in shuffled(all_of_it, f"{seed}")) for seed in range(50)]
    assert {names[0] for names in orders} == {SATURATED}
    assert all(sorted(names) == sorted(one.name for one in all_of_it) for names in orders)
    assert len(set(orders)) > 20
    assert shuffled(all_of_it, "7") == shuffled(all_of_it, "7")


@dataclass
class Toy:
    """A pretended server, and what Locust would measure on it."""

    end: str | None = None
    sizes: list[Size] = field(default_factory=list)
    measured: list[tuple[Setup, int]] = field(default_factory=list)
    requests: int = 20_000
    goes_wrong: Callable[[Setup], Load | None] = lambda _: None

    name = "a+b"

    @contextmanager
    def serve(self, size: Size, *, cores: Sequence[int], inside: bool = True) -> Iterator[RunningServer]:
        """Bring it up."""
        assert (list(cores), inside) == ([0], True)
        self.sizes.append(size)
        yield RunningServer(url="", client_prefix=(), cpu_meter=None, exit_reason=lambda: self.end)

    def measure(self, _: RunningServer, setup: Setup, *, seed: int) -> Load:
        """Make a window."""
        self.measured.append((setup, seed))
        if (load := self.goes_wrong(setup)) is not None:
            return load
        rate = setup.load.rate
        return records.load(self.requests, 2.0, open_loop=None if rate is None else _open_loop(rate.rps or 0.0))


def _open_loop(rate_rps: float) -> OpenLoop:
    return OpenLoop(
        rate_rps=rate_rps, planned=1, queued=0, waiting=0, never_sent=0, from_send_s=None, from_send_histogram=[],
        send_lag_s=None, send_lag_histogram=[],
    )  # fmt: skip


def visited(toy: Toy, monkeypatch: pytest.MonkeyPatch, *, number: int = 3, **changes: Any) -> TrafficVisit:  # noqa: ANN401
    """A visit to a point that is saturated, and loaded at a rate and at half of its capacity."""
    monkeypatch.setattr(by_locust, "measure", toy.measure)
    of = replace(a_point(0.5), **{"traffic": [closed(16), opened(Rate(rps=100)), HALF], **changes})
    setup = records.setup(server_cores=[9], generator_cores=[9], delay_ms=0, most_warmup_s=41.0)
    return load_in_turn(a_visit(of, number, {}), of, setup, toy, seed=40)


def test_one_server_gets_all_traffic_and_rates_are_shares_of_its_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 requests in 2 CPU-seconds are 5,000 per second at half a vCPU."""
    toy = Toy()
    seen = visited(toy, monkeypatch)
    assert seen.error is None
    assert len(toy.sizes) == 1
    assert set(seen.loads) == {SATURATED, PACED, "50% of capacity"}
    assert next(iter(seen.loads)) == SATURATED
    half, paced = seen.loads["50% of capacity"].open_loop, seen.loads[PACED].open_loop
    assert half is not None
    assert (half.rate_rps, half.capacity_rps) == (2500, 5000)
    assert paced is not None
    assert (paced.rate_rps, paced.capacity_rps) == (100, None)


def test_each_window_has_the_points_own_size_cores_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()
    visited(toy, monkeypatch)
    by_scenario = {(setup.load.scenario, str(setup.load.rate or "")): setup for setup, _ in toy.measured}
    saturating, paced = by_scenario["hello", ""], by_scenario["rate", "100"]
    for setup, _ in toy.measured:
        assert (setup.size.vcpu, setup.server_cores, setup.generator_cores) == (0.5, [0], [1])
    assert (saturating.load.users, saturating.load.window_s, saturating.load.arrivals) == (16, 2.0, None)
    assert (paced.load.users, paced.load.arrivals) == (16, Arrivals.POISSON)
    assert {seed for _, seed in toy.measured} == {43}, "each round has arrivals of its own"


def test_the_first_window_waits_until_the_server_is_warm_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()
    visited(toy, monkeypatch)
    assert [setup.load.most_warmup_s for setup, _ in toy.measured] == [41.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("of", "window_s"),
    [
        (opened(Rate(rps=100)), 11.0),  # 1,100 arrivals
        (opened(Rate(rps=10_000)), 2.0),
        (opened(Rate(rps=1)), 30.0),
        (opened(Rate(share=0.5)), 2.0),
        (closed(1, 3.0), 3.0),
        (opened(Rate(rps=20), 5.0), 5.0),
    ],
)
def test_windows_are_as_long_as_a_thousand_arrivals_take_within_bounds(
    of: Traffic, window_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Toy()
    visited(toy, monkeypatch, traffic=[closed(16), of])
    assert toy.measured[-1][0].load.window_s == window_s
    assert longest_window_s(of) >= window_s


def test_a_server_without_a_capacity_is_the_visits_error(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = visited(Toy(requests=0), monkeypatch, traffic=[closed(16), HALF])
    assert seen.error == "no request was answered while its capacity was measured"
    assert list(seen.loads) == [SATURATED]


def test_a_server_that_is_lost_ends_the_visit_with_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = records.load(10, 2.0, server_gone="no connection was open when the window ended")
    toy = Toy(goes_wrong=lambda setup: gone if setup.load.scenario == "rate" else None)
    seen = visited(toy, monkeypatch)
    assert seen.error == "no connection was open when the window ended"
    assert len(seen.loads) == len(toy.measured) == 2


def test_how_a_server_ended_is_the_error_whatever_the_generator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Setup) -> Load:
        raise GeneratorError("Locust ended without a result")

    seen = visited(Toy(goes_wrong=fail, end="killed for memory"), monkeypatch)
    assert (seen.error, seen.loads) == ("killed for memory", {})


def test_a_generator_failure_with_a_healthy_server_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Setup) -> Load:
        raise GeneratorError("Locust ended without a result")

    with pytest.raises(GeneratorError):
        visited(Toy(goes_wrong=fail), monkeypatch)


def test_a_server_that_does_not_start_is_the_visits_error(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()

    @contextmanager
    def fails(*_: object, **__: object) -> Iterator[RunningServer]:
        raise FailedError("it did not answer with 200")
        yield  # a context manager is a generator

    monkeypatch.setattr(toy, "serve", fails)
    assert visited(toy, monkeypatch).error == "it did not answer with 200"


@pytest.fixture(scope="module")
def candidate(engine: DockerClient) -> Candidate:
    assert engine.ping()
    found = StackParameter(framework="raw_wsgi", image="slim").candidate(Runtime.DOCKER)
    prepare([found], Console(file=io.StringIO()))
    return found


@pytest.fixture
def _clean(engine: DockerClient) -> Iterator[None]:
    yield
    assert engine.containers.list(all=True, filters=_mine()) == []


def _mine() -> dict[str, str | list[str] | bool]:
    return {"label": f"{OWNER}={owner_id(os.getpid())}"}


def _visit(candidate: Candidate, *of: Traffic, size: Size = QUARTER, **changes: object) -> tuple[Point, TrafficVisit]:
    at = replace(point(candidate.name, size, of, Runtime.DOCKER), **changes)
    setup = records.setup(warmup_s=0.2, delay_ms=0)
    return at, load_in_turn(a_visit(at, 1, {}), at, setup, candidate, seed=1)


@pytest.mark.usefixtures("_clean")
def test_a_real_server_gets_all_traffic_under_its_quota(candidate: Candidate) -> None:
    at, seen = _visit(candidate, closed(16, 0.5), opened(Rate(share=0.5), 0.5))
    assert seen.error is None
    assert list(seen.loads) == [one.name for one in at.traffic]
    saturated, half = seen.loads.values()
    assert saturated.server_cpu_s is not None
    capacity = saturated.requests / saturated.server_cpu_s * 0.25
    assert half.open_loop is not None
    assert half.open_loop.capacity_rps == pytest.approx(capacity)
    assert half.open_loop.rate_rps == pytest.approx(capacity / 2, rel=0.01)
    assert saturated.server_cpu_s / saturated.duration_s < 0.3
    assert seen.memory_bytes is not None
    assert 5e6 < seen.memory_bytes < 100e6


@pytest.mark.usefixtures("_clean")
def test_more_workers_hold_more_memory(candidate: Candidate) -> None:
    held = [
        _visit(candidate, closed(1, 0.2), size=Size(vcpu=0.25, worker_count=workers))[1].memory_bytes
        for workers in (1, 3)
    ]
    assert held[0] is not None
    assert held[1] is not None
    assert held[1] > held[0] + 5e6


@pytest.mark.usefixtures("_clean")
def test_neighbours_take_the_server_its_core(candidate: Candidate) -> None:
    one, whole = closed(16, 1.0), Size(vcpu=1.0)
    alone, beside = (_visit(candidate, one, size=whole, neighbours=count)[1].loads[one.name] for count in (0, 3))
    assert alone.server_cpu_s is not None
    assert beside.server_cpu_s is not None
    assert beside.server_cpu_s / beside.duration_s < 0.5
    assert beside.server_cpu_s < alone.server_cpu_s


@pytest.mark.skipif(surroundings.why_no_proxy() is not None, reason=str(surroundings.why_no_proxy()))
@pytest.mark.usefixtures("_clean")
def test_a_proxy_can_be_put_between(candidate: Candidate) -> None:
    _, seen = _visit(candidate, closed(1, 0.3), proxied=True)
    assert seen.error is None
    assert seen.loads["one at a time"].failures == {}


@pytest.mark.usefixtures("_clean")
def test_a_period_changes_the_interval_of_the_quota_not_its_share(candidate: Candidate, engine: DockerClient) -> None:
    with candidate.serve(Size(vcpu=0.25, period_s=0.01), cores=CORES[:1]):
        (container,) = engine.containers.list(filters=_mine())
        limits = container.attrs["HostConfig"]
    assert (limits["CpuPeriod"], limits["CpuQuota"]) == (10_000, 2_500)


@pytest.mark.usefixtures("_clean")
def test_a_server_without_enough_memory_is_the_visits_error(candidate: Candidate) -> None:
    _, seen = _visit(candidate, closed(1, 0.3), size=Size(vcpu=0.25, memory_bytes=16 * 1024**2))
    assert seen.error is not None
    assert "memory" in seen.error
