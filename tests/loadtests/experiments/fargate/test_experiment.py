"""Commands on Fargate against a fake AWS on a loopback port: results, interrupts, kills, left-overs."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

import common.conformance.checking
from common.aws.leases import DEFINITION_LEASE
from common.aws.spending import SpendingLimit
from common.catalog.frameworks import frameworks
from common.catalog.sizes import Runtime
from common.catalog.stacks import images, stacks
from common.cli.app import GIVEN, run
from common.cli.parameters import StackParameters
from common.conformance.running import SuiteOutcome
from common.engine.builds import build_images
from common.errors import UsageError
from common.project import ROOT
from common.records.run import Conformance
from loadtests.__main__ import command_line
from loadtests.campaign.store import RunFolder
from loadtests.experiments.fargate.experiment import Factor, TaskStarts, Variant, factor_variants
from loadtests.experiments.fargate.records import FargateRun, TaskStart
from loadtests.experiments.fargate.report import STARTUP as STARTUP_NAME
from tests.support.fake_aws import Endpoint
from tests.support.fargate_records import fargate_run, task_start
from tests.support.fargate_settings import ONE as ONE_VCPU
from tests.support.fargate_settings import fargate_settings
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parallel

WHERE = ("--subnets=s", "--registry=registry.test", "--max-dollars=5")
ONE = ("--framework=raw_wsgi", "--image=slim")
EXPERIMENT = ("experiment", "--name=vcpu", *ONE, "--vcpu=1,2", *WHERE)
STARTUP = ("startup", "--runtime=fargate", *ONE, "--vcpu=0.25,1", *WHERE)
PRICED = ("latency", "--runtime=fargate", *ONE, *WHERE[:-1])
LATENCY = (*PRICED, "--vcpu=0.25", WHERE[-1])
LOADTEST = ("loadtest", "--runtime=fargate", *ONE, "--rounds=3", *WHERE)
CONFORMS = SuiteOutcome(passed=["one"], failed={}, observed={}, divergences={}, duration_s=1.0)


class Ended(NamedTuple):
    """The exit status and output of a command."""

    status: int
    printed: str


Make = Callable[..., Ended]


@cache
def image() -> None:
    """Build the image that tasks run, once."""
    build_images(stacks("raw_wsgi", "default", frameworks()), [images()["slim"]], report=lambda _: None)


@pytest.fixture(autouse=True)
def _image(request: pytest.FixtureRequest) -> None:
    """Build it for a fake AWS that runs it."""
    if "aws" in request.fixturenames:
        image()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Make]:
    """Runs a command in this process, since a new one would take seconds to import its modules."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def call(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["make", *words])
        status = run(command_line(), words, {GIVEN: ""})
        printed = capsys.readouterr()
        return Ended(status, printed.out + printed.err)

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


def variants(factor: Factor, images: str = "slim", vcpus: str = "1", **changes: str) -> tuple[Variant, ...]:
    """Return the cells of an experiment."""
    stacks = StackParameters(framework="raw_wsgi", image=images)
    candidates = stacks.candidates(Runtime.FARGATE, fargate=fargate_settings())
    networks = {"endpoint_subnets": "", "endpoint_security_groups": ""} | changes
    return factor_variants(factor, candidates, vcpus=vcpus, memory=None, **networks)


def test_an_experiment_varies_one_factor_and_names_its_cells_after_it() -> None:
    by_image = variants(Factor.IMAGE_SIZE, images="fat,slim")
    assert [(one.name, one.size) for one in by_image] == [
        ("raw_wsgi+gunicorn-gthread@fat", ONE_VCPU), ("raw_wsgi+gunicorn-gthread@slim", ONE_VCPU)
    ]  # fmt: skip
    assert [one.name for one in variants(Factor.VCPU, vcpus="0.25,1")] == ["0.25 vCPU / 512 MiB", "1 vCPU / 2048 MiB"]
    near, far = variants(Factor.ENDPOINTS, endpoint_subnets="subnet-9", endpoint_security_groups="sg-9")
    assert (near.name, near.subnets, near.groups) == ("without endpoints", "subnet-1,subnet-2", "")
    assert (far.name, far.subnets, far.groups) == ("with endpoints", "subnet-9", "sg-9")


