"""Load from a second task, in real containers: records, errors, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from docker import DockerClient
from msgspec.structs import replace
from rich.console import Console

import common.runtimes.fargate
from common.aws.calls import CannotContinueError
from common.aws.leases import DEFINITION_LEASE, Leftovers
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.sizes import Runtime, Size
from common.catalog.stacks import GENERATOR, Stack
from common.errors import FailedError, UsageError
from common.project import ROOT
from common.records.load import LoadSpec, Rate, Setup
from common.records.run import SECOND_TASK_PATH
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import prepare
from loadtests.campaign.manifest import setup_for
from loadtests.experiments.distributed.experiment import build_generator
from loadtests.experiments.latency import by_task
from loadtests.experiments.latency.by_task import WINDOW, LoadOrder, LoadResult, code_digest
from loadtests.experiments.latency.experiment import closed, opened, point
from loadtests.experiments.latency.load_task import Stamp, perform
from loadtests.experiments.latency.records import SATURATED, Point, TrafficVisit
from loadtests.experiments.latency.visit import load_in_turn
from loadtests.experiments.loadtest import visit as fresh_servers
from loadtests.windows import by_locust
from loadtests.windows.tools import GeneratorError
from tests.support import records
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import SLIM, fargate_settings
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parallel

SIZE = Size(vcpu=0.5, memory_bytes=1024**3)
UNDER_WAY = """
import sys
import msgspec
from common.records.load import Setup
from common.runtimes.fargate import serve
from loadtests.experiments.loadtest import visit as fresh_servers
from tests.support.fargate_settings import ONE, fargate_settings

where = fargate_settings(load_from="task")
with serve("toy", where.image(sys.argv[1]), ONE, where) as running:
    fresh_servers.measure(running, msgspec.json.decode(sys.argv[2], type=Setup))
"""


@pytest.fixture(scope="module")
def generator(engine: DockerClient, toy_name: str) -> Iterator[str]:
    """Build the generator's image from the code under test."""
    made = build_generator(DEFAULT_PYTHON, Console(stderr=True), tag=f"{GENERATOR}:{toy_name}")
    yield made
    engine.images.remove(made, force=True)


@pytest.fixture
def candidate(aws: Endpoint, generator: str, toy_on_slim: Stack) -> Candidate:
    """Return the toy on Fargate, with a generator's image to load it."""
    aws.ecs.images[f"{GENERATOR}:latest"] = generator
    return Candidate(stack=toy_on_slim, image=SLIM, fargate=fargate_settings(load_from="task"))


@pytest.fixture
def setup() -> Setup:
    """Return a set-up with short windows."""
    load = LoadSpec(scenario="hello", users=4, delay_ms=0, warmup_s=0.2, window_s=0.5)
    return setup_for(load, SIZE, Runtime.FARGATE, load_from_task=True)


def a_point(candidate: Candidate) -> Point:
    """Return a point with a closed loop and a share of its capacity."""
    few = [replace(one, connections=4) for one in (closed(16, 0.5), opened(Rate(share=0.5), 0.5))]
    return point(candidate.name, SIZE, few, Runtime.FARGATE)


def visited(candidate: Candidate, setup: Setup) -> TrafficVisit:
    """Return a visit to that point."""
    made = a_point(candidate)
    blank = TrafficVisit(run="x", round=1, position=1, cell=made.name, started_at=datetime.now(UTC), loads={})
    return load_in_turn(blank, made, setup, candidate, seed=1)


def test_a_window_from_a_second_task_is_the_record_that_one_from_here_is(
    aws: Endpoint, candidate: Candidate, setup: Setup
) -> None:
    with candidate.serve(SIZE, cores=()) as running:
        load = fresh_servers.measure(running, setup, seed=1)
        assert len(aws.ecs.running) == 1  # the generator's is gone
    assert load.requests > 10
    assert load.failures == {}
    assert load.duration_s == pytest.approx(0.5, rel=0.2)
    assert load.latency_s is not None
    assert (load.server_cpu_s, load.throttled_s) == (None, None)
    assert load.generator_cpu_s > 0
    server, loader = aws.named("RunTask")
    assert server["networkConfiguration"] == loader["networkConfiguration"]
    assert [asked["cpu"] for asked in aws.named("RegisterTaskDefinition")] == ["512", "2048"]
    assert (setup.load_path, setup.server_cores, setup.generator_cores) == (SECOND_TASK_PATH, [], [0, 1])


def test_all_traffic_of_a_visit_is_made_by_one_task(aws: Endpoint, candidate: Candidate, setup: Setup) -> None:
    seen = visited(candidate, setup)
    assert seen.error is None
    assert list(seen.loads) == [SATURATED, "50% of capacity"]
    half, saturated = seen.loads["50% of capacity"], seen.loads[SATURATED]
    assert half.open_loop is not None
    assert half.open_loop.capacity_rps == pytest.approx(saturated.requests / saturated.duration_s)
    assert len(aws.named("RunTask")) == 2


