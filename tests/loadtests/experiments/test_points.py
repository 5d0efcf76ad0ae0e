"""Which servers a run visits and with what they are loaded, what is missing and why."""

import pytest

from common.errors import UsageError
from common.runtimes.candidates import Runtime
from loadtests.latency.cause_run import causes, floors
from loadtests.latency.points import (
    SATURATED,
    closed,
    latency_traffic,
    missing,
    opened,
    read_vcpus,
    read_workers,
    window_s,
)
from loadtests.latency.run import read_common_rate, require_room
from loadtests.latency.visits import order


@pytest.mark.parametrize(
    ("text", "sizes"), [("0.25,0.5,1,2", (0.25, 0.5, 1.0, 2.0)), ("1", (1.0,)), ("1,1.0", (1.0,)), (" 0.5 ", (0.5,))]
)
def test_sizes_are_read_as_they_are_listed(text: str, sizes: tuple[float, ...]) -> None:
    assert read_vcpus(text) == sizes


@pytest.mark.parametrize("text", ["", "0", "one", "1,", "nan", "-1", "1e9"])
def test_a_size_that_is_none_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"VCPU=.* is not accepted"):
        read_vcpus(text)


def test_numbers_of_workers_are_read_as_they_are_listed() -> None:
    assert read_workers("1,2,3,5") == (1, 2, 3, 5)


@pytest.mark.parametrize("text", ["", "0", "1.5", "1,,2", "65", "all"])
def test_a_number_of_workers_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"WORKERS=.* is not accepted"):
        read_workers(text)


def test_a_common_rate_is_no_share() -> None:
    assert read_common_rate("100") == "100"
    with pytest.raises(UsageError, match="RATE=50%"):
        read_common_rate("50%")


@pytest.mark.parametrize(
    ("vcpu", "runtime", "cores", "why"),
    [
        (0.25, Runtime.DOCKER, 2, None),
        (1.0, Runtime.DOCKER, 2, None),
        (1.5, Runtime.DOCKER, 2, "generator"),
        (2.0, Runtime.DOCKER, 2, "generator"),
        (2.0, Runtime.DOCKER, 3, None),
        (1.0, Runtime.DOCKER, 1, None),  # shares its core, which a verdict says
        (0.5, Runtime.PROCESS, 2, "no quotas"),
        (1.0, Runtime.PROCESS, 2, None),
    ],
)
def test_a_size_that_leaves_the_generator_no_core_is_missing(
    vcpu: float, runtime: Runtime, cores: int, why: str | None
) -> None:
    found = missing(vcpu, runtime, range(cores))
    assert (found is None) == (why is None)
    assert (why or "") in (found or "")


def test_a_run_of_nothing_but_missing_sizes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"VCPU=0\.25 cannot be measured here"):
        require_room([0.25], Runtime.PROCESS)
    require_room([0.25, 1.0], Runtime.PROCESS)


def test_windows_are_as_long_as_a_thousand_arrivals_take() -> None:
    assert window_s(opened("100"), 100.0) == 11.0
    assert window_s(opened("25%"), 10_000.0) == 2.0
    assert window_s(opened("1"), 1.0) == 30.0
    assert window_s(closed(1, 3.0), None) == 3.0


def test_the_capacity_is_measured_before_shares_of_it_and_the_rest_is_shuffled() -> None:
    traffic = latency_traffic("100")
    orders = [tuple(one.name for one in order(traffic, f"{seed}")) for seed in range(50)]
    assert {names[0] for names in orders} == {SATURATED}
    assert all(sorted(names) == sorted(one.name for one in traffic) for names in orders)
    assert len(set(orders)) > 20
    assert order(traffic, "7") == order(traffic, "7")


def test_each_cause_has_a_name_of_its_own_and_changes_one_thing() -> None:
    points = causes("a+b", cores=(0, 1), proxy_lacking=None)
    assert len({point.name for point in points}) == len(points)
    for one in points:
        changes = [one.memory_bytes, one.period_s, one.neighbours, one.proxied, one.workers > 1]
        assert sum(map(bool, changes)) == 1, one.name


def test_what_a_machine_lacks_makes_a_cause_missing() -> None:
    points = causes("a+b", cores=(0, 1), proxy_lacking="there is no proxy")
    assert {point.missing for point in points if point.proxied} == {"there is no proxy"}
    assert {point.missing for point in points if not point.proxied} == {None}
    assert [point.vcpu for point in floors("nginx", cores=(0, 1))] == [0.25, 1.0]
