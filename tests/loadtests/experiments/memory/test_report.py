"""Measured servers and limits become rows, slopes and verdicts."""

from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Runtime, Size
from common.console import PLAIN_WIDTH
from common.records.figure import Metric
from common.records.summary import Verdict
from common.words import counted
from loadtests.experiments.memory import report as memory_report
from loadtests.experiments.memory.records import Attempt, Held, LimitVisit, MemoryCell, MemoryRun, MemoryVisit
from loadtests.experiments.memory.report import figures, summarise
from tests.support.records import NOON, cell, run_head

MB = 1024**2


def _memory_run(*workers: int) -> MemoryRun:
    cells = [
        MemoryCell(name=f"a+b {counted(count, 'worker')}", stack=cell("a+b"), size=Size(worker_count=count))
        for count in workers
    ]
    fields: dict[str, Any] = {
        "rounds": 3,
        "runtime": Runtime.DOCKER,
        "requests": 1000,
        "connections": 16,
        "limits": True,
    }
    return MemoryRun(**run_head() | fields, cells=cells)


def _memory(workers: int, held_bytes: int) -> MemoryVisit:
    held = Held(
        held_bytes=held_bytes,
        anonymous_bytes=held_bytes - 3 * MB,
        shared_bytes=MB,
        kernel_bytes=2 * MB,
        pss_bytes=held_bytes + MB,
        uss_bytes=None,
        processes=workers + 1,
    )
    return MemoryVisit(
        run="r", round=1, position=1, cell=f"a+b {counted(workers, 'worker')}", started_at=NOON, idle=held, loaded=held
    )


def test_the_memory_per_worker_is_the_slope_of_a_line() -> None:
    servers = [_memory(workers, (20 + 15 * workers) * MB) for workers in (1, 2, 4)]
    (added,) = summarise(_memory_run(1, 2, 4), servers).per_worker
    assert added.idle_bytes == pytest.approx(15 * MB)


def test_each_stack_has_a_slope_of_its_own() -> None:
    run = _memory_run(1, 2)
    heavy = [replace(cell, name=f"heavy {cell.name}", stack=replace(cell.stack, name="c+d")) for cell in run.cells]
    servers = [
        replace(_memory(workers, added * workers * MB), cell=f"{prefix}a+b {counted(workers, 'worker')}")
        for prefix, added in (("", 15), ("heavy ", 40))
        for workers in (1, 2)
    ]
    slopes = summarise(replace(run, cells=[*run.cells, *heavy]), servers).per_worker
    assert {one.stack: one.idle_bytes for one in slopes} == {"a+b": 15 * MB, "c+d": 40 * MB}


def _limit(limit_bytes: int | None) -> LimitVisit:
    attempts = [Attempt(limit_bytes=2048 * MB, passed=False, why="killed for memory")]
    head: dict[str, Any] = {"run": "r", "round": 3, "position": 3, "cell": "a+b 1 worker", "started_at": NOON}
    return LimitVisit(**head, limit_bytes=limit_bytes, step_bytes=4 * MB, repeats=3, attempts=attempts)


@pytest.mark.parametrize(
    ("limit_bytes", "verdict"), [(32 * MB, Verdict.VALID), (None, Verdict.SERVER_DIED)], ids=["found", "none"]
)
def test_only_the_fewest_workers_need_a_limit(limit_bytes: int | None, verdict: Verdict) -> None:
    summary = summarise(_memory_run(1, 2), [_memory(1, 30 * MB), _memory(2, 45 * MB), _limit(limit_bytes)])
    assert {row.cell: row.verdict for row in summary.rows} == {"a+b 1 worker": verdict, "a+b 2 workers": Verdict.VALID}


def test_the_table_has_a_row_for_each_cell() -> None:
    console, run = Console(width=PLAIN_WIDTH), _memory_run(1, 2)
    with console.capture() as printed:
        console.print(memory_report.table(run, summarise(run, [_memory(1, 30 * MB)])))
    assert "30.0" in printed.get()
    assert "not-measured" in printed.get()


def test_the_table_is_in_megabytes() -> None:
    run = _memory_run(1, 2)
    servers = [_memory(workers, held) for workers, held in ((1, 30 * MB), (1, 30 * MB), (2, 45 * MB))]
    table = memory_report.table(run, summarise(run, [*servers, _limit(64 * MB)]))
    (first, *_) = zip(*(column.cells for column in table.columns), strict=True)
    assert dict(zip(memory_report.HEADINGS, first, strict=True)) == {
        "stack": "a+b", "workers": "1", "idle": "30.0", "95 % interval": "30.0 to 30.0", "anon": "27.0",
        "shared": "1.0", "kernel": "2.0", "PSS": "31.0", "loaded": "30.0", "+ worker": "15.0", "limit": "64",
        "verdict": "valid",
    }  # fmt: skip


def test_a_load_of_more_requests_than_the_runs_is_named_with_its_cells() -> None:
    run = _memory_run(1, 2)
    made = [replace(_memory(1, 30 * MB), requests=1000), replace(_memory(2, 45 * MB), requests=10_000)]
    said = list(memory_report.notes(run, summarise(run, made)))
    assert "loaded: after 10,000 requests where the server may compile its code: a+b 2 workers." in said
    assert not any("may compile" in note for note in memory_report.notes(run, summarise(run, made[:1])))


def test_figures_name_their_number_of_workers() -> None:
    run = _memory_run(1, 2)
    found = figures(run, summarise(run, [_memory(1, 30 * MB), _memory(2, 45 * MB)]))
    idle = {one.conditions.workers: one.value.estimate for one in found if one.metric is Metric.IDLE_BYTES}
    assert idle == {1: pytest.approx(30 * MB), 2: pytest.approx(45 * MB)}


@pytest.mark.parametrize("limits", [[], [_limit(None)]], ids=["interrupted before the search", "none found"])
def test_the_memory_held_is_valid_whatever_became_of_the_limit(limits: list[LimitVisit]) -> None:
    run = _memory_run(1)
    found = figures(run, summarise(run, [_memory(1, 30 * MB), *limits]))
    assert {one.metric: one.verdict for one in found} == {
        Metric.IDLE_BYTES: Verdict.VALID,
        Metric.LOADED_BYTES: Verdict.VALID,
    }


def test_the_memory_of_a_server_that_died_is_not_valid() -> None:
    run, died = _memory_run(1), replace(_memory(1, 30 * MB), error="exit status 1")
    assert {one.verdict for one in figures(run, summarise(run, [died, _limit(32 * MB)]))} == {Verdict.SERVER_DIED}


@pytest.mark.parametrize(("starts", "bound"), [(3, "63%"), (12, "22%"), (59, "5%")])
def test_a_limit_is_printed_with_the_share_of_starts_that_may_fail_under_it(starts: int, bound: str) -> None:
    attempts = [Attempt(limit_bytes=28 * MB, passed=False, why="killed for memory")]
    attempts += [Attempt(limit_bytes=32 * MB, passed=True)] * starts
    visit = replace(_limit(32 * MB), attempts=attempts)
    run = _memory_run(1)
    summary = summarise(run, [_memory(1, 20 * MB), visit])
    (said,) = [note for note in memory_report.notes(run, summary) if note.startswith("under the limit")]
    assert said == (
        f"under the limit, 0 of {starts} starts failed, so with 95 % confidence at most {bound} of starts fail."
    )
