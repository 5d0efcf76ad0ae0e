"""Runs of visits on real containers: quotas, surroundings, records, a table, nothing left behind."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from docker import DockerClient
from msgspec.structs import replace
from rich.console import Console

from common.catalog.sizes import Size
from common.engine.ownership import OWNER
from common.errors import GeneratorBoundError
from common.host.ownership import owner_id
from common.project import ROOT
from common.records.latency import LatencyRun, LatencySummary, Point, Traffic, Visit
from common.records.schema import decode
from common.runtimes import docker_proxy
from common.runtimes.candidates import Candidate, Runtime, select_candidates, single_candidate
from common.runtimes.preparation import prepare
from loadtests.latency import run as latency_run
from loadtests.latency.points import SATURATED, closed, opened, point
from loadtests.latency.visit_rounds import DESIGN
from loadtests.latency.visits import visit
from loadtests.runs.manifest import Identity, manifest
from loadtests.runs.plan import Step

CORES = sorted(os.sched_getaffinity(0))
QUIET = Console(file=io.StringIO())
SHORT = (closed(16, 0.5), opened("50%", 0.5))


@pytest.fixture(scope="module")
def candidate(engine: DockerClient) -> Candidate:
    assert engine.ping()
    found = single_candidate(select_candidates(framework="raw_wsgi", image="slim", runtime=Runtime.DOCKER))
    prepare([found], QUIET)
    return found


@pytest.fixture(autouse=True)
def _clean(engine: DockerClient) -> Iterator[None]:
    yield
    mine: dict[str, str | list[str] | bool] = {"label": f"{OWNER}={owner_id(os.getpid())}"}
    assert engine.containers.list(all=True, filters=mine) == []


def _visit(candidate: Candidate, *traffic: Traffic, vcpu: float = 0.25, **changes: object) -> tuple[Point, Visit]:
    settings = latency_run.settings_of(Runtime.DOCKER, 1, 1)
    plain = point(candidate.name, vcpu, traffic, runtime=Runtime.DOCKER, cores=CORES, workers=1)
    at = replace(plain, **changes)
    run = replace(manifest(settings, [candidate], {}, Identity.of(1), design=DESIGN), warmup_s=0.2)
    record = LatencyRun(verb="latency", run=run, points=[at])
    return at, visit(record, Step(round=1, position=1, cell=at.name), at, candidate)


def test_one_server_gets_all_traffic_and_rates_are_shares_of_its_capacity(candidate: Candidate) -> None:
    at, seen = _visit(candidate, *SHORT)
    assert seen.error is None
    assert list(seen.loads) == [one.name for one in at.traffic]
    saturated, half = seen.loads.values()
    assert saturated.server_cpu_s is not None
    capacity = saturated.requests / saturated.server_cpu_s * 0.25
    assert half.open_loop is not None
    assert half.open_loop.capacity_rps == pytest.approx(capacity)
    assert half.open_loop.rate_rps == pytest.approx(capacity / 2, rel=0.01)
    assert saturated.server_cpu_s / saturated.duration_s < 0.3
    assert seen.memory_bytes is not None
    assert 5e6 < seen.memory_bytes < 100e6


def test_more_workers_hold_more_memory(candidate: Candidate) -> None:
    held = [_visit(candidate, closed(1, 0.2), workers=workers)[1].memory_bytes for workers in (1, 3)]
    assert held[0] is not None
    assert held[1] is not None
    assert held[1] > held[0] + 5e6


def test_neighbours_take_the_server_its_core(candidate: Candidate) -> None:
    one = closed(16, 1.0)
    alone, beside = (_visit(candidate, one, vcpu=1.0, neighbours=count)[1].loads[one.name] for count in (0, 3))
    assert alone.server_cpu_s is not None
    assert beside.server_cpu_s is not None
    assert beside.server_cpu_s / beside.duration_s < 0.5
    assert beside.server_cpu_s < alone.server_cpu_s


@pytest.mark.skipif(docker_proxy.why_no_proxy() is not None, reason=str(docker_proxy.why_no_proxy()))
def test_a_proxy_can_be_put_between(candidate: Candidate) -> None:
    _, seen = _visit(candidate, closed(1, 0.3), proxied=True)
    assert seen.error is None
    assert seen.loads["one at a time"].failures == {}


def test_a_period_changes_how_often_the_quota_is_given_out_and_not_its_share(
    candidate: Candidate, engine: DockerClient
) -> None:
    mine: dict[str, str | list[str] | bool] = {"label": f"{OWNER}={owner_id(os.getpid())}"}
    with candidate.serve(Size(vcpu=0.25, period_s=0.01), cores=CORES[:1]):
        (container,) = engine.containers.list(filters=mine)
        limits = container.attrs["HostConfig"]
    assert (limits["CpuPeriod"], limits["CpuQuota"]) == (10_000, 2_500)


def test_a_server_that_cannot_live_is_the_visits_error(candidate: Candidate) -> None:
    _, seen = _visit(candidate, closed(1, 0.3), memory_bytes=16 * 1024**2)
    assert seen.error is not None
    assert "memory" in seen.error


def test_latency_ends_in_a_table_and_records_that_agree(
    tmp_path: Path, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency_run, "latency_traffic", lambda rate: (*SHORT, opened(rate, 0.5)))
    console = Console(width=150, file=io.StringIO(), record=True)
    above = float(len(CORES) + 1)
    settings = latency_run.settings_of(Runtime.DOCKER, 1, 5)
    with suppress(GeneratorBoundError):  # a busy machine, which the table says
        latency_run.run_latency(
            settings, [candidate], vcpus=(0.5, above), memory_bytes=None, rate="100", out=tmp_path, console=console
        )
    record = decode((tmp_path / "run.json").read_bytes(), LatencyRun, source="run.json")
    summary = decode((tmp_path / "summary.json").read_bytes(), LatencySummary, source="summary.json")
    visits = msgspec.json.Decoder(Visit).decode_lines((tmp_path / "visits.jsonl").read_bytes())
    here = [one.name for one in record.points if one.missing is None]
    assert sorted(one.point for one in visits) == sorted(here)
    assert [(row.point, row.traffic) for row in summary.rows] == [
        (name, traffic) for name in here for traffic in (SATURATED, "50% of capacity", "100 a second")
    ]
    text = console.export_text()
    assert re.search(rf"missing: raw_wsgi\+gunicorn-gthread@slim {above:g} vCPU.*no latency is modelled", text)


@pytest.mark.usefixtures("candidate")
def test_workers_end_in_a_recommendation(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "loadtests", "workers", "--framework=raw_wsgi", "--image=slim", "--vcpu=0.5"]
    ended = subprocess.run(
        [*line, "--runtime=docker", "--workers=1,2", "--rounds=1", f"--out={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode in {0, 3}, ended.stdout + ended.stderr
    summary = decode((tmp_path / "summary.json").read_bytes(), LatencySummary, source="summary.json")
    (advice,) = summary.advice
    assert advice.workers in {1, 2}
    assert not advice.firm
    assert f"raw_wsgi+gunicorn-gthread@slim at 0.5 vCPU: {advice.workers} worker" in ended.stdout