def test_a_server_that_dies_ends_the_wait_for_the_load(
    aws: Endpoint, candidate: Candidate, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server dies when the generator is started."""
    ask = common.runtimes.fargate.started

    def kill_the_server(name: str, *given: object, **named: object) -> object:
        if name != candidate.name:
            for container in aws.ecs.containers():
                container.kill()
        return ask(name, *given, **named)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(common.runtimes.fargate, "started", kill_the_server)
    seen = visited(candidate, setup)
    assert seen.error is not None
    assert re.search("^toy_.* on Fargate ended before the load was over: .*exit status 137", seen.error)


def test_a_generator_that_does_not_run_is_an_error_with_its_log(
    aws: Endpoint, candidate: Candidate, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_task, "LINE", ("sh", "-c", "echo no memory left; exit 9"))
    object.__setattr__(candidate, "fargate", fargate_settings(load_from="task", log_group="ours"))
    with candidate.serve(SIZE, cores=()) as running:
        with pytest.raises(FailedError, match=r"load generator on Fargate ended .* exit status 9; .*: no memory left"):
            fresh_servers.measure(running, setup)
        assert len(aws.ecs.running) == 1


def test_an_image_of_other_code_is_refused(
    aws: Endpoint, candidate: Candidate, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_task, "code_digest", lambda: "of tomorrow")
    with (
        candidate.serve(SIZE, cores=()) as running,
        pytest.raises(CannotContinueError, match=r"built from other code\. Run make generator REGISTRY="),
    ):
        fresh_servers.measure(running, setup)
    assert aws.ecs.running == []


def test_a_generator_that_is_not_in_the_registry_is_named_before_anything_is_paid_for(
    aws: Endpoint, candidate: Candidate
) -> None:
    aws.images = {str(candidate.tag)}
    with pytest.raises(UsageError, match=r"generator:latest is not in the registry\. Run: make generator REGISTRY="):
        prepare([candidate], Console(stderr=True))
    assert aws.named("RunTask") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_neither_task_is_left(aws: Endpoint, candidate: Candidate, setup: Setup, number: signal.Signals) -> None:
    """An interrupt leaves nothing; after a kill, the next run finds both tasks by tag."""
    long = msgspec.json.encode(replace(setup, load=replace(setup.load, window_s=60.0))).decode()
    line = [sys.executable, "-c", UNDER_WAY, str(candidate.tag), long]
    with subprocess.Popen(line, cwd=ROOT, env=os.environ) as running:
        try:
            wait_until(lambda: len(aws.ecs.containers()) == 2, deadline_s=60)
            running.send_signal(number)
            assert running.wait(timeout=60) != 0
        finally:
            running.kill()
    if number is signal.SIGKILL:
        assert candidate.fargate is not None
        aws.ahead_s = DEFINITION_LEASE.total_seconds() + 60  # until then they belong to a run that may be alive
        orphans = Leftovers.find(candidate.fargate.cloud, "default").orphans()
        assert str(orphans) == "2 tasks and 2 task definitions"
        orphans.remove(candidate.fargate.cloud, "default")


def test_an_order_from_other_code_is_not_parsed() -> None:
    assert perform(msgspec.json.encode(Stamp(code="of tomorrow")).decode()).stale_image


def ordered(of_point: Point | None = None) -> LoadResult:
    """Return the result of an order."""
    order = LoadOrder(
        code=code_digest(), url="http://127.0.0.1:9", setup=records.setup(), seed=3, point=of_point, traffic_seed="3"
    )
    return perform(msgspec.json.encode(order).decode())


def test_an_order_is_carried_out_on_the_cores_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Setup, int]] = []

    def measure(_: object, setup: Setup, *, seed: int) -> object:
        asked.append((setup, seed))
        return records.load(1000)

    monkeypatch.setattr(by_locust, "measure", measure)
    assert ordered() == LoadResult(loads={WINDOW: records.load(1000)})
    ((setup, seed),) = asked
    assert (setup.server_cores, setup.generator_cores, seed) == ([], sorted(os.sched_getaffinity(0)), 3)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (GeneratorError("it did not end"), LoadResult(generator_error="it did not end")),
        (FailedError("no connection was open"), LoadResult(server_error="no connection was open")),
        (UsageError("no such scenario"), LoadResult(generator_error="no such scenario")),
        (OSError("disk full"), LoadResult(generator_error="disk full")),
    ],
)
def test_an_error_is_part_of_the_result_and_attributed(
    error: Exception, result: LoadResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(by_locust, "measure", fail)
    assert ordered() == result


def test_windows_measured_before_an_error_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_: object, setup: Setup, **__: object) -> object:
        if setup.load.scenario == "rate":
            raise GeneratorError("it did not end")
        return records.load(1000)

    monkeypatch.setattr(by_locust, "measure", measure)
    traffic = (closed(16), opened(Rate(share=0.5)))
    result = ordered(point("a+b", Size(), traffic, Runtime.PROCESS))
    assert list(result.loads) == [SATURATED]
    assert result.generator_error == "it did not end"
