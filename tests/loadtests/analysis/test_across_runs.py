"""Two finished runs are compared only where they were made in the same way, on machines that count alike."""

from typing import Any

import pytest
from msgspec.structs import replace

from common.errors import UsageError
from common.records.run import Design, Machine
from common.records.summary import Decision
from loadtests.analysis.across_runs import RecordedRun, across_runs
from tests.support.records import cell, load, run, window

MACHINE = run([]).machine


def _recorded(name: str, machine: Machine = MACHINE, **changes: Any) -> RecordedRun:  # noqa: ANN401 -- any field
    made = replace(run([cell("a+b")], **changes), id=name, machine=machine)
    return RecordedRun(run=made, windows=[window("a+b", number, load(1000 + number)) for number in range(1, 6)])


def test_runs_made_in_the_same_way_are_compared() -> None:
    (pair,) = across_runs(_recorded("old"), _recorded("new"), 0.05)
    assert pair.decision is Decision.EQUIVALENT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vcpu": 0.5}, "vcpu=1.0, but run new has 0.5"),
        ({"users": 4}, "users=16, but run new has 4"),
        ({"design": Design.SLICED}, "design=alone, but run new has sliced"),
    ],
)
def test_runs_made_in_different_ways_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        across_runs(_recorded("old"), _recorded("new", **changes), 0.05)


@pytest.mark.parametrize(
    ("field", "was", "now"),
    [
        ("python_pgo", False, True),
        ("irq_time_accounting", True, False),
        ("cgroup_version", 1, 2),
        ("governor", "a", "b"),
    ],
)
def test_runs_on_machines_that_count_differently_are_refused(field: str, was: object, now: object) -> None:
    old, new = (_recorded(name, replace(MACHINE, **{field: value})) for name, value in (("old", was), ("new", now)))
    with pytest.raises(UsageError, match=f"was made with {field}={was}, run new with {now}"):
        across_runs(old, new, 0.05)


def test_what_is_not_known_of_a_machine_keeps_nothing_from_being_compared() -> None:
    assert across_runs(_recorded("old", replace(MACHINE, python_pgo=None)), _recorded("new"), 0.05)
