"""Every cell's memory is read once per round; then each stack's smallest limit is searched once."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime, Size
from common.errors import FailedError
from common.records.run import Cell, Conformance
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from common.words import counted
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.plan import PlannedVisit
from loadtests.campaign.resume import resume
from loadtests.campaign.store import RunFolder
from loadtests.experiments.memory import experiment as memory
from loadtests.experiments.memory.experiment import Memory, begin_memory
from loadtests.experiments.memory.records import Attempt, Held, LimitVisit, MemoryCell, MemoryRun, MemoryVisit
from tests.support.here import NAME, real_candidate, real_cell, run_fields
from tests.support.records import NOON, cell, run_head
from tests.support.toy_experiment import printed, text_terminal
from tests.support.toy_stacks import toy_stack

MB = 1024**2
HELD = Held(
    held_bytes=30 * MB,
    anonymous_bytes=20 * MB,
    shared_bytes=5 * MB,
    kernel_bytes=5 * MB,
    pss_bytes=31 * MB,
    uss_bytes=None,
    processes=2,
)


def _cells(stack: Cell, *counts: int) -> list[MemoryCell]:
    return [
        MemoryCell(name=f"{stack.name} {counted(count, 'worker')}", stack=stack, size=Size(worker_count=count))
        for count in counts
    ]


def _memory(*cells: MemoryCell, **changes: Any) -> Memory:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {"rounds": 2, "requests": 1000, "connections": 16, "limits": True, "cells": list(cells)}
    return Memory(MemoryRun(**run_head() | fields | changes))


BOTH = (*_cells(cell("a+b"), 1, 2), *_cells(cell("c+d"), 1))


def _limit(name: str, limit_bytes: int | None = 32 * MB, attempts: int = 3) -> LimitVisit:
    return LimitVisit(
        run="run",
        round=2,
        position=1,
        cell=name,
        started_at=NOON,
        limit_bytes=limit_bytes,
        step_bytes=4 * MB,
        repeats=3,
        attempts=[Attempt(limit_bytes=32 * MB, passed=limit_bytes is not None)] * attempts,
    )


def _completed(experiment: Memory, visits: list[Visit]) -> list[Visit]:
    made = list(visits)
    while batch := experiment.remaining(made).batch:
        for one in batch:
            if one.kind is MemoryVisit:
                made.append(replace(one.record(MemoryVisit, "run"), started_at=NOON, idle=HELD, loaded=HELD))
            else:
                made.append(replace(_limit(one.cell), position=one.position, round=one.round))
    return made


def test_servers_come_first_and_one_search_for_each_stack_last() -> None:
    visits = _completed(_memory(*BOTH), [])
    assert [type(one) for one in visits] == [MemoryVisit] * 6 + [LimitVisit] * 2
    assert [one.cell for one in visits[6:]] == ["a+b 1 worker", "c+d 1 worker"]


def test_no_limit_is_searched_unless_asked() -> None:
    assert {type(one) for one in _completed(_memory(*BOTH, limits=False), [])} == {MemoryVisit}


def test_a_run_interrupted_anywhere_continues_to_the_same_visits() -> None:
    experiment = _memory(*BOTH)
    unbroken = _completed(experiment, [])
    for made in range(len(unbroken)):
        assert _completed(experiment, unbroken[:made]) == unbroken


def test_a_nonconforming_stack_is_not_measured() -> None:
    broken = cell("a+b", conformance=Conformance(passed=0, failed={"hello": "500"}, duration_s=1))
    visits = _completed(_memory(*_cells(broken, 1, 2), *_cells(cell("c+d"), 1)), [])
    assert {one.cell for one in visits} == {"c+d 1 worker"}


def test_a_visit_is_described_by_its_memory_or_limit() -> None:
    experiment = _memory(*BOTH)
    server = MemoryVisit(run="run", round=1, position=1, cell="a", started_at=NOON, idle=HELD, loaded=HELD)
    assert experiment.describe(server) == "idle 30.0 MB, loaded 30.0 MB"
    assert experiment.describe(_limit("a")) == "smallest limit 32 MB after 3 servers"
    assert experiment.describe(_limit("a", None)) == "no limit passed after 3 servers"


def test_servers_that_failed_fail_the_run() -> None:
    experiment = _memory(*BOTH)
    visits = _completed(experiment, [])
    assert experiment.failure(experiment.summarise(visits)) is None
    failed = [replace(one, error="exit status 1") if one.cell == "c+d 1 worker" else one for one in visits]
    failure = experiment.failure(experiment.summarise(failed))
    assert isinstance(failure, FailedError)
    assert "no valid number for 1 of 3 cells: c+d 1 worker." in str(failure)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("python3 app.py {port}", (1,)), ("python3 app.py {port} {workers}", (1, 2)), ("", (1, 2))],
)
def test_a_server_that_is_always_one_process_is_measured_with_one_worker(
    tmp_path: Path, line: str, expected: tuple[int, ...]
) -> None:
    toy = toy_stack(tmp_path, "toy")
    stack = dataclasses.replace(toy, framework=dataclasses.replace(toy.framework, command=line))
    assert memory._worker_counts(Candidate(stack=stack), (1, 2)) == expected
    alone = dataclasses.replace(toy, server=dataclasses.replace(toy.server, processes=False))
    assert memory._worker_counts(Candidate(stack=alone), (1, 2)) == (1,)


@pytest.mark.slow
@pytest.mark.parallel
def test_a_run_of_processes_is_resumed_as_planned(tmp_path: Path) -> None:
    (only,) = _cells(real_cell(), 1)
    made = MemoryRun(**run_fields(rounds=2), requests=1000, connections=16, limits=False, cells=[only])
    folder = RunFolder.create(tmp_path / "run", made)
    first = MemoryVisit(run=made.id, round=1, position=1, cell=only.name, started_at=NOON, idle=HELD, loaded=HELD)
    folder.add(first)
    terminal = text_terminal()
    summary = resume(str(folder.folder), "memory", experiment_of, terminal)
    assert folder.visits()[0] == first
    (second,) = folder.visits()[1:]
    assert isinstance(second, MemoryVisit)
    assert (second.round, second.cell, second.error) == (2, only.name, None)
    assert second.loaded is not None
    assert (second.loaded.pss_bytes or 0) > 10 * MB
    assert summary.rows[0].idle_bytes.n == 2
    assert NAME in printed(terminal.results)


@pytest.mark.slow
@pytest.mark.parallel
def test_processes_are_checked_measured_and_summarised(tmp_path: Path) -> None:
    terminal = text_terminal()
    begin = partial(
        begin_memory,
        [real_candidate()],
        size=Size(),
        workers=(1,),
        limits=False,
        runtime=Runtime.PROCESS,
        rounds=1,
        messages=terminal.messages,
    )
    summary = start("memory", begin, RunParameters(seed=3, out=tmp_path / "out"), terminal)
    (row,) = summary.rows
    assert row.idle_bytes is not None
    assert f"{row.idle_bytes.estimate / MB:,.1f}" in printed(terminal.results)


def test_a_limit_is_searched_from_a_visit_that_knows_none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "under_limit", lambda *_: lambda _: None)
    first = BOTH[0]
    planned = PlannedVisit(kind=LimitVisit, round=2, position=1, cell=first.name)
    with _memory(*BOTH).visiting({first.stack.name: real_candidate()}, text_terminal().messages) as visit:
        (made,) = visit([planned])
    assert isinstance(made, LimitVisit)
    assert (made.cell, made.limit_bytes) == (first.name, 12 * MB)
