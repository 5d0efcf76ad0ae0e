"""Starts come before pulls, a warm start that was not warm is repeated, and a run is resumed as planned."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime, Size
from common.errors import FailedError, UsageError
from common.records.run import Cell, Conformance
from common.records.schema import Visit
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.plan import PlannedVisit
from loadtests.campaign.resume import resume
from loadtests.campaign.store import RunFolder
from loadtests.experiments.startup import experiment as module
from loadtests.experiments.startup.experiment import Startup, begin_startup, measure_start, parse_caches, parse_links
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
from tests.support.here import NAME, real_candidate, real_cell, run_fields
from tests.support.records import NOON, cell, run_head
from tests.support.toy_experiment import printed, text_terminal

BROKEN = Conformance(passed=0, failed={"hello": "500"}, duration_s=1)


def _start_cell(stack: Cell, cache: PageCache = PageCache.WARM) -> StartCell:
    return StartCell(name=f"{stack.name} {cache}", stack=stack, size=Size(), cache=cache)


def _startup(*stacks: Cell, pulls: bool = True, **changes: Any) -> Startup:  # noqa: ANN401 -- any field
    cells = [_start_cell(stack, cache) for stack in stacks for cache in PageCache]
    fields: dict[str, Any] = {
        "rounds": 2,
        "cold_by": None,
        "cells": cells,
        "pulls": [PullCell(name=f"{one.name} over full", image="image:tag", link="full") for one in stacks if pulls],
    }
    return Startup(StartupRun(**run_head() | fields | changes))


def _visit(planned: PlannedVisit) -> Visit:
    return planned.record(planned.kind, "run")


def _completed(experiment: Startup, visits: list[Visit]) -> list[Visit]:
    made = list(visits)
    while batch := experiment.remaining(made).batch:
        made += [replace(_visit(one), started_at=NOON) for one in batch]
    return made


def test_every_start_of_every_round_is_made_and_then_every_pull() -> None:
    visits = _completed(_startup(cell("a+b"), cell("c+d")), [])
    kinds = [type(one) for one in visits]
    assert kinds == [Start] * 8 + [Pull] * 4
    assert {(one.round, one.cell) for one in visits[:8]} == {
        (number, f"{name} {cache}") for number in (1, 2) for name in ("a+b", "c+d") for cache in ("warm", "cold")
    }


def test_a_run_interrupted_anywhere_continues_to_the_same_visits() -> None:
    experiment = _startup(cell("a+b"), cell("c+d"))
    unbroken = _completed(experiment, [])
    for made in range(len(unbroken)):
        assert _completed(experiment, unbroken[:made]) == unbroken


def test_a_stack_that_breaks_the_contract_is_not_started() -> None:
    visits = _completed(_startup(cell("a+b", conformance=BROKEN), cell("c+d"), pulls=False), [])
    assert {one.cell for one in visits} == {"c+d warm", "c+d cold"}


def test_a_stack_is_prepared_once_for_all_its_sizes_and_caches() -> None:
    assert [one.name for one in _startup(cell("a+b"), cell("c+d")).stacks()] == ["a+b", "c+d"]


def _summary(experiment: Startup, **changes: Any) -> StartupSummary:  # noqa: ANN401 -- any field of a start
    blank = _completed(experiment, [])
    starts = [replace(one, bind_s=0.1, answer_s=0.1, **changes) for one in blank if isinstance(one, Start)]
    return experiment.summarise(starts)


def test_starts_that_failed_fail_the_run() -> None:
    experiment = _startup(cell("a+b"), pulls=False)
    assert experiment.failure(_summary(experiment)) is None
    failure = experiment.failure(_summary(experiment, error="exit status 1"))
    assert isinstance(failure, FailedError)
    assert "no valid number for 2 of 2 cells: " in str(failure)


@pytest.mark.parametrize(
    ("text", "runtime", "expected"),
    [
        (None, Runtime.DOCKER, ("warm", "cold")),
        ("all", Runtime.DOCKER, ("warm", "cold")),
        ("COLD", Runtime.DOCKER, ("cold",)),
        (None, Runtime.PROCESS, ("warm",)),
        ("warm", Runtime.PROCESS, ("warm",)),
    ],
)
def test_caches_are_those_that_the_runtime_has(text: str | None, runtime: Runtime, expected: tuple[str, ...]) -> None:
    assert parse_caches(text, runtime) == expected


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_caches, "cold", "CACHE=cold needs RUNTIME=docker"),
        (parse_links, "100mbit", "BANDWIDTH=100mbit needs RUNTIME=docker"),
    ],
)
def test_caches_and_links_that_processes_lack_are_refused(
    parse: Callable[[str, Runtime], tuple[str, ...]], text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text, Runtime.PROCESS)


def test_an_unknown_cache_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"CACHE=lukewarm is unknown.* Accepted: warm, cold"):
        parse_caches("lukewarm", Runtime.DOCKER)


def test_without_a_bandwidth_nothing_is_pulled() -> None:
    assert parse_links("", Runtime.PROCESS) == parse_links("", Runtime.DOCKER) == ()


BLANK = Start(run="run", round=1, position=1, cell="a+b warm", started_at=NOON)
COSTS = (Cost(wall_s=0.01, cpu_s=0.01), Cost(wall_s=0.3, cpu_s=0.2))


def _measured(monkeypatch: pytest.MonkeyPatch, cache: PageCache, *observed: Start) -> Start:
    """Measure a start whose successive attempts give ``observed``."""
    seen = iter(observed)
    monkeypatch.setattr(module, "observe", lambda *_args, **_options: next(seen))
    monkeypatch.setattr(module, "import_costs", lambda *_: COSTS)
    found = measure_start(BLANK, real_candidate(), _start_cell(cell("a+b"), cache))
    assert next(seen, None) is None, "fewer starts were observed"
    return found


def test_a_warm_start_includes_the_cost_of_interpreter_and_import(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _measured(monkeypatch, PageCache.WARM, replace(BLANK, disk_read_bytes=0))
    assert (found.interpreter, found.app_import) == COSTS


def test_a_warm_start_that_read_from_disk_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another stack's cold start may have evicted files of shared layers."""
    found = _measured(
        monkeypatch, PageCache.WARM, replace(BLANK, disk_read_bytes=50_000_000), replace(BLANK, disk_read_bytes=1000)
    )
    assert found.disk_read_bytes == 1000


