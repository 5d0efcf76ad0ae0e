"""Starts and pulls become rows, curves and verdicts."""

from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Runtime, Size
from common.console import PLAIN_WIDTH
from common.records.run import Conformance
from common.records.summary import Verdict
from loadtests.experiments.startup import report as startup_report
from loadtests.experiments.startup.records import (
    Cost,
    PageCache,
    Pull,
    PullCell,
    Start,
    StartCell,
    StartupRun,
    StartupSummary,
)
from loadtests.experiments.startup.report import figures, summarise
from tests.support.records import NOON, cell, run_head


def _startup_run(**changes: Any) -> StartupRun:  # noqa: ANN401 -- any field
    cells = [StartCell(name=f"a+b 1 vCPU {cache}", stack=cell("a+b"), size=Size(), cache=cache) for cache in PageCache]
    fields: dict[str, Any] = {"rounds": 5, "runtime": Runtime.DOCKER, "cold_by": "evicted", "cells": cells, "pulls": []}
    return StartupRun(**run_head() | fields | changes)


def _start(number: int, cache: str = "warm", **changes: Any) -> Start:  # noqa: ANN401
    fields: dict[str, Any] = {
        "create_s": 0.1, "start_s": 0.2, "bind_s": 0.3, "answer_s": 0.4, "cpu_s": 0.25,
        "disk_read_bytes": 0 if cache == "warm" else 20_000_000,
    }  # fmt: skip
    place: dict[str, Any] = {
        "run": "r",
        "round": number,
        "position": 1,
        "cell": f"a+b 1 vCPU {cache}",
        "started_at": NOON,
    }
    return Start(**place, **fields | changes)


def _starts(**changes: Any) -> list[Start]:  # noqa: ANN401
    return [_start(number, cache, **changes) for number in range(1, 6) for cache in ("warm", "cold")]


def _verdicts(summary: StartupSummary) -> dict[str, Verdict]:
    return {row.cell.rpartition(" ")[2]: row.verdict for row in summary.starts}


def test_phases_add_up_to_the_total() -> None:
    (row, _) = summarise(_startup_run(), _starts()).starts
    assert row.total_s is not None
    assert row.total_s.estimate == pytest.approx(1.0)
    assert sum(part or 0 for part in (row.create_s, row.start_s, row.bind_s, row.answer_s)) == pytest.approx(1.0)
    assert row.verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("starts", "warm", "cold"),
    [
        pytest.param(_starts(), "valid", "valid", id="as they should be"),
        pytest.param(_starts(disk_read_bytes=9_000_000), "page-cache", "valid", id="warm ones that read the disk"),
        pytest.param(_starts(disk_read_bytes=0), "valid", "page-cache", id="cold ones that do not"),
        pytest.param(_starts(disk_read_bytes=None), "valid", "valid", id="no counter"),
        pytest.param(_starts(error="exit status 1"), "server-died", "server-died", id="ends"),
        pytest.param(_starts()[:6], "too-few-rounds", "too-few-rounds", id="three rounds"),
        pytest.param([], "not-measured", "not-measured", id="nothing"),
    ],
)
def test_problems_of_starts_become_verdicts(starts: list[Start], warm: str, cold: str) -> None:
    assert _verdicts(summarise(_startup_run(), starts)) == {"warm": warm, "cold": cold}


def test_a_stack_that_breaks_the_contract_has_no_number() -> None:
    broken = cell("a+b", conformance=Conformance(passed=1, failed={"test_hello": "404"}, duration_s=1))
    run = _startup_run(cells=[StartCell(name="a+b 1 vCPU warm", stack=broken, size=Size(), cache=PageCache.WARM)])
    assert _verdicts(summarise(run, [])) == {"warm": Verdict.NONCONFORMING}


def _pulled(sizes: dict[str, int]) -> tuple[StartupRun, list[Pull]]:
    """Return five rounds in which a pull takes two seconds plus ten per 100 MB."""
    cells = [PullCell(name=f"{name} over 80mbit", image=name, link="80mbit") for name in sizes]
    pulls = [
        Pull(run="r", round=number, position=1, cell=f"{name} over 80mbit", started_at=NOON, compressed_bytes=size,
             layers=3, download_s=size / 1e7, total_s=2 + size / 1e7, link_seen_bps=8e7)
        for number in range(1, 6)
        for name, size in sizes.items()
    ]  # fmt: skip
    return _startup_run(cells=[], pulls=cells), pulls


def test_pulls_of_several_sizes_lie_on_a_line() -> None:
    run, pulls = _pulled({"small": 20_000_000, "large": 220_000_000})
    (curve,) = summarise(run, pulls).curves
    assert curve.fixed_s == pytest.approx(2)
    assert curve.per_100_mb_s == pytest.approx(10)
    assert curve.n == len(pulls)
    line = "80mbit (measured: 80 Mbit/s): a pull takes 2.0 s plus 10.0 s for each 100 MB compressed (n = 10)."
    assert line in startup_report.notes(run, summarise(run, pulls))


def test_pulls_of_one_size_lie_on_no_line() -> None:
    assert summarise(*_pulled({"one": 20_000_000, "other": 20_000_000})).curves == []


def test_the_table_of_pulls_has_every_figure() -> None:
    run, pulls = _pulled({"small": 20_500_000})
    table = startup_report.pulls_table(run, summarise(run, pulls))
    (row,) = zip(*(column.cells for column in table.columns), strict=True)
    assert row == ("small", "80mbit", "20.5", "3", "2.05", "4.05", "4.05 to 4.05", "valid")


def test_the_table_shows_phases_as_bars() -> None:
    console = Console(width=PLAIN_WIDTH)
    with console.capture() as printed:
        console.print(startup_report.starts_table(_startup_run(), summarise(_startup_run(), _starts())))
    assert printed.get().count("csssbbbbaaaaaa") == len(PageCache)
    assert printed.get().count("valid") == len(PageCache)


def test_all_bars_have_the_scale_of_the_slowest_start() -> None:
    slow = [_start(number, "cold", create_s=0.2, start_s=0.4, bind_s=0.6, answer_s=0.8) for number in range(1, 6)]
    fast = [start for start in _starts() if start.cell.endswith("warm")]
    table = startup_report.starts_table(_startup_run(), summarise(_startup_run(), [*fast, *slow]))
    bars = next(column for column in table.columns if column.header == "phases")
    assert [str(bar) for bar in bars.cells] == ["csbbaaa", "csssbbbbaaaaaa"]


def test_the_table_of_starts_has_every_figure() -> None:
    cost = Cost(wall_s=9.0, cpu_s=0.054)
    timed = _starts(interpreter=cost, app_import=replace(cost, cpu_s=0.126))
    table = startup_report.starts_table(_startup_run(), summarise(_startup_run(), timed))
    (first, _) = zip(*(column.cells for column in table.columns), strict=True)
    assert dict(zip(startup_report.STARTS, map(str, first), strict=True)) == {
        "stack": "a+b", "vCPU": "1", "cache": "warm", "total s": "1.00", "95 % interval": "1.00 to 1.00", "c": "0.10",
        "s": "0.20", "b": "0.30", "a": "0.40", "CPU s": "0.25", "py": "0.05", "imp": "0.13",
        "phases": "csssbbbbaaaaaa", "verdict": "valid",
    }  # fmt: skip


def test_only_warm_starts_are_figures() -> None:
    run = _startup_run()
    (figure,) = figures(run, summarise(run, _starts()))
    assert figure.subject.framework == "a"
    assert figure.value.estimate == pytest.approx(1.0)
