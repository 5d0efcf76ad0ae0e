"""Each doubt comes from recorded fields, and says what was seen."""

from typing import Any

import pytest

from common.records import Cell, Conformance, Run, Verdict, Window
from loadtests.verdicts import doubts
from tests.records import cell, load, run, window

CELL = cell("a+b")
RUN = run([CELL])


def _windows(**changes: Any) -> list[Window]:  # noqa: ANN401 -- any field
    return [window("a+b", number, load(**changes)) for number in range(1, 6)]


NONCONFORMING = cell("a+b", conformance=Conformance(passed=3, failed={"test_x": "said 500"}, duration_s=1.0))
CLOSING = cell("a+b", keep_alive=False)
DIED = [*_windows()[:4], window("a+b", 5, None, "exit status 1. Boom")]


@pytest.mark.parametrize(
    ("verdict", "seen", "of_run", "of_cell", "windows"),
    [
        (Verdict.NONCONFORMING, "first test_x: said 500", RUN, NONCONFORMING, []),
        (Verdict.NOT_MEASURED, "no window", RUN, CELL, []),
        (Verdict.SERVER_DIED, "in 1 of 5 windows: exit status 1. Boom", RUN, CELL, DIED),
        (Verdict.WRONG_ANSWERS, "wrong body x 10", RUN, CELL, _windows(failures={"wrong body": 2})),
        (Verdict.CONNECTIONS, "2 connections", RUN, CELL, _windows(reconnects=2)),
        (Verdict.CONNECTIONS, "0.50 of rate", RUN, CELL, _windows(littles_law_ratio=0.5)),
        (Verdict.SHARED_CORE, "shared cores", run([CELL], generator_cores=[0, 1]), CELL, _windows()),
        (Verdict.GENERATOR_BOUND, "90% of its cores", RUN, CELL, _windows(generator_cpu_s=1.8)),
        (Verdict.TOO_FEW_ROUNDS, "3 windows", RUN, CELL, _windows()[:3]),
    ],
)
def test_a_doubt_names_what_was_seen(
    verdict: Verdict, seen: str, of_run: Run, of_cell: Cell, windows: list[Window]
) -> None:
    assert seen in doubts(of_run, of_cell, windows)[verdict]


def test_five_clean_windows_leave_no_doubt() -> None:
    assert doubts(RUN, CELL, _windows()) == {}


def test_a_closing_server_is_expected_to_reconnect() -> None:
    assert doubts(RUN, CLOSING, _windows(reconnects=20_000)) == {}
