"""The numbers of workers that are compared, and the rate at which they are."""

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Runtime
from common.cli.parameters import StackParameter
from common.errors import FailedError, UsageError
from common.project import ROOT
from common.records.load import Rate
from common.records.run import Conformance
from common.records.schema import decode
from common.records.window import Load
from common.runtimes.candidates import Candidate
from loadtests.campaign import manifest
from loadtests.campaign.manifest import RunIdentity
from loadtests.experiments.latency.experiment import Prepared
from loadtests.experiments.latency.records import SATURATED, LatencySummary, Point, TrafficVisit, WorkersRun
from loadtests.experiments.workers import experiment as workers
from loadtests.experiments.workers.experiment import Workers, begin_workers, parse_worker_counts
from tests.support import records
from tests.support.traffic_records import a_point, a_visit, a_workers_run


def test_numbers_of_workers_are_parsed_in_the_order_listed() -> None:
    assert parse_worker_counts("1,2,3,5") == (1, 2, 3, 5)
    assert parse_worker_counts("2, 2,1") == (2, 1)


@pytest.mark.parametrize("text", ["", "0", "1.5", "1,,2", "65", "all", "٢", "9" * 5000])
def test_an_invalid_number_of_workers_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid WORKERS=.*: must be numbers from 1 to 64"):
        parse_worker_counts(text)


def candidate(framework: str, server: str = "default") -> Candidate:
    return StackParameter(framework=framework, server=server).candidate(Runtime.PROCESS)


def begun(pilot: Load | str, monkeypatch: pytest.MonkeyPatch, vcpus: Sequence[float] = (0.5, 4.0)) -> WorkersRun:
    """Return the run of one stack whose pilot gave a load, or failed."""
    one = candidate("falcon")
    cell = records.cell(one.name, conformance=Conformance(passed=1, duration_s=1.0))
    prepared = Prepared(candidates={one.name: one}, cells=[cell], setup=records.setup())

    def visit(blank: TrafficVisit, point: Point, *_: object, seed: int) -> TrafficVisit:
        assert (point.size.workers, [traffic.name for traffic in point.traffic], seed) == (1, [SATURATED], 0)
        return replace(blank, error=pilot) if isinstance(pilot, str) else replace(blank, loads={SATURATED: pilot})

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(manifest, "engine_name", lambda: "28.0 (overlay2)")
    monkeypatch.setattr(workers, "prepare_latency", lambda *_: prepared)
    monkeypatch.setattr(workers, "load_in_turn", visit)
    options: dict[str, Any] = {"runtime": Runtime.DOCKER, "rounds": 3, "messages": Console(file=io.StringIO())}
    identity = RunIdentity.new("workers", 5)
    experiment, subjects = begin_workers(one, identity, vcpus=vcpus, counts=(1, 2), **options)
    assert set(subjects) == {one.name}
    return experiment.run


def test_response_times_are_compared_at_half_the_usual_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 requests in 2 CPU-seconds are 5,000 per second at half a vCPU."""
    run = begun(records.load(20_000, 2.0), monkeypatch)
    assert [(one.size.vcpu, one.size.workers) for one in run.points] == [(0.5, 1), (0.5, 2), (4.0, 4)]
    one, two, above = run.points
    assert [traffic.rate for traffic in one.traffic] == [None, Rate(rps=2500)]
    assert two.traffic == one.traffic
    assert (above.traffic, above.missing is None) == ([], False)


@pytest.mark.parametrize(
    ("pilot", "why"),
    [
        (records.load(0, 2.0, latency_s=None), "no request was answered while its capacity was measured"),
        ("killed for memory", "killed for memory"),
    ],
)
def test_a_pilot_without_a_capacity_ends_the_command(
    pilot: Load | str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FailedError, match=rf"0\.5 vCPU 1 worker: {why}\.$"):
        begun(pilot, monkeypatch)


@pytest.mark.parametrize(("framework", "server"), [("aiohttp", "native"), ("flask", "waitress")])
def test_a_server_that_is_always_one_process_is_refused(framework: str, server: str) -> None:
    with pytest.raises(UsageError, match=rf"FRAMEWORK={framework} SERVER={server} is one process at any size"):
        begin_workers(
            candidate(framework, server),
            RunIdentity.new("workers", 5),
            vcpus=(1,),
            counts=(1, 2),
            runtime=Runtime.PROCESS,
            rounds=3,
            messages=Console(),
        )


@pytest.mark.parallel
@pytest.mark.long
def test_the_command_ends_in_a_recommendation(engine: DockerClient, tmp_path: Path) -> None:
    assert engine.ping()
    line = [
        sys.executable,
        "-m",
        "tests.support.briefly",
        "workers",
        "--framework=raw_wsgi",
        "--image=slim",
        "--vcpu=0.5",
    ]
    ended = subprocess.run(
        [*line, "--runtime=docker", "--workers=1,2", "--rounds=1", f"--out={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode in {0, 3}, ended.stdout + ended.stderr
    summary = decode((tmp_path / "summary.json").read_bytes(), LatencySummary, what="summary", source="summary.json")
    (advice,) = summary.advice
    assert advice.workers in {1, 2}
    assert not advice.firm
    assert f"raw_wsgi+gunicorn-gthread@slim at 0.5 vCPU: use {advice.workers} worker" in ended.stdout


def test_a_run_ends_in_a_recommendation() -> None:
    points = [a_point(0.5, count) for count in (1, 2)]
    experiment = Workers(a_workers_run(points))
    visits = [
        a_visit(point, number, {SATURATED: records.load(20_000, cpu_s)})
        for number in range(1, 6)
        for point, cpu_s in zip(points, (1.0, 1.5), strict=True)
    ]
    (sentence,) = experiment.conclusions(experiment.summarise(visits))
    assert sentence.startswith("a+b at 0.5 vCPU: use 1 worker.")
