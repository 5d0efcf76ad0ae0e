"""A stack's row joins the newest figures of all experiments at one size; what is unknown is missing."""

import pytest

from common.catalog.prices import load_prices
from common.records.figure import Conditions, Figure, Metric, Subject
from loadtests.board.prices import per_million
from loadtests.board.rows import Row, board_rows
from tests.support.figures import DOCKER, HELLO, PROCESS, figure

PRICES = load_prices()
AT_HALF = Conditions(scenario="rate", vcpu=1.0, workers=1, load_share=0.5)
AT_ONE = Conditions(vcpu=1.0, workers=1)
EVERYTHING = [
    figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, bounds=(900, 1100)),
    figure(Metric.COMPRESSED_BYTES, 50e6),
    figure(Metric.START_S, 0.35, AT_ONE),
    figure(Metric.IDLE_BYTES, 31 * 2**20, AT_ONE),
    figure(Metric.LIMIT_BYTES, 32 * 2**20, AT_ONE),
    figure(Metric.P99_S, 0.0123, AT_HALF),
]


def _rows(figures: list[Figure], *subjects: Subject, vcpu: float = 1.0) -> list[Row]:
    return board_rows(subjects or (DOCKER,), figures, PRICES, vcpu=vcpu)


def test_a_row_joins_the_figures_of_all_experiments() -> None:
    (row,) = _rows(EVERYTHING)
    joined = [row.figures[key] for key in ("rate", "image", "start", "idle", "limit", "p99")]
    assert joined == EVERYTHING
    assert row.missing == []


def test_values_are_in_the_units_of_their_columns() -> None:
    (row,) = _rows(EVERYTHING)
    shown = {key: round(value.estimate, 4) for key, value in row.values.items() if key != "dollars"}
    assert shown == {"rate": 1000, "cost": 1000, "image": 50, "start": 0.35, "idle": 31, "limit": 32, "p99": 12.3}


def test_a_row_has_the_same_members_in_json_whatever_is_known() -> None:
    for figures in (EVERYTHING, []):
        (row,) = _rows(figures)
        assert list(row.record) == [
            "subject", "rate", "compressed", "start", "idle", "limit", "p99", "per_million", "lock_sha256",
        ]  # fmt: skip


def test_a_stack_of_which_nothing_is_known_lacks_everything_that_can_be_measured() -> None:
    (docker,), (process,) = _rows([]), _rows([], PROCESS)
    assert docker.missing == ["loadtest", "latency", "startup", "memory", "sizes"]
    assert process.missing == docker.missing[:-1], "a process has no image"
    assert docker.values == {}


def test_figures_of_other_stacks_are_not_its_own() -> None:
    (row,) = _rows(EVERYTHING, PROCESS)
    assert "rate" not in row.figures


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(scenario="sleep", vcpu=1.0, workers=1),
        Conditions(scenario="hello", vcpu=0.5, workers=1),
    ],
)
def test_a_rate_of_another_scenario_or_size_is_not_the_rows(conditions: Conditions) -> None:
    (row,) = _rows([figure(Metric.REQUESTS_PER_CPU_S, 1000, conditions)])
    assert "rate" not in row.figures


def test_response_times_at_another_load_are_not_the_rows() -> None:
    (row,) = _rows([figure(Metric.P99_S, 0.1, Conditions(vcpu=1.0, workers=1, load_share=0.75))])
    assert "p99" not in row.figures


def test_memory_is_that_of_as_many_workers_as_the_size_gets() -> None:
    figures = [
        figure(metric, count * 2**20, Conditions(vcpu=1.0, workers=count))
        for metric in (Metric.IDLE_BYTES, Metric.LIMIT_BYTES)
        for count in (1, 2, 4)
    ]
    for vcpu, expected in ((0.5, 1), (1, 1), (2, 2), (4, 4)):
        (row,) = _rows(figures, vcpu=vcpu)
        assert (row.values["idle"].estimate, row.values["limit"].estimate) == (expected, expected)


@pytest.mark.parametrize(("framework", "server"), [("aiohttp", "native"), ("flask", "waitress")])
def test_memory_is_that_of_one_worker_where_the_server_is_always_one_process(framework: str, server: str) -> None:
    subject = Subject(framework=framework, server=server, image="slim", runtime=DOCKER.runtime, python="3.13")
    figures = [figure(Metric.IDLE_BYTES, 2**25, Conditions(vcpu=1.0, workers=1), subject=subject)]
    (row,) = _rows(figures, subject, vcpu=2)
    assert row.figures["idle"] == figures[0]


def test_the_fastest_stack_comes_first_and_those_without_a_rate_last() -> None:
    names = ("slow", "unknown", "fast", "also-unknown")
    subjects = [Subject(framework=one, server="b", runtime=DOCKER.runtime, python="3.13") for one in names]
    figures = [
        figure(Metric.REQUESTS_PER_CPU_S, rate, HELLO, subject=subject)
        for subject, rate in ((subjects[0], 100), (subjects[2], 200))
    ]
    ordered = [row.subject.framework for row in _rows(figures, *subjects)]
    assert ordered == ["fast", "slow", "also-unknown", "unknown"]


def test_a_million_requests_cost_what_they_do_on_the_cheapest_size_that_holds_the_stack() -> None:
    (small,) = _rows(EVERYTHING)
    offer, *_ = PRICES.compute
    rate = EVERYTHING[0].value
    least = PRICES.sizes_of(offer)[0]
    assert small.values["dollars"] == per_million(offer, least, rate, 0.5)
    needs = [
        figure(Metric.LIMIT_BYTES, 3 * count * 2**30, Conditions(vcpu=1.0, workers=count)) for count in (1, 2, 4, 8, 16)
    ]
    (large,) = _rows([EVERYTHING[0], *needs])
    assert large.values["dollars"].estimate > small.values["dollars"].estimate
