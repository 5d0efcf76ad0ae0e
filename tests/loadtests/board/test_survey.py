"""A survey measures what is not known, in an order that later steps rely on, and what fits its budget."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from common.catalog.prices import load_prices
from common.records.figure import Conditions, Figure, Metric, Subject
from loadtests.board.rows import BoardRow, board_rows
from loadtests.board.survey import STEPS, Step, fitting, lacking, needed_s
from tests.support.figures import DOCKER, HELLO, PROCESS, figure

OTHER = replace(DOCKER, framework="c")
WHOLE = [
    figure(Metric.COMPRESSED_BYTES, 5e7),
    figure(Metric.START_S, 0.5, Conditions(vcpu=1.0, workers=1)),
    figure(Metric.IDLE_BYTES, 3e7, Conditions(vcpu=1.0, workers=1)),
    figure(Metric.REQUESTS_PER_CPU_S, 10_000, HELLO, bounds=(9_000, 11_000)),
    figure(Metric.P99_S, 0.01, Conditions(scenario="rate", vcpu=1.0, workers=1, load_share=0.5)),
]
BY_COMMAND = {step.command: step for step in STEPS}


def rows(figures: Sequence[Figure], *subjects: Subject, lock: str = "0" * 64) -> list[BoardRow]:
    return board_rows(subjects or (DOCKER,), figures, load_prices(), vcpu=1.0, locks={"a": lock, "c": lock})


def everything(_: Figure) -> bool:
    return True


def left(known: Sequence[BoardRow]) -> list[str]:
    return [step.command for step in STEPS if lacking(step, known, everything)]


def test_sizes_come_before_starts_and_rates_before_latencies() -> None:
    assert list(BY_COMMAND) == ["sizes", "startup", "memory", "loadtest", "latency"]


def test_nothing_is_left_where_everything_is_known() -> None:
    assert left(rows(WHOLE)) == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command)
def test_a_step_is_left_where_its_figure_is_missing(step: Step) -> None:
    assert left(rows([one for one in WHOLE if one.metric is not step.metric])) == [step.command]


def test_a_figure_of_another_lock_or_another_revision_is_measured_again() -> None:
    assert len(left(rows(WHOLE, lock="1" * 64))) == len(STEPS)
    assert lacking(BY_COMMAND["startup"], rows(WHOLE), lambda _: False) == [DOCKER]


def test_a_process_has_no_image_to_be_weighed() -> None:
    assert left(rows([], PROCESS)) == ["startup", "memory", "loadtest", "latency"]


def test_stacks_that_are_ranked_are_measured_together() -> None:
    known = rows(WHOLE, DOCKER, OTHER)
    assert lacking(BY_COMMAND["startup"], known, everything) == [OTHER]
    assert set(lacking(BY_COMMAND["loadtest"], known, everything)) == {DOCKER, OTHER}


def test_only_what_fits_is_measured_and_a_ranking_whole_or_not_at_all() -> None:
    three = [DOCKER, OTHER, PROCESS]
    latency, load_test = BY_COMMAND["latency"], BY_COMMAND["loadtest"]
    assert fitting(latency, three, 2 * latency.stack_s) == three[:2]
    assert fitting(latency, three, -1) == []
    assert fitting(load_test, three, 2 * load_test.stack_s) == []
    assert fitting(load_test, three, 3 * load_test.stack_s) == three
    assert needed_s([(latency, three)]) == 3 * latency.stack_s
