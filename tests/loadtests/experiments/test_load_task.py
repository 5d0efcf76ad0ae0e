"""Load from a task beside the server's, in containers that really run: records, what goes wrong, nothing left."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from docker import DockerClient

import common.runtimes.fargate
from common.aws.calls import CannotContinueError
from common.aws.leftovers import Leftovers
from common.catalog.images import DEFAULT_PYTHON, GENERATOR
from common.catalog.sizes import Size
from common.catalog.stacks import Stack
from common.console import terminal
from common.errors import FailedError, UsageError
from common.project import ROOT
from common.records.latency import LatencyRun, Point
from common.records.run import Run
from common.runtimes.candidates import Candidate, Runtime
from common.runtimes.preparation import prepare
from loadtests.fargate.load_task import Stamp, perform
from loadtests.generator.ceiling import ceiling
from loadtests.generator.generator_image import build_generator
from loadtests.latency import run as latency_run
from loadtests.latency.points import SATURATED, closed, opened, point
from loadtests.latency.visit_rounds import DESIGN
from loadtests.latency.visits import visit
from loadtests.runs.manifest import SECOND_TASK, Identity, manifest
from loadtests.runs.plan import Step
from loadtests.windows import second_task, tools
from tests.support.fake_aws import Endpoint
from tests.support.fargate_settings import SLIM, fargate_settings
from tests.support.waiting import wait_until

SIZE = Size(vcpu=0.5, memory_bytes=1024**3)
UNDER_WAY = """
import sys
import msgspec
from common.records.run import Run
from common.runtimes.fargate import serve
from loadtests.windows import tools
from tests.support.fargate_settings import ONE, fargate_settings

where = fargate_settings(load_from="task")
with serve("toy", where.image(sys.argv[1]), ONE, where) as running:
    tools.measure(running, msgspec.json.decode(sys.argv[2], type=Run))
"""


@pytest.fixture(scope="module")
def generator(engine: DockerClient, toy_name: str) -> Iterator[str]:
    """The generator's image, of the code that is tested."""
    made = build_generator(DEFAULT_PYTHON, terminal(), tag=f"{GENERATOR}:{toy_name}")
    yield made
    engine.images.remove(made, force=True)


@pytest.fixture
def candidate(aws: Endpoint, generator: str, toy_on_slim: Stack) -> Candidate:
    """The toy on Fargate, with a generator's image to load it."""
    aws.ecs.images[f"{GENERATOR}:latest"] = generator
    return Candidate(stack=toy_on_slim, image=SLIM, fargate=fargate_settings(load_from="task"))


@pytest.fixture
def run(candidate: Candidate) -> Run:
    """What is loaded and how: briefly."""
    plain = manifest(latency_run.settings_of(Runtime.FARGATE, 1, 1), [candidate], {}, Identity.of(1), design=DESIGN)
    return msgspec.structs.replace(plain, users=4, warmup_s=0.2, window_s=0.5)


def at(run: Run, candidate: Candidate) -> tuple[LatencyRun, Point]:
    """A point with a closed loop and a share of what that reaches."""
    few = [msgspec.structs.replace(one, connections=4) for one in (closed(16, 0.5), opened("50%", 0.5))]
    made = point(candidate.name, 0.5, few, runtime=Runtime.FARGATE, cores=(0, 1), workers=1)
    made = msgspec.structs.replace(made, memory_bytes=SIZE.memory_bytes)
    return LatencyRun(verb="latency", run=run, points=[made]), made


def test_a_window_from_a_second_task_is_the_record_that_one_from_here_is(
    aws: Endpoint, candidate: Candidate, run: Run
) -> None:
    with candidate.serve(SIZE, cores=()) as running:
        load = tools.measure(running, run, seed=1)
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
    assert ceiling(run) is None  # it would be this machine's
    assert (run.load_path, run.server_cores, run.generator_cores) == (SECOND_TASK, [], [0, 1])


