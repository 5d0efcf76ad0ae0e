"""The costs of load generators form a table."""

from loadtests.reports import distributed, generator
from loadtests.summaries.generator import summarise
from tests.support.generator_records import CELLS, generator_run, generator_visit
from tests.support.records import load, worker


def test_the_table_has_a_row_for_each_generator_with_its_ratios() -> None:
    visits = [
        generator_visit(cell, number, requests * number)
        for number in (1, 2)
        for cell, requests in zip(CELLS, (9000, 10_000, 1000), strict=True)
    ]
    found = generator.table(summarise(generator_run(), visits))
    columns = {str(column.header): list(column.cells) for column in found.columns}
    assert columns["generator"] == ["ours", "wrk", "FastHttpUser"]
    assert columns["to wrk"] == ["0.90 (0.90 to 0.90)", "1.00 (1.00 to 1.00)", "0.10 (0.10 to 0.10)"]
    assert columns["to FastHttpUser"][0] == "9.00 (9.00 to 9.00)"
    assert columns["core used"] == ["50%"] * 3


def test_the_table_of_a_distributed_window_has_totals_in_its_title_and_a_row_per_worker() -> None:
    found = distributed.table(load(workers=[worker(), worker(name="two", joined_late=True)]))
    assert str(found.title) == "10,000 req/s; p50 1.00 ms, p99 4.00 ms, maximum 6.00 ms"
    rows = list(zip(*(column.cells for column in found.columns), strict=True))
    assert rows == [
        ("one", "16", "20,000", "10,000", "25%", ""),
        ("two", "16", "20,000", "10,000", "25%", "yes"),
    ]
