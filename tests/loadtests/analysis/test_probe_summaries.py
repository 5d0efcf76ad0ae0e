"""Starts, pulls and memory become rows, lines and doubts."""

from typing import Any

import pytest
from rich.console import Console

from common.console import PLAIN_WIDTH
from common.records.memory import Attempt, Held, Limit, Memory, MemoryCell, MemoryRun
from common.records.run import Conformance
from common.records.startup import Pull, PullCell, Start, StartCell, StartupRun, StartupSummary
from common.records.summary import Verdict
from loadtests.memory import report as memory_report
from loadtests.memory import summary as memory_summary
from loadtests.startup import report as startup_report
from loadtests.startup.summary import summarise
from tests.support.records import NOON, cell
from tests.support.records import run as load_run

MB = 1024**2
COMMON = ("id", "started_at", "revision", "command_line", "seed", "machine")
HEAD = {name: getattr(load_run([]), name) for name in COMMON}
CACHES = ("warm", "cold")


def _startup_run(**changes: Any) -> StartupRun:  # noqa: ANN401 -- any field
    cells = [
        StartCell(name=f"a+b 1 vCPU {cache}", stack=cell("a+b"), vcpu=1, cache=cache) for cache in ("warm", "cold")
    ]
    fields: dict[str, Any] = {"rounds": 5, "runtime": "docker", "cold_by": "a spell", "cells": cells, "pulls": []}
    return StartupRun(**HEAD, **fields | changes)


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


def test_phases_stack_up_to_the_total() -> None:
    (row, _) = summarise(_startup_run(), _starts(), []).starts
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
def test_what_speaks_against_a_start_is_its_verdict(starts: list[Start], warm: str, cold: str) -> None:
    assert _verdicts(summarise(_startup_run(), starts, [])) == {"warm": warm, "cold": cold}


def test_a_stack_that_breaks_the_contract_has_no_number() -> None:
    broken = cell("a+b", conformance=Conformance(passed=1, failed={"test_hello": "404"}, duration_s=1))
    run = _startup_run(cells=[StartCell(name="a+b 1 vCPU warm", stack=broken, vcpu=1, cache="warm")])
    assert _verdicts(summarise(run, [], [])) == {"warm": Verdict.NONCONFORMING}


def test_pulls_of_several_sizes_are_a_line() -> None:
    """Two seconds whatever the size, and ten more for each 100 MB."""
    sizes = {"small": 20_000_000, "large": 220_000_000}
    cells = [PullCell(name=f"{name} over 80mbit", image=name, link="80mbit") for name in sizes]
    pulls = [
        Pull(run="r", round=number, position=1, cell=f"{name} over 80mbit", started_at=NOON, compressed_bytes=size,
             layers=3, download_s=size / 1e7, total_s=2 + size / 1e7, link_seen_bps=8e7)
        for number in range(1, 6)
        for name, size in sizes.items()
    ]  # fmt: skip
    run = _startup_run(cells=[], pulls=cells)
    (curve,) = summarise(run, [], pulls).curves
    assert curve.fixed_s == pytest.approx(2)
    assert curve.per_100_mb_s == pytest.approx(10)
    assert curve.n == len(pulls)
    assert any("10.0 s more for each 100 MB" in note for note in startup_report.notes(run, summarise(run, [], pulls)))


def _memory_run(*workers: int) -> MemoryRun:
    cells = [MemoryCell(name=f"a+b {count} workers", stack=cell("a+b"), vcpu=1, workers=count) for count in workers]
    fields: dict[str, Any] = {"rounds": 3, "runtime": "docker", "requests": 1000, "connections": 16, "limits": True}
    return MemoryRun(**HEAD, **fields, cells=cells)


def _memory(workers: int, held_bytes: int) -> Memory:
    held = Held(
        held_bytes=held_bytes,
        anonymous_bytes=held_bytes - 3 * MB,
        shared_bytes=MB,
        kernel_bytes=2 * MB,
        pss_bytes=held_bytes + MB,
        uss_bytes=None,
        processes=workers + 1,
    )
    return Memory(run="r", round=1, position=1, cell=f"a+b {workers} workers", started_at=NOON, idle=held, loaded=held)


def test_each_worker_adds_what_the_line_through_them_says() -> None:
    servers = [_memory(workers, (20 + 15 * workers) * MB) for workers in (1, 2, 4)]
    (added,) = memory_summary.summarise(_memory_run(1, 2, 4), servers, []).per_worker
    assert added.idle_bytes == pytest.approx(15 * MB)


@pytest.mark.parametrize(
    ("limit_bytes", "verdict"), [(32 * MB, Verdict.VALID), (None, Verdict.SERVER_DIED)], ids=["found", "none"]
)
def test_only_the_fewest_workers_need_a_limit(limit_bytes: int | None, verdict: Verdict) -> None:
    attempts = [Attempt(limit_bytes=2048 * MB, passed=False, why="killed for memory")]
    limit = Limit(cell="a+b 1 workers", limit_bytes=limit_bytes, step_bytes=4 * MB, repeats=3, attempts=attempts)
    summary = memory_summary.summarise(_memory_run(1, 2), [_memory(1, 30 * MB), _memory(2, 45 * MB)], [limit])
    assert {row.cell: row.verdict for row in summary.rows} == {"a+b 1 workers": verdict, "a+b 2 workers": Verdict.VALID}


def test_tables_hold_every_row() -> None:
    console = Console(width=PLAIN_WIDTH)
    run = _memory_run(1, 2)
    with console.capture() as told:
        console.print(memory_report.table(run, memory_summary.summarise(run, [_memory(1, 30 * MB)], [])))
        console.print(startup_report.starts_table(_startup_run(), summarise(_startup_run(), _starts(), [])))
    text = told.get()
    assert "30.0" in text
    assert "not-measured" in text
    assert text.count("csssbbbbaaaaaa") == len(CACHES)
    assert text.count("valid") == len(CACHES)
