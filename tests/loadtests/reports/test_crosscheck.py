"""Both tools' rates form one table, and each ratio one sentence."""

import io

from rich.console import Console

from loadtests.reports.crosscheck import sentences, table
from loadtests.summaries.crosscheck import summarise
from tests.loadtests.summaries.test_crosscheck import RUN, windows


def test_the_sentences_name_both_ratios() -> None:
    cpu, wall = sentences(summarise(RUN, windows((22_000, 20_000), (11_000, 10_000))))
    assert cpu == "requests per server CPU-second, locust to wrk: 1.100 (95 % interval 1.100 to 1.100), 2 servers"
    assert wall.startswith("wall rate, locust to wrk: 1.100 ")


def test_a_sentence_says_if_no_server_was_loaded_by_both_tools() -> None:
    (_, wall) = sentences(summarise(RUN, windows((22_000, 20_000))[:1]))
    assert wall == "wall rate, locust to wrk: no server was loaded by both"


def test_the_table_has_a_row_for_each_tool() -> None:
    console = Console(width=150, file=io.StringIO(), record=True)
    console.print(table(RUN, summarise(RUN, windows((22_000, 20_000)))))
    text = console.export_text()
    assert text.startswith("crosscheck: 16 connections, 5 servers, 1 x 2 s by each tool")
    (ours,) = [line for line in text.splitlines() if line.lstrip().startswith("a+b, locust")]
    assert ours.split() == ["a+b,", "locust", "11,000", "-", "11,000", "-", "100%", "25%"]