def test_all_traffic_of_a_visit_is_made_by_one_task(aws: Endpoint, candidate: Candidate, run: Run) -> None:
    record, made = at(run, candidate)
    seen = visit(record, Step(round=1, position=1, cell=made.name), made, candidate)
    assert seen.error is None
    assert list(seen.loads) == [one.name for one in made.traffic]
    half = seen.loads["50% of capacity"]
    assert half.open_loop is not None
    saturated = seen.loads[SATURATED]
    assert half.open_loop.capacity_rps == pytest.approx(saturated.requests / saturated.duration_s)
    assert len(aws.named("RunTask")) == 2


def test_a_server_that_dies_ends_the_wait_for_the_load(
    aws: Endpoint, candidate: Candidate, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies when the generator is started."""
    record, made = at(run, candidate)
    ask = common.runtimes.fargate.started

    def kill_the_server(name: str, *given: object, **named: object) -> object:
        if name != candidate.name:
            for container in aws.ecs.containers():
                container.kill()
        return ask(name, *given, **named)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(common.runtimes.fargate, "started", kill_the_server)
    seen = visit(record, Step(round=1, position=1, cell=made.name), made, candidate)
    assert seen.error is not None
    assert re.search("^toy_.* on Fargate ended before the load was over: .*exit status 137", seen.error)


def test_a_generator_that_does_not_run_is_told_with_its_log(
    aws: Endpoint, candidate: Candidate, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_task, "LINE", ("sh", "-c", "echo no memory left; exit 9"))
    object.__setattr__(candidate, "fargate", fargate_settings(load_from="task", log_group="ours"))
    with candidate.serve(SIZE, cores=()) as running:
        with pytest.raises(FailedError, match=r"load generator on Fargate ended .* exit status 9; .*: no memory left"):
            tools.measure(running, run)
        assert len(aws.ecs.running) == 1


def test_an_image_of_other_code_is_refused(
    aws: Endpoint, candidate: Candidate, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_task, "code", lambda: "of tomorrow")
    with (
        candidate.serve(SIZE, cores=()) as running,
        pytest.raises(CannotContinueError, match=r"of other code than this\. Run: make generator REGISTRY="),
    ):
        tools.measure(running, run)
    assert aws.ecs.running == []


def test_a_generator_that_is_not_in_the_registry_is_named_before_anything_is_paid_for(
    aws: Endpoint, candidate: Candidate
) -> None:
    aws.images = {str(candidate.tag)}
    with pytest.raises(UsageError, match=r"generator:latest is not in the registry\. Run: make generator REGISTRY="):
        prepare([candidate], terminal())
    assert aws.named("RunTask") == []


def test_an_order_of_other_code_is_not_even_read() -> None:
    assert perform(msgspec.json.encode(Stamp(code="of tomorrow")).decode()).other_code


def test_an_order_fits_into_a_task_definition(run: Run) -> None:
    order = second_task.Order(code=second_task.code(), url="http://192.0.2.1:8000", run=second_task._short(run))
    assert len(json.dumps(msgspec.json.encode(order).decode())) < 8 * 1024


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_neither_task_is_left(aws: Endpoint, candidate: Candidate, run: Run, number: signal.Signals) -> None:
    """After an interrupt nothing is; after a kill the next run finds both by their tag."""
    long = msgspec.json.encode(msgspec.structs.replace(run, window_s=60.0)).decode()
    line = [sys.executable, "-c", UNDER_WAY, str(candidate.tag), long]
    with subprocess.Popen(line, cwd=ROOT, env=os.environ, stderr=subprocess.DEVNULL) as running:
        try:
            wait_until(lambda: len(aws.ecs.containers()) == 2, deadline_s=60)
            running.send_signal(number)
            assert running.wait(timeout=60) != 0
        finally:
            running.kill()
    if number is signal.SIGKILL:
        assert candidate.fargate is not None
        orphans = Leftovers.find(candidate.fargate.cloud, "default").orphans()
        assert str(orphans) == "2 tasks and 2 task definitions"
        orphans.remove(candidate.fargate.cloud, "default")
