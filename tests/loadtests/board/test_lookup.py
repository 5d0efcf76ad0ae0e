"""A question about stacks is answered from the runs of all experiments on this machine."""

import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.frameworks import frameworks
from common.catalog.prices import load_prices
from common.catalog.servers import SERVERS
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import Stack, images
from common.host.machine import machine
from common.records.figure import Figure, Metric, Subject
from common.records.load import Rate
from common.records.run import Cell, Run
from common.runtimes.candidates import Candidate
from loadtests.board.bill import Question, make_bill
from loadtests.board.index import FigureIndex, known_figures, subjects_of
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.store import RunFolder
from loadtests.experiments.memory.records import Held, LimitVisit, MemoryCell, MemoryRun, MemoryVisit
from loadtests.experiments.sizes.records import FootprintCell, FootprintRun, ImageFootprint, ImageVisit, Weighed
from tests.support.figures import DOCKER, figure
from tests.support.records import NOON, cell, load, run, window

STACK = Stack(framework=frameworks()["falcon"], server=SERVERS["gunicorn-gthread"])
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def _fields(name: str) -> dict[str, Any]:
    made = run([])
    head = {field: getattr(made, field) for field in Run.__struct_fields__ if field != "schema_version"}
    return head | {"id": name, "machine": machine(), "runtime": Runtime.DOCKER}


def _stack() -> Cell:
    return cell("falcon+gunicorn-gthread@slim", framework="falcon", server="gunicorn-gthread", image="slim")


def _record_load(results: Path, name: str, **changes: Any) -> None:  # noqa: ANN401 -- any field
    made = run([_stack()], **({"id": name, "machine": machine(), "runtime": Runtime.DOCKER} | changes))
    folder = RunFolder.create(results / name, made)
    for number in range(1, 6):
        folder.add(window(_stack().name, number, load(2000), run_id=name))


def _record_memory(results: Path) -> None:
    cells = [MemoryCell(name="one worker", stack=_stack(), size=Size(vcpu=1, worker_count=1))]
    folder = RunFolder.create(
        results / "memory", MemoryRun(**_fields("memory"), requests=1000, connections=16, limits=True, cells=cells)
    )
    held = Held(
        held_bytes=30 * 2**20,
        anonymous_bytes=1,
        shared_bytes=1,
        kernel_bytes=1,
        pss_bytes=1,
        uss_bytes=1,
        processes=2,
    )
    blank: dict[str, Any] = {"run": "memory", "position": 1, "cell": "one worker", "started_at": NOON}
    for number in range(1, 6):
        folder.add(MemoryVisit(**blank, round=number, idle=held, loaded=held))
    folder.add(LimitVisit(**blank, round=5, limit_bytes=3 * 2**30, step_bytes=1, repeats=3, attempts=[]))


def _record_sizes(results: Path) -> None:
    cells = [FootprintCell(name=_stack().name, stack=_stack(), weighs=Weighed.IMAGE)]
    made = FootprintRun(**_fields("sizes"), registry=None, zstd_level=3, cells=cells, missing={})
    weighed = ImageFootprint(
        image_id="i",
        manifest_digest="m",
        base="python:3.13-slim",
        stand_in_base=False,
        layers=[],
        packages=[],
        files_bytes=1,
        tar_bytes=2,
        compressed_bytes=2**30,
        zstd_bytes=1,
        unique_tar_bytes=None,
        unique_compressed_bytes=None,
    )
    blank: dict[str, Any] = {"run": "sizes", "round": 1, "position": 1, "started_at": NOON}
    RunFolder.create(results / "sizes", made).add(ImageVisit(**blank, cell=_stack().name, footprint=weighed))


@pytest.fixture
def figures(tmp_path: Path) -> list[Figure]:
    """Write runs of several experiments on one stack."""
    _record_load(tmp_path, "closed")
    _record_load(tmp_path, "open", scenario="rate", rate=Rate(share=0.5), vcpu=0.5)
    _record_memory(tmp_path)
    _record_sizes(tmp_path)
    return known_figures(FigureIndex(experiment_of, tmp_path))


def test_figures_of_all_experiments_are_known(figures: list[Figure]) -> None:
    assert {one.metric for one in figures} == {
        Metric.REQUESTS_PER_CPU_S,
        Metric.P99_S,
        Metric.IDLE_BYTES,
        Metric.LOADED_BYTES,
        Metric.LIMIT_BYTES,
        Metric.COMPRESSED_BYTES,
    }
    assert {one.subject.name for one in figures} == {"falcon+gunicorn-gthread@slim"}


def test_a_bill_is_made_from_the_runs_of_all_experiments(figures: list[Figure]) -> None:
    (subject,) = subjects_of([_in_docker()], figures, any_image=False)
    made = make_bill([subject], figures, load_prices(), Question(rate_rps=100, p99_s=0.01), now=NOON)
    (_, row) = made.rows
    assert row.storage_month == 0.10
    assert row.size == Size(vcpu=2, memory_bytes=4 * 2**30)
    assert row.fleet is not None
    assert row.fleet.size == Size(vcpu=0.5, memory_bytes=3 * 2**30)
    assert made.unknown == {}


@pytest.mark.parametrize("field", ["cpu_model", "cpu_identity"])
def test_figures_of_another_machine_are_not_known(tmp_path: Path, field: str) -> None:
    _record_load(tmp_path, "there", machine=replace(machine(), **{field: "Z80"}))
    assert known_figures(FigureIndex(experiment_of, tmp_path)) == []


def _in_docker() -> Candidate:
    return Candidate(stack=STACK, image=images()["slim"], python="3.13.2")


def test_a_stack_in_an_image_is_that_of_the_images_python() -> None:
    (subject,) = subjects_of([_in_docker()], [], any_image=False)
    assert subject == Subject(
        framework="falcon", server="gunicorn-gthread", image="slim", runtime=Runtime.DOCKER, python="3.13"
    )


def test_a_stack_without_an_image_is_a_process_of_this_python() -> None:
    (subject,) = subjects_of([Candidate(stack=STACK)], [], any_image=False)
    assert subject == Subject(framework="falcon", server="gunicorn-gthread", runtime=Runtime.PROCESS, python=HERE)


def test_a_stack_asked_for_without_an_image_is_shown_in_every_image_that_something_is_known_of() -> None:
    fat = Subject(framework="falcon", server="gunicorn-gthread", image="fat", runtime=Runtime.DOCKER, python="3.13")
    known = [figure(Metric.START_S, 1.0, subject=fat), figure(Metric.START_S, 1.0, subject=DOCKER)]
    both = subjects_of([_in_docker()], known, any_image=True)
    assert [one.image for one in both] == ["slim", "fat"]
    assert [one.image for one in subjects_of([_in_docker()], known, any_image=False)] == ["slim"]
