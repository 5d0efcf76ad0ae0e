"""Libraries are measured first, then images; missing ones are named."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.errors import FailedError
from common.packages.environments import environment
from common.records.run import Cell
from common.records.schema import Visit
from common.runtimes.candidates import Candidate
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.loop import start
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.resume import resume
from loadtests.campaign.store import RunFolder
from loadtests.experiments.sizes.experiment import Sizes, begin_sizes
from loadtests.experiments.sizes.records import FootprintCell, FootprintRun, ImageVisit, LibrariesVisit, Weighed
from tests.support.footprints import footprint, library
from tests.support.here import real_cell, run_fields
from tests.support.records import NOON, cell, run_head
from tests.support.toy_experiment import printed, text_terminal
from tests.support.toy_stacks import toy_stack


def _cells(*stacks: Cell) -> list[FootprintCell]:
    libraries = [FootprintCell(name=f"libraries of {one.name}", stack=one, weighs=Weighed.LIBRARIES) for one in stacks]
    images = [replace(one, name=f"{one.name}@slim", image="slim") for one in stacks]
    return [*libraries, *(FootprintCell(name=one.name, stack=one, weighs=Weighed.IMAGE) for one in images)]


def _sizes(*stacks: Cell, **changes: Any) -> Sizes:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "rounds": 1,
        "registry": None,
        "zstd_level": 3,
        "cells": _cells(*stacks),
        "missing": {},
    }
    return Sizes(FootprintRun(**run_head() | fields | changes))


def _completed(experiment: Sizes, visits: list[Visit]) -> list[Visit]:
    made = list(visits)
    while batch := experiment.remaining(made).batch:
        for one in batch:
            if one.kind is LibrariesVisit:
                made.append(replace(one.record(LibrariesVisit, "run", libraries=[library()]), started_at=NOON))
            else:
                made.append(replace(one.record(ImageVisit, "run", footprint=footprint()), started_at=NOON))
    return made


def test_everything_is_measured_once_libraries_first() -> None:
    visits = _completed(_sizes(cell("a+b"), cell("c+d")), [])
    assert [(type(one), one.cell) for one in visits] == [
        (LibrariesVisit, "libraries of a+b"),
        (LibrariesVisit, "libraries of c+d"),
        (ImageVisit, "a+b@slim"),
        (ImageVisit, "c+d@slim"),
    ]


def test_a_run_interrupted_anywhere_continues_to_the_same_visits() -> None:
    experiment = _sizes(cell("a+b"), cell("c+d"))
    unbroken = _completed(experiment, [])
    for made in range(len(unbroken)):
        assert _completed(experiment, unbroken[:made]) == unbroken


def test_a_stack_and_its_image_are_both_prepared() -> None:
    assert [one.name for one in _sizes(cell("a+b")).stacks()] == ["a+b", "a+b@slim"]


def test_a_visit_is_described_by_its_bytes() -> None:
    libraries, image = _completed(_sizes(cell("a+b")), [])
    assert _sizes().describe(libraries) == "1,200 bytes of libraries"
    assert _sizes().describe(image) == "60 bytes compressed"


def test_a_failed_measurement_fails_the_run_but_an_unavailable_image_does_not() -> None:
    experiment = _sizes(cell("a+b"), missing={"x@alpine": "no wheel"})
    visits = _completed(experiment, [])
    assert experiment.failure(experiment.summarise(visits)) is None
    failed = [replace(one, error="no", footprint=None) if isinstance(one, ImageVisit) else one for one in visits]
    failure = experiment.failure(experiment.summarise(failed))
    assert isinstance(failure, FailedError)
    assert "1 cell could not be measured: a+b@slim." in str(failure)


def test_a_failed_measurement_of_libraries_fails_the_run_too() -> None:
    experiment = _sizes(cell("a+b"))
    libraries, image = _completed(experiment, [])
    failed = [replace(libraries, error="falcon is not installed", libraries=[]), image]
    summary = experiment.summarise(failed)
    assert summary.missing == {"libraries of a+b": "falcon is not installed"}
    assert experiment.failure(summary) is not None


def test_without_an_engine_only_libraries_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "__kwdefaults__", {"root": tmp_path / "environments"})
    terminal = text_terminal()
    candidate = Candidate(stack=toy_stack(tmp_path, "toy_without"))
    begin = partial(begin_sizes, [candidate], address=None, runtime=Runtime.PROCESS, messages=terminal.messages)
    summary = start("sizes", begin, RunParameters(seed=1, out=tmp_path / "out"), terminal)
    assert summary.missing == {"images": "no Docker engine answers"}
    assert "missing: images: no Docker engine answers" in printed(terminal.results)


def test_a_run_of_libraries_is_resumed_as_planned(tmp_path: Path) -> None:
    first, second = (
        FootprintCell(name=name, stack=real_cell(), weighs=Weighed.LIBRARIES) for name in ("first", "second")
    )
    fields = run_fields(rounds=1)
    made = FootprintRun(**fields, registry=None, zstd_level=3, cells=[first, second], missing={})
    folder = RunFolder.create(tmp_path / "run", made)
    kept = LibrariesVisit(run=made.id, round=1, position=1, cell="first", started_at=NOON, libraries=[library()])
    folder.add(kept)
    summary = resume(str(folder.folder), "sizes", experiment_of, text_terminal())
    assert folder.visits()[0] == kept
    (measured,) = folder.visits()[1:]
    assert isinstance(measured, LibrariesVisit)
    (server,) = measured.libraries
    assert (server.name, server.package) == ("gunicorn-gthread", "gunicorn")
    assert server.total_bytes > 1_000_000
    assert {one.name for one in summary.libraries} == {"falcon", "gunicorn-gthread"}
