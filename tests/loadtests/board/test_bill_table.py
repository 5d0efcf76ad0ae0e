"""A bill is printed with the dates of its prices, where its rates come from, and what is missing."""

import io
from collections.abc import Sequence

from msgspec.structs import replace
from rich.console import Console

from common.catalog.prices import load_prices
from common.records.bill import Bill
from common.records.figure import Conditions, Figure, Metric, Subject
from common.records.summary import Interval
from loadtests.board.bill import Question, bill_notes, bill_table, dollars, make_bill
from tests.support.figures import DOCKER, HELLO, PROCESS, figure
from tests.support.records import NOON, run

PRICES = load_prices()
RATE = figure(Metric.REQUESTS_PER_CPU_S, 1000, HELLO, bounds=(900, 1100))


def _bill(question: Question, figures: Sequence[Figure] = (RATE,), subjects: Sequence[Subject] = (DOCKER,)) -> Bill:
    return make_bill(subjects, figures, PRICES, question, now=NOON)


def _table(bill: Bill) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(bill_table(bill))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _notes(bill: Bill) -> str:
    return "\n".join(bill_notes(bill, PRICES, run([]).machine))


def test_a_row_has_its_price_and_its_interval() -> None:
    text = _table(_bill(Question(utilisation=0.5)))
    assert text.splitlines()[0].rstrip() == "dollars, at 50% of capacity"
    row = next(line for line in text.splitlines() if "fargate-x86" in line)
    assert "0.0274" in row
    assert "0.0249 to 0.0305" in row
    assert "0.25 vCPU / 0.5 GB" in row
    assert "tasks of" not in text


def test_a_price_without_an_interval_has_a_dash() -> None:
    once = replace(RATE, value=Interval(estimate=1000, low=None, high=None, n=1))
    row = next(line for line in _table(_bill(Question(), [once])).splitlines() if "fargate-x86" in line)
    assert row.split()[4:6] == ["0.0274", "-"]


def test_a_requested_rate_adds_the_cheapest_fleet() -> None:
    text = _table(_bill(Question(utilisation=0.5, rate_rps=460)))
    assert "the cheapest fleet for 460 req/s" in text
    row = next(line for line in text.splitlines() if "fargate-x86" in line)
    assert row.split()[-4:-2] == ["GB", "5"]


def test_a_missing_fleet_is_a_dash_with_its_reason_in_the_notes() -> None:
    made = _bill(Question(utilisation=0.5, rate_rps=460, p99_s=0.02))
    row = next(line for line in _table(made).splitlines() if "fargate-x86" in line)
    assert row.split()[-4:] == ["-", "-", "-", "-"]
    assert "within a p99 of 20 ms" in _table(made)
    assert _notes(made).count("no fleet: its latency at shares of its capacity was not measured.") == 1


def test_a_command_fills_the_dashes_of_a_fleet_within_a_p99() -> None:
    made = _bill(Question(utilisation=0.5, rate_rps=460, p99_s=0.02))
    assert made.unknown["latency"] == [DOCKER.name]
    (note,) = [one for one in bill_notes(made, PRICES, run([]).machine, "make latency X=1") if "latency:" in one]
    assert note == "to measure that latency: make latency X=1"
    assert "latency" not in _bill(Question(utilisation=0.5, rate_rps=460)).unknown


def test_containers_and_processes_are_told_apart_by_a_column() -> None:
    figures = [RATE, replace(RATE, subject=PROCESS)]
    text = _table(_bill(Question(utilisation=0.5), figures, [DOCKER, PROCESS]))
    assert {line.split()[1] for line in text.splitlines() if "fargate-x86" in line} == {"docker", "process"}


def test_the_notes_name_prices_with_their_dates_and_the_machine() -> None:
    text = _notes(_bill(Question(utilisation=0.5)))
    assert "fargate-x86 us-east-1 2026-06-30" in text
    assert "measured on Toy (architecture unknown)" in text


def test_the_notes_name_the_prices_of_another_architecture() -> None:
    machine = replace(run([]).machine, architecture="x86_64")
    notes = list(bill_notes(_bill(Question(utilisation=0.5)), PRICES, machine))
    assert "fargate-arm: another architecture than the one measured on." in notes


def test_the_notes_name_what_is_missing_and_the_command_for_it() -> None:
    text = _notes(_bill(Question(utilisation=0.5)))
    assert "the bytes of a+b@slim (make sizes)" in text
    assert "the memory needed by a+b@slim (make memory)" in text
    assert "a valid rate of a+b@slim (make loadtest)" in _notes(_bill(Question(utilisation=0.5), ()))
    huge = figure(Metric.LIMIT_BYTES, 1e12, Conditions(vcpu=1, workers=1))
    assert "a size large enough for a+b@slim on every price list" in _notes(_bill(Question(), (RATE, huge)))


def test_of_many_stacks_the_notes_name_a_few() -> None:
    subjects = [replace(DOCKER, framework=one) for one in "acdef"]
    assert "a valid rate of a+b@slim, c+b@slim, d+b@slim and 2 more (make loadtest)" in _notes(
        _bill(Question(utilisation=0.5), (), subjects)
    )


def test_amounts_have_three_significant_digits() -> None:
    assert [dollars(one) for one in (0.0012345, 0.0274, 1.2345, 12.0)] == ["0.00123", "0.0274", "1.23", "12.0"]
