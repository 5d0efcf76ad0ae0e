"""A plan is one sentence with everything that it stands on, and what is missing a command that can be pasted."""

from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Size
from common.records.capacity import CapacityPlan, Demand, Limit, TaskPlan
from common.records.summary import Interval
from loadtests.capacity.known import Lacking
from loadtests.capacity.sentences import measuring_command, plan_notes, plan_sentence, plan_sentences, plan_table, title
from tests.support.figures import DOCKER, PROCESS
from tests.support.here import run_fields
from tests.support.records import NOON

DEMAND = Demand(rate_rps=2000, p99_s=0.2, scenario="hello", pool=16)


def between(estimate: float, low: float | None, high: float | None) -> Interval:
    return Interval(estimate=estimate, low=low, high=high, n=5)


def a_plan(**changes: Any) -> TaskPlan:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "subject": DOCKER,
        "prices": "fargate-x86",
        "size": Size(vcpu=0.5, memory_bytes=1024**3, worker_count=1),
        "threads": 16,
        "tasks": 3,
        "month": between(54.06, 36.04, 72.08),
        "p99_s": between(0.14, 0.09, 0.22),
        "busy": 0.7,
        "most_rps": between(700, 600, 800),
        "limited_by": Limit.CPU,
        "holds_without_one": True,
        "target_busy": 0.62,
        "target_share": 0.45,
        "connections": 64,
        "memory_bytes": 60 * 1024**2,
        "modelled": False,
    }
    return TaskPlan(**fields | changes)


def made(*plans: TaskPlan, **changes: Any) -> CapacityPlan:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {"made_at": NOON, "prices_of": {"fargate-x86": NOON.date()}, "demand": DEMAND}
    return CapacityPlan(**fields | {"plans": list(plans), "missing": {}} | changes)


def test_a_plan_is_one_sentence() -> None:
    assert plan_sentence(a_plan()) == (
        "a+b@slim: 3 tasks of 0.5 vCPU and 1 GB, 1 worker, 16 threads, $54.06 (36.04 to 72.08) a month by fargate-x86, "
        "p99 about 140 ms (90 to 220); limited by CPU; one task lost: still holds."
    )


def test_a_plan_without_threads_names_none_and_one_that_cannot_lose_a_task_says_how_many_can() -> None:
    sentence = plan_sentence(a_plan(threads=None, holds_without_one=False, modelled=True))
    assert "thread" not in sentence
    assert "one task lost: does not hold, so start 4 to survive that" in sentence
    assert sentence.endswith("modelled: no size so large was measured.")


@pytest.mark.parametrize(
    ("p99_s", "text"),
    [(between(0.0042, 0.002, 0.009), "4.2 ms (2.0 to 9.0);"), (between(0.14, 0.09, None), "140 ms;")],
)
def test_a_short_time_has_a_decimal_and_one_without_an_end_no_band(p99_s: Interval, text: str) -> None:
    assert f"p99 about {text}" in plan_sentence(a_plan(p99_s=p99_s))


def test_the_autoscalers_target_is_that_of_the_cheapest_plan() -> None:
    first, second, target = plan_sentences([a_plan(), a_plan(target_busy=0.1)])
    assert (first[:6], second[:10]) == ("plan: ", "next best:")
    assert target.startswith("autoscaler: hold 62% of CPU, which the task uses at 45% of its saturated rate")


def test_a_table_has_a_row_for_each_plan() -> None:
    table = plan_table(made(a_plan(), a_plan(tasks=4)))
    assert table.row_count == 2
    assert list(table.columns[6].cells) == ["3", "4"]


def test_the_title_says_what_was_asked_for() -> None:
    assert title(DEMAND) == "2000 req/s as hello, within a p99 of 200 ms"
    slept = replace(DEMAND, sleep_s=0.08, sleep_share=0.3)
    assert title(slept) == "2000 req/s as hello, 30% of them waiting 80 ms, within a p99 of 200 ms"


def test_notes_name_the_stacks_that_are_not_known_well_enough_with_a_command() -> None:
    machine = run_fields(1)["machine"]
    notes = " ".join(plan_notes(made(a_plan(), missing={"c+d@slim": "make memory FRAMEWORK=c"}), machine))
    assert "not planned with: c+d@slim, not fully measured. The first: make memory FRAMEWORK=c" in notes
    assert "connections:" not in notes
    limited = made(a_plan(modelled=True), demand=replace(DEMAND, connections=100))
    notes = " ".join(plan_notes(limited, machine))
    assert "x workers x 16, within 100." in notes
    assert "modelled: " in notes


def test_the_command_for_what_is_missing_measures_the_requests_asked_about_apart_from_the_usual_ones() -> None:
    lacks = [Lacking(command="loadtest", of_scenario=True), Lacking(command="memory"), Lacking(command="latency")]
    assert measuring_command(DOCKER, lacks, "a", {"SCENARIO": "quotes"}) == (
        "make loadtest FRAMEWORK=a SERVER=b IMAGE=slim SCENARIO=quotes && "
        "make memory latency FRAMEWORK=a SERVER=b IMAGE=slim"
    )
    assert measuring_command(PROCESS, lacks[1:2], "./my app", {}) == (
        "make memory FRAMEWORK='./my app' SERVER=b RUNTIME=process"
    )