def test_a_cold_start_is_made_once_and_has_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _measured(monkeypatch, PageCache.COLD, replace(BLANK, disk_read_bytes=50_000_000))
    assert (found.disk_read_bytes, found.interpreter, found.app_import) == (50_000_000, None, None)


def test_a_start_that_failed_has_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _measured(monkeypatch, PageCache.WARM, replace(BLANK, error="exit status 1"))
    assert (found.error, found.interpreter) == ("exit status 1", None)


def test_parts_that_cannot_be_timed_are_the_starts_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FailedError("the import of app could not be timed")

    monkeypatch.setattr(module, "observe", lambda *_args, **_options: BLANK)
    monkeypatch.setattr(module, "import_costs", fail)
    found = measure_start(BLANK, real_candidate(), _start_cell(cell("a+b")))
    assert found.error == "the import of app could not be timed"


def test_a_visit_is_described_by_its_time() -> None:
    seen = replace(BLANK, bind_s=0.1, answer_s=0.25, cpu_s=0.3)
    pull = Pull(run="run", round=1, position=1, cell="a", started_at=NOON, total_s=2.5)
    assert _startup().describe(seen) == "0.350 s, 0.300 CPU-seconds"
    assert _startup().describe(pull) == "2.50 s"


@pytest.mark.slow
@pytest.mark.parallel
def test_a_run_of_processes_is_resumed_as_planned(tmp_path: Path) -> None:
    made = StartupRun(**run_fields(rounds=2), cold_by=None, cells=[_start_cell(real_cell())], pulls=[])
    folder = RunFolder.create(tmp_path / "run", made)
    first = replace(BLANK, run=made.id, cell=f"{NAME} warm", bind_s=0.1, answer_s=0.1)
    folder.add(first)
    terminal = text_terminal()
    summary = resume(str(folder.folder), "startup", experiment_of, terminal)
    assert folder.visits()[0] == first
    (second,) = folder.visits()[1:]
    assert isinstance(second, Start)
    assert (second.round, second.cell, second.error) == (2, f"{NAME} warm", None)
    assert second.app_import is not None
    assert second.cpu_s is not None
    assert 0 < second.app_import.cpu_s < second.cpu_s
    (row,) = summary.starts
    assert row.total_s.n == 2
    assert NAME in printed(terminal.results)


@pytest.mark.slow
@pytest.mark.parallel
def test_processes_are_checked_started_and_summarised(tmp_path: Path) -> None:
    terminal = text_terminal()
    begin = partial(
        begin_startup,
        [real_candidate()],
        sizes=[Size()],
        caches=(PageCache.WARM,),
        links=(),
        runtime=Runtime.PROCESS,
        rounds=1,
        messages=terminal.messages,
    )
    summary = start("startup", begin, RunParameters(seed=3, out=tmp_path / "out"), terminal)
    (row,) = summary.starts
    assert row.total_s is not None
    assert f"{row.total_s.estimate:.2f}" in printed(terminal.results)
