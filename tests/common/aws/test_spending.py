"""Sizes, money, clocks and phases: what is pure, by cases worked by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from common.aws.calls import CannotContinueError
from common.aws.clock import Clock
from common.aws.requests import Task
from common.aws.settings import FargateSettings
from common.aws.sizes import valid_sizes, with_minimum_memory
from common.aws.spending import SpendingLimit, TaskPrices
from common.catalog.prices import load_prices
from common.catalog.sizes import Size
from common.errors import UsageError
from common.records.fargate import Experiment, ExperimentCell, TaskStart
from common.runtimes.approval import PlannedServer
from common.runtimes.candidates import Runtime, parse_size, select_candidates, single_candidate
from common.runtimes.fargate import START_DEADLINE_S
from loadtests.fargate.starts import mean_interval, startup_phases, summarise

GIB = 1024**3
SMALL = Size(vcpu=0.25, memory_bytes=GIB // 2)
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
def test_a_valid_size_is_read_whatever_this_machine_has(
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
def test_an_invalid_size_is_refused_with_the_valid_ones_and_their_date(
    vcpu: str, memory: str | None, accepted: str
) -> None:
    with pytest.raises(UsageError) as told:
        parse_size(Runtime.FARGATE, vcpu, memory)
    assert accepted in str(told.value)
    assert str(load_prices().seen["fargate"]) in str(told.value)


def test_the_number_of_sizes_is_that_of_amazons_table() -> None:
    assert {vcpu: len(memories) for vcpu, memories in valid_sizes().items()} == {
        0.25: 3, 0.5: 4, 1: 7, 2: 13, 4: 23, 8: 12, 16: 12,
    }  # fmt: skip


def test_a_size_without_memory_gets_the_least_there_is() -> None:
    assert with_minimum_memory(Size(vcpu=2)) == Size(vcpu=2, memory_bytes=4 * GIB)
    assert with_minimum_memory(SMALL) is SMALL


@pytest.mark.parametrize(
    ("size", "lifetime_s", "dollars"),
    [
        (SMALL, 3600, 0.25 * 0.04 + 0.5 * 0.004 + 0.005),
        (SMALL, 1, (0.25 * 0.04 + 0.5 * 0.004 + 0.005) / 60),
        (Size(vcpu=4, memory_bytes=8 * GIB), 90, (4 * 0.04 + 8 * 0.004 + 0.005) / 40),
    ],
)
def test_a_task_costs_its_rates_for_its_seconds_and_a_minute_at_least(
    size: Size, lifetime_s: float, dollars: float
) -> None:
    assert rates().dollars(size, lifetime_s) == pytest.approx(dollars)


def test_the_rates_are_those_of_the_architecture() -> None:
    assert TaskPrices.parse("X86_64").vcpu == 0.04048
    assert TaskPrices.parse("ARM64").gb == 0.00356


def rates() -> TaskPrices:
    """Round ones."""
    return TaskPrices(vcpu=0.04, gb=0.004, public_ipv4=0.005, minimum_s=60, dated="never")


def test_the_ceiling_is_asked_for_and_held_before_anything_starts() -> None:
    tasks = [(SMALL, 3600.0)] * 10  # $0.17 at most, $0.0028 at least
    said: list[str] = []
    for ceiling in (0.0, 0.16):
        with pytest.raises(UsageError, match=r"Accepted: 0\.18 or more"):
            SpendingLimit(rates=rates(), max_dollars=ceiling).approve(tasks, said.append)
    SpendingLimit(rates=rates(), max_dollars=0.18).approve(tasks, said.append)
    assert "10 tasks cost $0.0028 to $0.1700 (never)" in said[-1]


def test_a_server_that_waits_for_a_second_task_is_paid_for_meanwhile_and_so_is_the_task() -> None:
    candidate = single_candidate(select_candidates(framework="flask", image=None, runtime=Runtime.PROCESS))
    planned = PlannedServer(candidate=candidate, size=SMALL, needed_s=40, loaded=True)
    start_s = START_DEADLINE_S
    assert planned.tasks(FargateSettings()) == [(SMALL, start_s + 40)]
    assert planned.tasks(FargateSettings(load_from="task")) == [
        (SMALL, 2 * start_s + 40),
        (Size(vcpu=2, memory_bytes=4 * GIB), start_s + 40),
    ]
    assert replace(planned, loaded=False).tasks(FargateSettings(load_from="task")) == [(SMALL, start_s + 40)]


@pytest.mark.parametrize("ceiling", [0.0, -1.0, float("nan"), float("inf")])
def test_a_ceiling_is_a_positive_number(ceiling: float) -> None:
    with pytest.raises(UsageError, match="MAX_DOLLARS="):
        SpendingLimit.parse(ceiling, architecture="X86_64")


def test_what_has_been_spent_leaves_less_for_the_next_task() -> None:
    minute = rates().dollars(SMALL, 0)
    budget = SpendingLimit(rates=rates(), max_dollars=2.5 * minute)
    for _ in range(2):
        with budget.charged(SMALL):
            assert budget.exceeded is None
    assert budget.total == pytest.approx(2 * minute)
    with pytest.raises(CannotContinueError, match="leaves nothing"), budget.charged(SMALL):
        pytest.fail("a third task was begun")


def answered(at: datetime) -> dict[str, Any]:
    """An answer's metadata with a date, cut to the second as HTTP does."""
    return {"HTTPHeaders": {"date": format_datetime(at.replace(microsecond=0), usegmt=True)}}


