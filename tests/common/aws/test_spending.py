"""Fargate's sizes, prices of the region, plans, lifetimes and the ceiling, against cases worked out by hand."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.aws.calls import CannotContinueError
from common.aws.settings import FargateSettings
from common.aws.spending import STOP_S, SpendingLimit, TaskPrices, parse_fargate_sizes, valid_sizes, with_minimum_memory
from common.catalog.prices import TABLE as PRICES
from common.catalog.prices import load_prices
from common.catalog.sizes import Runtime, Size
from common.cli.parameters import StackParameter
from common.errors import UsageError
from common.runtimes.candidates import parse_size
from common.runtimes.fargate import START_DEADLINE_S
from common.runtimes.preparation import PlannedServer

GIB = 1024**3
SMALL = Size(vcpu=0.25, memory_bytes=GIB // 2)
BIG = Size(vcpu=1, memory_bytes=2 * GIB)
NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("vcpu", "memory", "vcpus", "memory_bytes"),
    [
        ("0.25", None, 0.25, GIB // 2),
        (".25", "512m", 0.25, GIB // 2),
        ("1", "8g", 1, 8 * GIB),
        ("2", None, 2, 4 * GIB),
        ("4", "30720m", 4, 30 * GIB),
        ("8", "20G", 8, 20 * GIB),
        ("16", "120GiB", 16, 120 * GIB),
    ],
)
def test_a_valid_size_is_accepted_whatever_this_machine_has(
    vcpu: str, memory: str | None, vcpus: float, memory_bytes: int
) -> None:
    assert parse_size(Runtime.FARGATE, vcpu, memory) == Size(vcpu=vcpus, memory_bytes=memory_bytes)


@pytest.mark.parametrize(
    ("vcpu", "memory", "accepted"),
    [
        ("3", None, "0.25, 0.5, 1, 2, 4, 8, 16"),
        ("abc", None, "0.25"),
        ("nan", None, "0.25"),
        ("-1", None, "0.25"),
        ("0.25", "4g", "512m, 1024m, 2048m"),
        ("0.25", "513m", "512m"),
        ("0.25", "524289k", "512m"),
        ("0.25", "half", "512m"),
        ("8", "17g", "16384m, 20480m"),
        ("16", "1g", "32768m, 40960m"),
    ],
)
def test_an_invalid_size_is_refused_with_the_valid_sizes_and_their_date(
    vcpu: str, memory: str | None, accepted: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_size(Runtime.FARGATE, vcpu, memory)
    assert accepted in str(refusal.value)
    assert str(load_prices().sizes_as_of["fargate"]) in str(refusal.value)


def test_the_number_of_sizes_matches_amazons_table() -> None:
    assert {vcpu: len(memories) for vcpu, memories in valid_sizes().items()} == {
        0.25: 3, 0.5: 4, 1: 7, 2: 13, 4: 23, 8: 12, 16: 12,
    }  # fmt: skip


def test_a_size_without_memory_gets_the_least_available() -> None:
    assert with_minimum_memory(Size(vcpu=2)) == Size(vcpu=2, memory_bytes=4 * GIB)
    assert with_minimum_memory(SMALL) is SMALL


def test_each_size_in_a_list_is_read_once() -> None:
    assert parse_fargate_sizes("0.25, 1,0.25", None) == (SMALL, Size(vcpu=1, memory_bytes=2 * GIB))
    with pytest.raises(UsageError, match=r"invalid MEMORY=8g: on Fargate, VCPU=0\.25 goes with 512m"):
        parse_fargate_sizes("1,0.25", "8g")


@pytest.mark.parametrize(
    ("size", "lifetime_s", "dollars"),
    [
        (SMALL, 3600, 0.25 * 0.04 + 0.5 * 0.004 + 0.005),
        (SMALL, 1, (0.25 * 0.04 + 0.5 * 0.004 + 0.005) / 60),
        (Size(vcpu=4, memory_bytes=8 * GIB), 90, (4 * 0.04 + 8 * 0.004 + 0.005) / 40),
    ],
)
def test_a_task_is_billed_by_the_second_for_at_least_a_minute(size: Size, lifetime_s: float, dollars: float) -> None:
    assert rates().dollars(size, lifetime_s) == pytest.approx(dollars)


@pytest.mark.parametrize("region", ["us-east-1", None])
def test_prices_are_those_of_the_architecture(region: str | None) -> None:
    assert TaskPrices.find("X86_64", region).vcpu == 0.04048
    assert TaskPrices.find("ARM64", region).gb == 0.00356
    assert "in us-east-1 as of 20" in TaskPrices.find("ARM64", region).dated


def test_a_public_address_is_billed_only_if_tasks_get_one() -> None:
    public, private = (
        FargateSettings(region="us-east-1", max_dollars=1, assign_public_ip=choice).budget.rates
        for choice in ("enabled", "disabled")
    )
    assert public.per_hour(SMALL) - private.per_hour(SMALL) == pytest.approx(0.005)


def test_an_open_ended_task_without_a_ceiling_has_no_number_of_hours() -> None:
    """A dry run has no ceiling."""
    reports: list[str] = []
    budget = SpendingLimit.parse(None, architecture="X86_64", region="us-east-1", dry_run=True)
    budget.approve_open_end(SMALL, reports.append)
    assert "inf" not in reports[0]
    assert " hours" not in reports[0]


@pytest.fixture
def two_regions(tmp_path: Path) -> Path:
    """A table of prices with a second region, one of whose prices was changed later."""
    first, *_ = PRICES.read_text().partition("[[storage]]")
    dearer = first.replace("us-east-1", "eu-central-1").replace("0.04048", "0.05")
    changed = dearer.replace("2026-06-30", "2026-09-01").replace("0.05", "0.06")
    table = tmp_path / "prices.toml"
    table.write_text(dearer + changed + PRICES.read_text())
    return table


def test_prices_are_the_newest_of_the_region(two_regions: Path) -> None:
    assert TaskPrices.find("X86_64", "us-east-1", two_regions).vcpu == 0.04048
    assert TaskPrices.find("X86_64", "eu-central-1", two_regions).vcpu == 0.06


def test_a_region_without_prices_is_refused_with_how_to_add_it(two_regions: Path) -> None:
    with pytest.raises(UsageError, match=r"REGION=eu-west-1: .*eu-central-1, us-east-1\. To add it, copy .*toml"):
        TaskPrices.find("X86_64", "eu-west-1", two_regions)


@pytest.mark.parametrize("dry_run", [False, True])
def test_settings_price_the_region_that_tasks_run_in(monkeypatch: pytest.MonkeyPatch, *, dry_run: bool) -> None:
    assert FargateSettings(region="us-east-1", max_dollars=1, dry_run=dry_run).budget.rates.vcpu > 0
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(UsageError, match="invalid REGION=eu-west-1"):
        _ = FargateSettings(max_dollars=1, dry_run=dry_run).budget


def rates() -> TaskPrices:
    """Return prices of round numbers."""
    return TaskPrices(vcpu=0.04, gb=0.004, public_ipv4=0.005, minimum_s=60, dated="never")


def test_a_plan_above_the_ceiling_is_refused_with_the_ceiling_it_needs() -> None:
    tasks = [(SMALL, 3600.0)] * 10  # $0.1714 at most with the time to stop, $0.0028 at least
    reports: list[str] = []
    for ceiling in (0.0, 0.16):
        with pytest.raises(UsageError, match=r"must be 0\.18 or more"):
            SpendingLimit(rates=rates(), max_dollars=ceiling).approve(tasks, reports.append)
    SpendingLimit(rates=rates(), max_dollars=0.18).approve(tasks, reports.append)
    assert "running 10 tasks costs $0.0028 to $0.1714 (never)" in reports[-1]


def test_a_plan_includes_the_second_task_and_the_servers_wait_for_it() -> None:
    candidate = StackParameter(framework="flask").candidate(Runtime.PROCESS)
    planned = PlannedServer(candidate=candidate, size=SMALL, needed_s=40, loaded=True)
    start_s = START_DEADLINE_S
    assert planned.tasks(FargateSettings()) == [(SMALL, start_s + 40)]
    assert planned.tasks(FargateSettings(load_from="task")) == [
        (SMALL, 2 * start_s + 40),
        (Size(vcpu=2, memory_bytes=4 * GIB), start_s + 40),
    ]
    assert replace(planned, loaded=False).tasks(FargateSettings(load_from="task")) == [(SMALL, start_s + 40)]


@pytest.mark.parametrize("ceiling", [0.0, -1.0, float("nan"), float("inf")])
def test_a_ceiling_must_be_a_positive_number(ceiling: float) -> None:
    with pytest.raises(UsageError, match="MAX_DOLLARS="):
        SpendingLimit.parse(ceiling, architecture="X86_64", region=None)


def test_a_task_that_the_ceiling_cannot_pay_for_is_not_started() -> None:
    minute = rates().dollars(SMALL, 0)
    budget = SpendingLimit(rates=rates(), max_dollars=2.5 * minute)
    for _ in range(2):
        with budget.charged(SMALL) as charge:
            assert budget.exceeded is None
            charge.settle(started=True)
    assert budget.total == pytest.approx(2 * minute)
    with pytest.raises(CannotContinueError, match="leaves nothing"), budget.charged(SMALL):
        pytest.fail("a third task was started")


def test_a_task_that_never_started_costs_nothing() -> None:
    budget = SpendingLimit(rates=rates(), max_dollars=1)
    with budget.charged(SMALL) as charge:
        charge.settle(started=False)
    assert budget.total == 0


def test_a_task_that_may_still_run_costs_what_its_lifetime_does() -> None:
    """Nothing confirms that it has stopped, and its container ends by itself."""
    budget = SpendingLimit(rates=rates(), max_dollars=1)
    budget.approve([(SMALL, 600.0)], lambda _: None)
    with budget.charged(SMALL):
        pass
    assert budget.spent == pytest.approx(rates().dollars(SMALL, 600 + STOP_S))


def test_a_task_gets_the_lifetime_that_was_approved_for_its_size() -> None:
    budget = SpendingLimit(rates=rates(), max_dollars=1)
    budget.approve([(SMALL, 600.0), (SMALL, 900.0), (BIG, 300.0)], lambda _: None)
    with budget.charged(replace(SMALL, worker_count=3)) as small, budget.charged(BIG) as big:
        assert (small.lifetime_s, big.lifetime_s) == (900, 300)


def test_a_task_gets_no_longer_lifetime_than_the_ceiling_pays_for() -> None:
    budget = SpendingLimit(rates=rates(), max_dollars=0.01)
    budget.approve([(SMALL, 2000.0)], lambda _: None)
    budget.spent = 0.005
    with budget.charged(SMALL) as charge:
        assert charge.reserved == pytest.approx(0.005)
        assert charge.lifetime_s < 2000
        assert charge.over == "MAX_DOLLARS=0.01 is spent"


def test_the_lifetimes_of_all_tasks_together_stay_below_the_ceiling() -> None:
    budget = SpendingLimit(rates=rates(), max_dollars=0.05)
    budget.approve_open_end(SMALL, lambda _: None)
    with budget.charged(SMALL) as first:
        assert first.reserved == pytest.approx(0.05)
        with pytest.raises(CannotContinueError, match="leaves nothing"), budget.charged(SMALL):
            pytest.fail("a second task was started")


@pytest.mark.parametrize(("asleep_s", "over"), [(3000.0, None), (5000.0, "MAX_DOLLARS=0.02 is spent")])
def test_the_time_that_a_laptop_sleeps_counts(
    monkeypatch: pytest.MonkeyPatch, asleep_s: float, over: str | None
) -> None:
    """While it does, ``time.monotonic`` stands still and tasks go on costing money."""
    budget = SpendingLimit(rates=rates(), max_dollars=0.02)
    budget.approve_open_end(SMALL, lambda _: None)
    with budget.charged(SMALL) as charge:
        awake = time.clock_gettime
        monkeypatch.setattr(
            time, "clock_gettime", lambda clock: awake(clock) + (asleep_s if clock == time.CLOCK_BOOTTIME else 0)
        )
        assert budget.exceeded == over
        charge.settle(started=True)
        assert charge.cost == pytest.approx(min(0.02, rates().dollars(SMALL, asleep_s + STOP_S)), rel=1e-3)


def test_a_plan_whose_time_is_over_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = SpendingLimit(rates=rates(), max_dollars=1)
    budget.approve([(SMALL, 600.0)], lambda _: None)
    with budget.charged(SMALL):
        awake = time.clock_gettime
        monkeypatch.setattr(time, "clock_gettime", lambda clock: awake(clock) + 601)
        assert budget.exceeded == "a task's planned 600 s are over"
