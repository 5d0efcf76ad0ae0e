"""The servers and traffic of ``make latency``, and what is missing and why."""

import io
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from docker import DockerClient
from msgspec.structs import replace
from rich.console import Console

from common.aws.settings import FargateSettings
from common.catalog.sizes import Runtime, Size
from common.cli.parameters import StackParameter
from common.console import Terminal
from common.errors import FailedError, GeneratorBoundError, UsageError
from common.records.load import Rate
from common.records.run import Cell, Conformance
from common.records.schema import decode
from common.runtimes.candidates import Candidate
from loadtests.campaign import manifest
from loadtests.campaign.loop import start
from loadtests.campaign.manifest import RunIdentity
from loadtests.campaign.parameters import RunParameters
from loadtests.campaign.store import RunFolder
from loadtests.experiments.latency import experiment as latency
from loadtests.experiments.latency.experiment import (
    Latency,
    Prepared,
    begin_latency,
    closed,
    latency_traffic,
    opened,
    parse_common_rate,
    parse_vcpus,
    planned_servers,
    point,
    points_of,
    require_room,
    why_no_room,
)
from loadtests.experiments.latency.records import SATURATED, LatencyRun, LatencySummary, Point
from loadtests.experiments.latency.visit import longest_window_s
from tests.support import records
from tests.support.traffic_records import PACED, a_point, a_run, a_visit, answers

QUIET = Console(file=io.StringIO())
NGINX = "nginx+static-file"


@pytest.mark.parametrize(
    ("text", "sizes"), [("0.25,0.5,1,2", (0.25, 0.5, 1.0, 2.0)), ("1", (1.0,)), ("1,1.0", (1.0,)), (" 0.5 ", (0.5,))]
)
def test_sizes_are_parsed_in_the_order_listed(text: str, sizes: tuple[float, ...]) -> None:
    assert parse_vcpus(text) == sizes


@pytest.mark.parametrize("text", ["1_0", "", "0", "one", "1,", "nan", "-1", "1e9"])
def test_an_invalid_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"invalid VCPU=.*: must be numbers from 0\.05 to 1024,"):
        parse_vcpus(text)


def test_a_common_rate_cannot_be_a_share() -> None:
    assert parse_common_rate("100") == Rate(rps=100)
    with pytest.raises(UsageError, match=r"invalid RATE=50%: .*the same for all stacks"):
        parse_common_rate("50%")


