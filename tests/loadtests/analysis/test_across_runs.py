"""Two finished runs are compared only where they were made in the same way, on machines that count alike."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.records.load import OwnRequest, Rate, Tool
from common.records.run import Design, LoadRun, Machine
from common.records.summary import Decision
from common.records.window import Window
from loadtests.analysis.across_runs import (
    CARRY_OVER,
    FEWEST_RELATIVE,
    RecordedRun,
    across_runs,
    inflation,
    relative,
    welch,
)
from loadtests.analysis.between_runs import FEW, MANY, MANY_STACKS
from loadtests.campaign.store import PUBLISHED, RunFolder
from loadtests.experiments.loadtest.experiment import read_load_test
from loadtests.experiments.loadtest.report import summarise
from loadtests.statistics.intervals import holm
from tests.support.records import SLICING, cell, load, run, window

MACHINE = run([]).machine


def _recorded(name: str, machine: Machine = MACHINE, **changes: Any) -> RecordedRun:  # noqa: ANN401 -- any field
    made = replace(run([cell("a+b")], **changes), id=name, machine=machine)
    return _with_summary(made, [window("a+b", number, load(1000 + number)) for number in range(1, 6)])


def _with_summary(made: LoadRun, windows: Sequence[Window]) -> RecordedRun:
    return RecordedRun(run=made, windows=windows, summary=summarise(made, windows))


def test_runs_made_in_the_same_way_are_compared() -> None:
    (pair,), left_out = across_runs(_recorded("old"), _recorded("new"), 0.05)
    assert left_out == []
    assert pair.decision is Decision.EQUIVALENT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vcpu": 0.5}, "VCPU=1.0, but run new has 0.5"),
        ({"vcpu": 0.5, "slicing": SLICING, "design": Design.SLICED}, "VCPU=1.0, but run new has 0.5"),
        ({"scenario": "sleep", "slicing": SLICING, "design": Design.SLICED}, "SCENARIO=hello, but run new has sleep"),
        ({"memory_bytes": 256 * 2**20}, "MEMORY=None, but run new has 256 MB"),
        ({"runtime": Runtime.DOCKER, "memory_bytes": 256 * 2**20}, "RUNTIME=process, but run new has docker"),
        ({"users": 4}, "USERS=16, but run new has 4"),
        ({"design": Design.SLICED}, "DESIGN=alone, but run new has sliced"),
        ({"worker_count": 4}, "WORKERS=None, but run new has 4"),
        ({"tool": Tool.WRK}, "TOOL=locust, but run new has wrk"),
        ({"rate": Rate.parse("50%")}, "RATE=None, but run new has 50%"),
        ({"slicing": replace(SLICING, slice_s=0.4)}, "slice_s=None, but run new has 0.4"),
        ({"requests": [OwnRequest(path="/dear")]}, "sent different requests of PATHS="),
    ],
)
def test_runs_made_in_different_ways_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        across_runs(_recorded("old"), _recorded("new", **changes), 0.05)


def test_the_salt_of_a_digest_tells_no_runs_apart() -> None:
    assert across_runs(_recorded("old", headers_digest="salt:1"), _recorded("new", headers_digest="pepper:2"), 0.05)


def test_runs_of_more_and_of_fewer_stacks_are_compared_although_their_slices_are_more_or_fewer() -> None:
    many, few = (replace(SLICING, passes=passes, most_passes=passes * 3 // 2) for passes in (32, 60))
    old, new = (_recorded(name, design=Design.SLICED, slicing=one) for name, one in (("old", many), ("new", few)))
    assert across_runs(old, new, 0.05)


def test_a_run_whose_controls_differ_is_not_compared() -> None:
    """The reason is given once, not for each stack."""
    cells = [cell("a+b"), cell("c+d"), cell("a+b#2", control_of="a+b")]
    levels = {"a+b": 1000, "c+d": 1500, "a+b#2": 2000}
    windows = [window(one.name, number, load(levels[one.name] + number)) for number in range(1, 6) for one in cells]
    new = _with_summary(replace(run(cells), id="new"), windows)
    for old in (_recorded("old"), new):
        with pytest.raises(UsageError, match=r"run new cannot be compared: control-differs: two copies of a\+b") as why:
            across_runs(old, new, 0.05)
        assert str(why.value).count("two copies") == 1


@pytest.mark.parametrize(
    ("field", "was", "now"),
    [
        ("python_pgo", False, True),
        ("cpu_identity", "AuthenticAMD, family 25", "AuthenticAMD, family 26"),
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


def test_a_cell_without_a_sound_number_in_both_runs_is_left_out_with_the_reason() -> None:
    cells = [cell("a+b"), cell("c+d"), cell("c+d#2", control_of="c+d")]
    old, new = (
        _with_summary(
            replace(run(cells), id=name),
            [
                window(one.name, number, load(1000 + number, failures=wrong if one.name.startswith("c+d") else {}))
                for number in range(1, 6)
                for one in cells
            ],
        )
        for name, wrong in (("old", {}), ("new", {"wrong body": 500}))
    )
    (pair,), (reason,) = across_runs(old, new, 0.05)
    assert pair.a == "a+b of old"
    assert reason.startswith("left out because of run new: wrong-answers: c+d: wrong body x 2500.")
    first, second = (_with_summary(replace(one.run, cells=cells[1:]), one.windows) for one in (old, new))
    with pytest.raises(
        UsageError, match=r"no cell in common with a sound value .* of run new: wrong-answers: c\+d: wrong"
    ):
        across_runs(first, second, 0.05)


def test_a_reason_to_leave_out_every_cell_is_given_once() -> None:
    cells = [cell("a+b"), cell("c+d")]
    windows = [window(one.name, number, load(1000 + number)) for number in range(1, 6) for one in cells]
    old, new = (
        _with_summary(replace(run(cells, generator_cores=cores), id=name), windows)
        for name, cores in (("old", [1]), ("new", [0]))
    )
    with pytest.raises(UsageError, match="of run new: shared-core: all 2 cells: server and generator shared") as why:
        across_runs(old, new, 0.05)
    assert str(why.value).count("server and generator shared") == 1


def test_a_cell_with_a_single_value_is_left_out_by_name() -> None:
    cells = [cell("a+b"), cell("c+d")]
    old, new = (
        _with_summary(
            replace(run(cells), id=name),
            [window("a+b", number, load(1000 + number)) for number in range(1, 6)]
            + [window("c+d", number, load(1000 + number)) for number in range(1, rounds + 1)],
        )
        for name, rounds in (("old", 5), ("new", 1))
    )
    (pair,), left_out = across_runs(old, new, 0.05)
    assert pair.a == "a+b of old"
    assert left_out == [
        "left out because of run new: too-few-rounds: c+d: 1 round; 2 are the fewest to compare runs by."
    ]


@pytest.mark.parametrize("count", [2, 5, 12])
def test_the_inflation_of_a_variance_is_that_of_the_matrix_of_correlations(count: int) -> None:
    matrix = np.array([[CARRY_OVER ** abs(row - column) for column in range(count)] for row in range(count)])
    of_mean = matrix.sum() / count**2
    of_values = (matrix.trace() - matrix.sum() / count) / (count - 1)
    assert inflation(count, CARRY_OVER) == pytest.approx(of_mean * count / of_values)
    assert inflation(count, 0.0) == pytest.approx(1)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("rounds", [5, 12])
def test_runs_of_the_same_stack_are_told_apart_in_at_most_5_percent(rounds: int) -> None:
    """What the machine does to a round carries over to the next one here, as in test_sliced_simulation.py."""
    rng, experiments = np.random.default_rng(31), 1000

    def draw() -> list[float]:
        effects = [rng.normal(0, 0.03)]
        for _ in range(rounds - 1):
            effects.append(CARRY_OVER * effects[-1] + rng.normal(0, 0.03 * math.sqrt(1 - CARRY_OVER**2)))
        return [math.exp(effect + rng.normal(0, 0.008)) for effect in effects]

    wrong = sum(welch(draw(), draw(), 0.05)[1] < 0.05 for _ in range(experiments))
    assert stats.binomtest(wrong, experiments).proportion_ci(0.95).low < 0.05
    as_if_independent = sum(welch(draw(), draw(), 0.05, correlation=0)[1] < 0.05 for _ in range(experiments))
    assert as_if_independent > 0.2 * experiments


def _drawn(rng: np.random.Generator, stacks: int, slower: float) -> dict[str, dict[int, float]]:
    """A run of five rounds at its own level; stacks vary by 0.41 % from run to run, and the first is slower."""
    effects = [rng.normal(0, 0.03)]
    for _ in range(4):
        effects.append(CARRY_OVER * effects[-1] + rng.normal(0, 0.03 * math.sqrt(1 - CARRY_OVER**2)))
    own = rng.normal(0, 0.0041, stacks)
    own[0] += math.log1p(-slower)
    logs = np.array(effects) + own[:, None] + rng.normal(0, 0.008, (stacks, 5)) + rng.normal(0, 0.02)
    return {str(place): dict(enumerate(row, 1)) for place, row in enumerate(np.exp(logs).tolist())}


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(("stacks", "fewest"), [(FEWEST_RELATIVE, 0.9), (11, 0.9), (30, 0.5)])
def test_relative_to_each_other_identical_stacks_of_two_runs_differ_in_at_most_5_percent(
    stacks: int, fewest: float
) -> None:
    """Any false "different" of two runs counts. A stack that is 5 % slower is found in at least the ``fewest``."""
    rng, experiments, wrong, found = np.random.default_rng(33), 300, 0, 0
    between = FEW if stacks <= MANY_STACKS else MANY
    for _ in range(experiments):
        _, alike = relative(_drawn(rng, stacks, 0.0), _drawn(rng, stacks, 0.0), between, 0.05)
        wrong += min(holm(np.array([p for _, p, _ in alike]))) < 0.05
        _, one_slower = relative(_drawn(rng, stacks, 0.0), _drawn(rng, stacks, 0.05), between, 0.05)
        found += holm(np.array([p for _, p, _ in one_slower]))[0] < 0.05
    assert stats.binomtest(wrong, experiments).proportion_ci(0.95).low < 0.05
    assert found > fewest * experiments


@pytest.mark.parametrize("name", ["hello-docker", "hello-process"])
def test_published_runs_that_repeat_each_other_do_not_differ_and_are_known_within_2_percent(name: str) -> None:
    runs = [read_load_test(RunFolder(folder=PUBLISHED / f"{name}{number}")) for number in ("", "-2", "-3")]
    for a, b in itertools.combinations(runs, 2):
        pairs, (said,) = across_runs(a, b, 0.05)
        assert "each stack is compared relative to the other 10" in said
        for pair in pairs:
            assert pair.decision is Decision.EQUIVALENT
            assert pair.ratio is not None
            assert pair.ratio.high is not None
            assert pair.ratio.high / pair.ratio.estimate < 1.025