@pytest.mark.parametrize("skew_s", [-7.3, -0.4, 0.0, 0.4, 7.3])
def test_dated_answers_bound_how_far_the_clocks_are_apart(skew_s: float) -> None:
    clock = Clock()
    for tenth in range(40):
        ours = NOON + timedelta(seconds=tenth * 0.11)
        theirs = ours + timedelta(seconds=skew_s + 0.02)
        clock.compare(answered(theirs), asked_at_s=ours.timestamp(), answered_at_s=ours.timestamp() + 0.04)
    assert clock.at_least_s <= skew_s <= clock.at_most_s
    assert clock.uncertainty_s is not None
    assert clock.uncertainty_s < 0.1
    assert clock.offset.total_seconds() == pytest.approx(skew_s, abs=0.15)


def test_without_a_date_nothing_is_corrected() -> None:
    clock = Clock()
    clock.compare({}, asked_at_s=0, answered_at_s=1)
    assert clock.offset == timedelta()
    assert clock.uncertainty_s is None


def task(**given: Any) -> Task:  # noqa: ANN401 -- what ECS may say
    """A task as ECS describes it."""
    return Task.read({"taskArn": "arn:aws:ecs:task", "lastStatus": "RUNNING", **given})


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


TIMES = {"createdAt": NOON, "pullStartedAt": after(10), "pullStoppedAt": after(18), "startedAt": after(19.5)}


def test_the_phases_follow_each_other_and_add_up() -> None:
    found = startup_phases(task(**TIMES), after(18.5), timedelta(seconds=2))
    phases = [found[name] for name in ("provisioning_s", "pull_s", "start_s", "ready_s")]
    assert phases == [10, 8, 1.5, 1]
    assert found["total_s"] == sum(phases)


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [
        ("createdAt", {"provisioning_s", "total_s"}),
        ("pullStartedAt", {"provisioning_s", "pull_s"}),
        ("pullStoppedAt", {"pull_s", "start_s"}),
        ("startedAt", {"start_s", "ready_s"}),
    ],
)
def test_a_phase_whose_end_ecs_keeps_back_is_missing_and_not_zero(lacking: str, missing: set[str]) -> None:
    found = startup_phases(task(**{name: at for name, at in TIMES.items() if name != lacking}), after(20))
    assert {name for name in found if name.endswith("_s") and found[name] is None} == missing


@pytest.mark.parametrize(
    ("row", "ended"),
    [
        ({"lastStatus": "RUNNING"}, None),
        ({"lastStatus": "PENDING", "stoppedReason": ""}, None),
        ({"lastStatus": "STOPPED"}, "ECS does not say why"),
        (
            {"lastStatus": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPull\n  error"},
            "TaskFailedToStart: CannotPull error",
        ),
        (
            {"lastStatus": "DEPROVISIONING", "stopCode": "EssentialContainerExited", "containers": [
                {"exitCode": 137, "reason": "OutOfMemoryError: container killed"}]},
            "EssentialContainerExited: OutOfMemoryError: container killed: exit status 137",
        ),
    ],
)  # fmt: skip
def test_how_a_task_ended_is_one_line_and_nothing_while_it_lives(row: dict[str, Any], ended: str | None) -> None:
    assert Task.read({"taskArn": "arn", **row}).ended == ended


def test_a_mean_has_students_interval() -> None:
    found = mean_interval([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.estimate, found.n) == (2, 3)
    assert found.high == pytest.approx(2 + 4.302653 / 3**0.5, rel=1e-6)
    assert mean_interval([]) is None


def test_cells_are_compared_with_the_first_within_rounds() -> None:
    """What a round shares falls out of the difference, and a round that one cell lacks does not count."""
    experiment = Experiment(
        id="x", name="image-size", started_at=NOON, revision=None, command_line=[], seed=1, tasks=3, region=None,
        architecture="X86_64", public=True, prices="never",
        cells=[ExperimentCell(name=name, image=name, vcpu=1, memory_bytes=GIB, subnets="s") for name in ("a", "b")],
    )  # fmt: skip
    totals = {"a": {1: 10.0, 2: 30.0, 3: 20.0}, "b": {1: 12.0, 2: 32.5}}
    starts = [
        TaskStart(run="x", round=number, position=1, cell=cell, total_s=total_s, dollars=0.01)
        for cell, by_round in totals.items()
        for number, total_s in by_round.items()
    ]
    starts.append(TaskStart(run="x", round=3, position=2, cell="b", error="no room"))
    summary = summarise(experiment, starts)
    first, second = summary.cells
    assert first.difference_s is None
    assert second.difference_s is not None
    assert (second.difference_s.estimate, second.difference_s.n) == (2.25, 2)
    assert (second.failed, first.failed) == (1, 0)
    assert summary.dollars == pytest.approx(0.05)
