"""Rates and objectives are read as they are written, and written so that they can be read again."""

import pytest

from common.errors import UsageError
from common.records.load import Objective, Rate
from tests.support.records import setup


@pytest.mark.parametrize(
    ("text", "rate", "written"),
    [
        ("500", Rate(rps=500), "500"),
        ("0.5", Rate(rps=0.5), "0.5"),
        ("1000000", Rate(rps=1_000_000), "1000000"),
        (" 50% ", Rate(share=0.5), "50%"),
        ("12.5%", Rate(share=0.125), "12.5%"),
        ("100%", Rate(share=1.0), "100%"),
    ],
)
def test_a_rate_is_requests_per_second_or_a_share_of_the_capacity(text: str, rate: Rate, written: str) -> None:
    assert Rate.parse(text) == rate
    assert str(rate) == written


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "1000001", "-5", "1e3", "fast", "5 %", "٥", "nan"])  # noqa: RUF001
def test_what_is_no_rate_is_named_with_what_is(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid RATE=.*: must be requests per second, .*or a share .* such as 50%"):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("text", "fraction", "limit_s"),
    [
        ("p99<50ms", 0.99, 0.05),
        ("P50 < 5 ms", 0.5, 0.005),
        ("p999:0.2s", 0.999, 0.2),
        ("p975<1s", 0.975, 1.0),
        ("p95<1.5s", 0.95, 1.5),
        ("p05<1s", 0.05, 1.0),
    ],
)
def test_an_objective_is_a_percentile_and_a_limit(text: str, fraction: float, limit_s: float) -> None:
    assert Objective.parse(text) == Objective(fraction=fraction, limit_s=limit_s)


@pytest.mark.parametrize(
    ("text", "written"),
    [("p99<50ms", "p99<50ms"), ("p50<5ms", "p50<5ms"), ("p999:0.2s", "p999<200ms"), ("p99<2000s", "p99<2000000ms")],
)
def test_an_objective_is_written_as_it_can_be_read(text: str, written: str) -> None:
    """It is passed to Locust in this way."""
    assert str(Objective.parse(text)) == written
    assert Objective.parse(written) == Objective.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "p99", "p99<0ms", "p00<5ms", "p000<5ms", "p1<5ms", "99<5ms", "p99<5", "p99>5ms", "p99<-5ms"),
        *("p100<5ms", "p010<5ms", "p500<5ms", "p9999<5ms"),
    ],
)
def test_what_is_no_objective_is_named_with_what_is(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid OBJECTIVE=.*: must be .* such as p99<50ms"):
        Objective.parse(text)


def test_server_and_generator_share_cores_where_they_have_one_in_common() -> None:
    assert setup(server_cores=[0, 1], generator_cores=[1]).shares_cores
    assert not setup(server_cores=[0], generator_cores=[1]).shares_cores
    assert not setup(server_cores=[], generator_cores=[0, 1]).shares_cores