@pytest.mark.parametrize(
    ("factor", "images", "vcpus", "why"),
    [
        (Factor.IMAGE_SIZE, "slim", "1", "NAME=image-size with 1 stacks and images and VCPU=1 compares nothing"),
        (Factor.IMAGE_SIZE, "fat,slim", "1,2", "compares nothing"),
        (Factor.VCPU, "slim", "1", "compares nothing"),
        (Factor.VCPU, "slim", "1,1.0", "compares nothing"),
        (Factor.VCPU, "slim", "1,3", "VCPU=3: must be one of Fargate's sizes"),
        (Factor.ENDPOINTS, "slim", "1", "ENDPOINT_SUBNETS= is not set"),
    ],
)
def test_an_experiment_must_vary_exactly_one_factor(factor: Factor, images: str, vcpus: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        variants(factor, images, vcpus)


def test_only_conforming_cells_are_started_and_others_fail_the_command() -> None:
    good, bad = fargate_run().cells
    failed = Conformance(passed=1, failed={"test_hello": "404"}, duration_s=1.0)
    run = fargate_run(STARTUP_NAME, cells=[good, replace(bad, stack=replace(bad.stack, conformance=failed))])
    experiment = TaskStarts(run)
    assert {one.cell for one in experiment.remaining([]).batch} == {good.name}
    assert experiment.remaining([]).count == 3
    starts = [task_start(good.name, number, total_s=1.0) for number in (1, 2, 3)]
    assert str(experiment.failure(experiment.summarise(starts))) == f"1 of 2 cells do not conform: {bad.name}."


def begin(*line: str) -> subprocess.Popen[str]:
    """Return a command that runs in a process of its own."""
    command = [sys.executable, "-m", "loadtests", *line]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(running: subprocess.Popen[str]) -> Ended:
    """Return a command's exit status and what it printed."""
    printed, _ = running.communicate(timeout=120)
    return Ended(running.returncode, printed)


def starts(folder: Path) -> list[TaskStart]:
    """Return the record of every start."""
    visits = RunFolder(folder=folder).visits()
    assert all(isinstance(one, TaskStart) for one in visits)
    return [one for one in visits if isinstance(one, TaskStart)]


def test_an_experiment_starts_every_cells_tasks_in_rounds_and_writes_each(
    aws: Endpoint, make: Make, tmp_path: Path
) -> None:
    status, printed = make(*EXPERIMENT, "--tasks=3", "--seed=3", f"--out={tmp_path}")
    assert status == 0, printed
    made = starts(tmp_path)
    assert [one.round for one in made] == [1, 1, 2, 2, 3, 3]
    orders = {tuple(one.cell for one in made if one.round == number) for number in (1, 2, 3)}
    assert len(orders) == 2  # this seed shuffles, and each round holds both cells
    assert all(len(set(order)) == 2 for order in orders)
    assert all(one.error is None for one in made)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [(cell["cell"], cell["total_s"]["n"]) for cell in summary["cells"]] == [
        ("1 vCPU / 2048 MiB", 3),
        ("2 vCPU / 4096 MiB", 3),
    ]
    assert "vcpu: starts of 3 Fargate tasks a cell" in printed
    assert [asked["cpu"] for asked in aws.named("RegisterTaskDefinition")] == ["1024", "2048"]


def test_startup_checks_conformance_and_reports_the_phases_of_tasks(
    aws: Endpoint, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another test runs the suite itself."""
    monkeypatch.setattr(common.conformance.checking, "run_suite", lambda *_, **__: CONFORMS)
    status, printed = make(*STARTUP, "--rounds=2", f"--out={tmp_path}")
    assert status == 0, printed
    assert "raw_wsgi+gunicorn-gthread@slim: 1 passed, 0 failed" in printed
    assert len(aws.named("RunTask")) == 5  # one is held to the contract, four are started
    for cell in ("0.25 vCPU / 512 MiB", "1 vCPU / 2048 MiB"):
        assert re.search(rf"raw_wsgi\+gunicorn-gthread@slim {cell} +2 +0 ", printed)
    assert printed.count("±") > 8  # each phase of both cells has an interval
    assert all(one.pull_s and one.total_s for one in starts(tmp_path))
    recorded = RunFolder(folder=tmp_path).run()
    assert isinstance(recorded, FargateRun)
    assert [cell.stack.conformance and cell.stack.conformance.passed for cell in recorded.cells] == [1, 1]


def test_tasks_that_do_not_start_are_recorded_and_the_command_fails(aws: Endpoint, make: Make, tmp_path: Path) -> None:
    aws.ecs.behaviour.stops_before_it_runs = "CannotPullContainerError: timeout"
    status, printed = make(*EXPERIMENT, "--tasks=1", f"--out={tmp_path}")
    assert status == 1
    assert "error: 2 tasks did not start" in printed
    assert all("CannotPullContainerError" in str(one.error) for one in starts(tmp_path))


def test_a_stack_that_does_not_start_is_not_measured(aws: Endpoint, make: Make, tmp_path: Path) -> None:
    aws.ecs.behaviour.runs_instead = "echo no such module; exit 3"
    for line in (STARTUP, LATENCY):
        status, printed = make(*line, f"--out={tmp_path / line[0]}", "--log-group=ours")
        assert status == 1
        assert "error: none of the selected stacks is available and conforms to the contract" in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_takes_everything_down_and_keeps_what_was_measured(
    aws: Endpoint, tmp_path: Path, number: signal.Signals
) -> None:
    running = begin(*EXPERIMENT, "--tasks=50", f"--out={tmp_path}")
    wait_until(lambda: len(aws.ecs.tasks) == 2 and bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(number)
    status, printed = end(running)
    assert status == 130, printed
    assert len(starts(tmp_path)) in {1, 2}
    assert (tmp_path / "summary.json").exists()


def test_an_interrupted_experiment_is_completed(aws: Endpoint, make: Make, tmp_path: Path) -> None:
    running = begin(*EXPERIMENT, "--tasks=2", "--seed=3", f"--out={tmp_path}")
    wait_until(lambda: len(aws.ecs.tasks) == 2 and bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(signal.SIGINT)
    status, printed = end(running)
    assert status == 130, printed
    assert f"resume with: api-benchmark experiment --resume={tmp_path}" in printed
    before = starts(tmp_path)
    unpaid = make("experiment", f"--resume={tmp_path}", *WHERE[:-1])
    assert unpaid.status == 2
    assert "MAX_DOLLARS= is not set" in unpaid.printed
    status, printed = make("experiment", f"--resume={tmp_path}", *WHERE)
    assert status == 0, printed
    made = starts(tmp_path)
    assert made[: len(before)] == before
    assert [(one.round, one.error) for one in made] == [(1, None), (1, None), (2, None), (2, None)]


def test_a_run_that_has_spent_its_limit_says_how_it_is_completed(
    aws: Endpoint, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SpendingLimit, "approve", lambda *_: None)
    status, printed = make(*EXPERIMENT[:-1], "--tasks=3", f"--out={tmp_path}", "--max-dollars=0.004")
    assert status == 1
    assert f"resume with: make experiment RESUME={tmp_path}" in printed
    assert "error: MAX_DOLLARS=0.004 leaves nothing for another task." in printed
    assert len(aws.named("RunTask")) == len(starts(tmp_path)) in {2, 3}


@pytest.mark.parametrize("line", [STARTUP, LATENCY])
def test_an_interrupted_probe_leaves_nothing(aws: Endpoint, tmp_path: Path, line: tuple[str, ...]) -> None:
    running = begin(*line, f"--out={tmp_path}")
    wait_until(lambda: bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(signal.SIGINT)
    assert end(running).status == 130


def test_leftovers_of_a_kill_are_removed_by_tag_and_live_tasks_are_kept(
    aws: Endpoint, make: Make, tmp_path: Path
) -> None:
    running = begin(*EXPERIMENT, "--tasks=50", f"--out={tmp_path}")
    wait_until(lambda: bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(signal.SIGSTOP)
    lives = make("fargate-clean")
    running.kill()
    end(running)
    aws.ahead_s = DEFINITION_LEASE.total_seconds() + 60
    dead = make("fargate-clean")
    assert lives.printed.startswith("removed 0 tasks and 0 task definitions\nleft 1 task and 2 task definitions")
    assert dead == (0, "removed 1 task and 2 task definitions\n")


def test_a_stack_on_fargate_is_checked_against_the_contract(aws: Endpoint, make: Make) -> None:
    status, printed = make("conformance", "--runtime=fargate", *ONE, *WHERE)
    assert status == 0, printed
    assert "conforms" in printed
    assert len(aws.named("RunTask")) == 1


@pytest.mark.parametrize(
    ("line", "tasks"),
    [
        ((*EXPERIMENT, "--tasks=2"), 4),
        ((*STARTUP, "--rounds=2"), 5),
        ((*LATENCY, "--rounds=2"), 3),
        ((*LATENCY, "--rounds=2", "--load-from=task"), 5),
        (LOADTEST, 7),
        ((*LOADTEST, "--load-from=task", "--log-group=ours"), 13),
        (("serve", "--runtime=fargate", *ONE, *WHERE), 1),
    ],
)
def test_a_dry_run_prints_every_call_and_needs_neither_credentials_nor_a_network(
    line: tuple[str, ...], tasks: int, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    status, printed = make(*line, "--dry-run")
    assert status == 0, printed
    calls = [words.split()[1] for words in printed.splitlines() if words.startswith(("ecs ", "ec2 "))]
    assert calls.count("RunTask") == calls.count("StopTask") == tasks
    assert calls.count("RegisterTaskDefinition") == calls.count("DeleteTaskDefinitions") > 0
    assert calls[-1] == "DeleteTaskDefinitions"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ((*STARTUP, "--cache=cold"), "CACHE=cold needs RUNTIME=docker"),
        ((*STARTUP, "--bandwidth=1gbit"), "BANDWIDTH=1gbit needs RUNTIME=docker"),
        ((*STARTUP, "--memory=8g"), "MEMORY=8g: on Fargate, VCPU=0.25 goes with 512m, 1024m, 2048m"),
        ((*STARTUP, "--load-from=task"), "invalid LOAD_FROM=task: only loadtest and latency generate load"),
        ((*PRICED, "--max-dollars=5", "--vcpu=0.25,3"), "VCPU=3: must be one of Fargate's sizes, 0.25, 0.5, 1, 2, 4"),
        ((*PRICED, "--max-dollars=0.01"), "invalid MAX_DOLLARS=0.01: must be 0."),
        ((*LOADTEST, "--tool=wrk", "--load-from=task"), "LOAD_FROM=here"),
        (("latency", "--runtime=docker", "--load-from=task"), "LOAD_FROM= needs RUNTIME=fargate"),
        (
            ("startup", "--runtime=docker", "--memory=1g"),
            "MEMORY=1g needs RUNTIME=fargate; in Docker a start gets half of the machine's memory",
        ),
    ],
)
def test_options_that_fargate_lacks_are_refused_before_anything_starts(
    aws: Endpoint, make: Make, line: tuple[str, ...], message: str
) -> None:
    status, printed = make(*line)
    assert (status, aws.calls) == (2, [])
    assert message in printed.splitlines()[-1]