@pytest.mark.parametrize(
    ("vcpu", "runtime", "cores", "why"),
    [
        (0.25, Runtime.DOCKER, 2, None),
        (1.0, Runtime.DOCKER, 2, None),
        (1.5, Runtime.DOCKER, 2, "generator"),
        (2.0, Runtime.DOCKER, 2, "generator"),
        (2.0, Runtime.DOCKER, 3, None),
        (1.0, Runtime.DOCKER, 1, None),  # shares its core, which a verdict says
        (0.5, Runtime.PROCESS, 2, "no quotas"),
        (1.0, Runtime.PROCESS, 2, None),
        (16.0, Runtime.FARGATE, 2, None),  # it is elsewhere
    ],
)
def test_a_size_that_leaves_the_generator_no_core_is_missing(
    vcpu: float, runtime: Runtime, cores: int, why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    found = why_no_room(vcpu, runtime)
    assert (found is None) == (why is None)
    assert (why or "") in (found or "")
    assert point("a+b", Size(vcpu=vcpu), (), runtime).missing == found


def test_a_run_of_nothing_but_missing_sizes_is_refused() -> None:
    with pytest.raises(UsageError, match=r"VCPU=0\.25 cannot be measured here"):
        require_room([0.25], Runtime.PROCESS)
    require_room([0.25, 1.0], Runtime.PROCESS)


def test_traffic_is_named_by_its_load() -> None:
    assert [one.name for one in latency_traffic(Rate(rps=100))] == [
        SATURATED,
        "one at a time",
        PACED,
        "25% of capacity",
        "50% of capacity",
        "75% of capacity",
    ]


def test_a_point_has_as_many_workers_as_a_load_test_gives_its_size() -> None:
    points = points_of("a+b", (0.25, 1.0, 4.0), (closed(16),), Runtime.FARGATE, memory_bytes=2**30)
    assert [(one.name, one.size.workers, one.size.memory_bytes) for one in points] == [
        ("a+b 0.25 vCPU 1 worker", 1, 2**30),
        ("a+b 1 vCPU 1 worker", 1, 2**30),
        ("a+b 4 vCPU 4 workers", 4, 2**30),
    ]
    assert all(one.server_cores == [] for one in points), "a task's cores are not here"


def candidate(framework: str = "falcon") -> Candidate:
    return StackParameter(framework=framework).candidate(Runtime.PROCESS)


def begun(
    runtime: Runtime, vcpus: Sequence[float], monkeypatch: pytest.MonkeyPatch, floor: Sequence[Cell] = ()
) -> LatencyRun:
    """Return the run of one conforming stack, and of nginx if ``floor`` is set."""
    one = candidate()
    cell = records.cell(one.name, conformance=Conformance(passed=1, duration_s=1.0))
    prepared = Prepared(candidates={one.name: one}, cells=[cell], setup=records.setup())
    monkeypatch.setattr(manifest, "engine_name", lambda: "28.0 (overlay2)")
    monkeypatch.setattr(latency, "prepare_latency", lambda *_: prepared)
    monkeypatch.setattr(latency, "nginx_cells", lambda *_: list(floor))
    experiment, subjects = begin_latency(
        [one],
        RunIdentity.new("latency", 5),
        vcpus=vcpus,
        memory_bytes=None,
        rate=Rate(rps=100),
        runtime=runtime,
        rounds=3,
        messages=QUIET,
    )
    assert set(subjects) == {one.name}
    assert (experiment.run.rounds, experiment.run.seed) == (3, 5)
    return experiment.run


def test_every_stack_and_the_floor_get_a_point_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    floor = [records.cell(NGINX)]
    run = begun(Runtime.DOCKER, (0.5, 4.0), monkeypatch, floor)
    name = candidate().name
    assert [(one.stack, one.size.vcpu, one.missing is None) for one in run.points] == [
        (name, 0.5, True), (name, 4.0, False), (NGINX, 0.5, True), (NGINX, 4.0, False)
    ]  # fmt: skip
    assert [cell.name for cell in run.cells] == [name, NGINX]


def test_on_fargate_a_size_has_the_least_memory_and_the_load_comes_from_the_runs_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = begun(Runtime.FARGATE, (0.25,), monkeypatch)
    (only,) = run.points
    assert only.size.memory_bytes == 512 * 2**20
    assert only.generator_cores == run.setup.generator_cores


def experiment(*points: Point, failed: Mapping[str, str] | None = None) -> Latency[LatencyRun]:
    outcome = Conformance(passed=1, failed=dict(failed or {}), duration_s=1.0)
    cells = [records.cell("a+b", conformance=outcome), records.cell(NGINX)]
    return Latency(a_run(points, cells=cells))


def test_only_points_that_can_be_measured_are_visited() -> None:
    here, above = a_point(0.5), a_point(2.0)
    remaining = experiment(here, above).remaining([])
    assert (remaining.count, {one.cell for one in remaining.batch}) == (5, {here.name})


def test_a_nonconforming_stack_is_not_visited_but_the_floor_is() -> None:
    floor = a_point(0.5, stack=NGINX)
    remaining = experiment(a_point(0.5), floor, failed={"test_hello": "404"}).remaining([])
    assert (remaining.count, remaining.batch[0].cell) == (5, floor.name)


def test_an_interrupted_run_continues_with_its_remaining_visits() -> None:
    here = a_point(0.5)
    made = [a_visit(here, number, {}) for number in (1, 2)]
    remaining = experiment(here).remaining(made)
    assert (remaining.count, remaining.batch[0].round) == (3, 3)
    assert experiment(here).remaining([a_visit(here, number, {}) for number in range(1, 6)]).batch == ()


def test_the_floor_is_not_a_stack_to_prepare() -> None:
    assert [cell.name for cell in experiment().stacks()] == ["a+b"]


def test_a_point_without_a_valid_number_makes_the_command_fail() -> None:
    here = a_point(0.5)
    made = experiment(here)
    good = {one.name: answers(0.001, 2000) for one in here.traffic}
    visits = [a_visit(here, number, good) for number in range(1, 6)]
    assert made.failure(made.summarise(visits)) is None
    died = [replace(one, error="killed for memory") for one in visits]
    error = made.failure(made.summarise(died))
    assert isinstance(error, FailedError)
    assert str(error) == f"no valid number for 1 of 1 points: {here.name}."


def test_a_generator_at_its_limit_is_a_distinct_error() -> None:
    here = a_point(0.5)
    made = experiment(here)
    bound = {one.name: answers(0.001, 2000, generator_cpu_s=1.9) for one in here.traffic}
    error = made.failure(made.summarise([a_visit(here, number, bound) for number in range(1, 6)]))
    assert isinstance(error, GeneratorBoundError)
    assert here.name in str(error)


def test_the_cost_of_all_servers_is_approved_before_a_run_and_of_the_rest_before_a_resumption() -> None:
    one, sizes = candidate(), [Size(vcpu=0.25), Size(vcpu=1.0)]
    planned = planned_servers([one], sizes, 3, Rate(rps=100))
    assert [server.loaded for server in planned] == [False] + [True] * 6
    windows_s = sum(longest_window_s(traffic) for traffic in latency_traffic(Rate(rps=100)))
    assert planned[1].needed_s >= windows_s
    points = points_of(one.name, (0.25, 1.0), latency_traffic(Rate(rps=100)), Runtime.FARGATE)
    run = Latency(a_run(points, cells=[records.cell(one.name)], rounds=3))
    left = run.servers_left([a_visit(points[0], 1, {})], {one.name: one})
    assert len(left) == 5
    assert {server.needed_s for server in left} == {planned[1].needed_s}
    assert all(len(server.tasks(FargateSettings(load_from="task"))) == 2 for server in left)


def test_a_visit_is_described_by_its_medians() -> None:
    made = experiment(a_point())
    assert made.describe(a_visit(a_point(), 1, {PACED: answers(0.002, 1000)})) == f"{PACED} 2.00 ms"


@pytest.mark.parallel
@pytest.mark.long
def test_a_run_ends_in_a_table_and_records_that_agree(
    engine: DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.ping()
    short = (closed(16, 0.5), opened(Rate(share=0.5), 0.5))
    monkeypatch.setattr(latency, "latency_traffic", lambda rate: (*short, opened(rate, 0.5)))
    found = StackParameter(framework="raw_wsgi", image="slim").candidate(Runtime.DOCKER)
    above = float(len(os.sched_getaffinity(0)) + 1)
    results = Console(width=150, file=io.StringIO(), record=True)
    terminal = Terminal(results=results, messages=QUIET)
    begin = partial(begin_latency,
        [found], vcpus=(0.5, above), memory_bytes=None, rate=Rate(rps=100), runtime=Runtime.DOCKER, rounds=1,
        messages=QUIET,
    )  # fmt: skip
    with suppress(GeneratorBoundError):  # a busy machine, which the table says
        start("latency", begin, RunParameters(seed=5, out=tmp_path), terminal)
    folder = RunFolder(folder=tmp_path)
    run, visits = folder.run(), folder.visits()
    assert isinstance(run, LatencyRun)
    summary = decode((tmp_path / "summary.json").read_bytes(), LatencySummary, what="summary", source="summary.json")
    here = [one.name for one in run.points if one.missing is None]
    assert sorted(one.cell for one in visits) == sorted(here)
    assert [(row.point, row.traffic) for row in summary.rows] == [
        (name, traffic) for name in here for traffic in (SATURATED, "50% of capacity", PACED)
    ]
    text = results.export_text()
    assert re.search(rf"missing: raw_wsgi\+gunicorn-gthread@slim {above:g} vCPU.*no latency is modelled", text)


def test_the_run_is_pinned_to_the_cores_of_all_its_points() -> None:
    points = [replace(a_point(), server_cores=[3]), a_point()]
    assert experiment(*points).cores() == {0, 1, 3}
