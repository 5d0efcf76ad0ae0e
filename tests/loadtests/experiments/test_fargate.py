"""What a user types, against an AWS on a loopback port: results, interrupts, kills, leftovers."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from docker import DockerClient

import common.conformance.candidates
from common import __main__ as common_verbs
from common.catalog.frameworks import frameworks
from common.catalog.images import images
from common.catalog.stacks import stacks
from common.cli.app import GIVEN, run
from common.conformance.running import SuiteOutcome
from common.engine.builds import build_images
from common.project import ROOT
from loadtests import __main__ as loadtests_verbs
from tests.support.fake_aws import Endpoint
from tests.support.waiting import wait_until

WHERE = ("--subnets=s", "--registry=registry.test", "--max-dollars=5")
ONE = ("--framework=raw_wsgi", "--image=slim")
EXPERIMENT = ("loadtests", "experiment", "--name=vcpu", *ONE, "--vcpu=1,2", *WHERE)
STARTUP = ("loadtests", "startup", "--runtime=fargate", *ONE, "--vcpu=0.25,1", *WHERE)
PRICED = ("loadtests", "latency", "--runtime=fargate", *ONE, *WHERE[:-1])
LATENCY = (*PRICED, "--vcpu=0.25", WHERE[-1])
LOADTEST = ("loadtests", "loadtest", "--runtime=fargate", *ONE, "--rounds=3", *WHERE)
CONFORMS = SuiteOutcome(passed=("one",), failed=(), observed={}, divergences={}, duration_s=1.0)
APPS = {"common": common_verbs.app, "loadtests": loadtests_verbs.app}


class Ended(NamedTuple):
    """How a verb ended."""

    status: int
    printed: str


Make = Callable[..., Ended]


@pytest.fixture(scope="module", autouse=True)
def _image(engine: DockerClient) -> None:  # noqa: ARG001 -- skips without one
    build_images(stacks("raw_wsgi", "default", frameworks()), [images()["slim"]], report=lambda _: None)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Make]:
    """Runs a verb in this process: another would take seconds to import what it needs."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def call(room: str, *words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["make", *words])
        monkeypatch.delenv(GIVEN, raising=False)
        status = run(APPS[room])
        told = capsys.readouterr()
        return Ended(status, told.out + told.err)

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


def begin(*line: str) -> subprocess.Popen[str]:
    """A verb under way in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", *line], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def end(running: subprocess.Popen[str]) -> Ended:
    """A verb's exit status and what it printed."""
    printed, _ = running.communicate(timeout=120)
    return Ended(running.returncode, printed)


def starts(folder: Path) -> list[dict[str, object]]:
    """What was written of every start."""
    return [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]


def test_an_experiment_starts_every_cells_tasks_in_rounds_and_writes_each(
    aws: Endpoint, make: Make, tmp_path: Path
) -> None:
    status, printed = make(*EXPERIMENT, "--tasks=3", "--seed=3", f"--out={tmp_path}")
    assert status == 0, printed
    made = starts(tmp_path)
    assert [one["round"] for one in made] == [1, 1, 2, 2, 3, 3]
    orders = {tuple(one["cell"] for one in made if one["round"] == number) for number in (1, 2, 3)}
    assert len(orders) == 2  # this seed shuffles, and each round holds both cells
    assert all(len(set(order)) == 2 for order in orders)
    assert all(one["error"] is None for one in made)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [(cell["cell"], cell["total_s"]["n"]) for cell in summary["cells"]] == [
        ("1 vCPU / 2048 MiB", 3),
        ("2 vCPU / 4096 MiB", 3),
    ]
    assert "vcpu: start of 3 Fargate tasks a cell" in printed
    assert [asked["cpu"] for asked in aws.named("RegisterTaskDefinition")] == ["1024", "2048"]


def test_startup_holds_a_stack_to_the_contract_and_tells_the_phases_of_its_tasks(
    aws: Endpoint, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite itself is not run: another test does that."""
    monkeypatch.setattr(common.conformance.candidates, "run_suite", lambda *_, **__: CONFORMS)
    status, printed = make(*STARTUP, "--rounds=2", f"--out={tmp_path}")
    assert status == 0, printed
    assert "raw_wsgi+gunicorn-gthread@slim: 1 passed, 0 failed" in printed
    assert len(aws.named("RunTask")) == 5  # one is held to the contract, four are started
    for cell in ("0.25 vCPU / 512 MiB", "1 vCPU / 2048 MiB"):
        assert re.search(rf"raw_wsgi\+gunicorn-gthread@slim {cell} +2 +0 ", printed)
    assert printed.count("±") > 8  # each phase of both cells has an interval
    assert all(one["pull_s"] and one["total_s"] for one in starts(tmp_path))
    experiment = json.loads((tmp_path / "experiment.json").read_text())
    assert {cell["conformance"]["passed"] for cell in experiment["cells"]} == {1}


def test_tasks_that_do_not_start_are_recorded_and_the_command_fails(aws: Endpoint, make: Make, tmp_path: Path) -> None:
    aws.ecs.behaviour.stops_before_it_runs = "CannotPullContainerError: timeout"
    status, printed = make(*EXPERIMENT, "--tasks=1", f"--out={tmp_path}")
    assert status == 1
    assert "error: 2 of 2 tasks did not start" in printed
    assert all("CannotPullContainerError" in str(one["error"]) for one in starts(tmp_path))


def test_a_stack_that_does_not_come_up_is_not_measured(aws: Endpoint, make: Make, tmp_path: Path) -> None:
    aws.ecs.behaviour.runs_instead = "echo no such module; exit 3"
    for line in (STARTUP, LATENCY):
        status, printed = make(*line, f"--out={tmp_path / line[1]}", "--log-group=ours")
        assert status == 1
        assert "error: no stack that was asked for can be had and conforms" in printed


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


@pytest.mark.parametrize("line", [STARTUP, LATENCY])
def test_an_interrupted_probe_leaves_nothing(aws: Endpoint, tmp_path: Path, line: tuple[str, ...]) -> None:
    running = begin(*line, f"--out={tmp_path}")
    wait_until(lambda: bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(signal.SIGINT)
    assert end(running).status == 130


def test_what_a_kill_leaves_is_found_by_its_tag_and_removed_and_what_lives_is_not(
    aws: Endpoint, make: Make, tmp_path: Path
) -> None:
    running = begin(*EXPERIMENT, "--tasks=50", f"--out={tmp_path}")
    wait_until(lambda: bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(signal.SIGSTOP)
    lives = make("common", "fargate-clean")
    running.kill()
    end(running)
    dead = make("common", "fargate-clean")
    assert lives.printed.startswith("removed 0 tasks and 0 task definitions\nleft 1 tasks and 2 task definitions")
    assert dead == (0, "removed 1 tasks and 2 task definitions\n")


def test_a_stack_on_fargate_is_held_to_the_contract(aws: Endpoint, make: Make) -> None:
    status, printed = make("common", "conformance", "--runtime=fargate", *ONE, *WHERE)
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
        (("common", "serve", "--runtime=fargate", *ONE, *WHERE), 1),
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
    ("line", "told"),
    [
        ((*STARTUP, "--cache=cold"), "CACHE=cold needs RUNTIME=docker"),
        ((*STARTUP, "--bandwidth=1gbit"), "BANDWIDTH=1gbit needs RUNTIME=docker"),
        ((*STARTUP, "--memory=8g"), "MEMORY=8g is no Fargate size at VCPU=0.25. Accepted: 512m, 1024m, 2048m"),
        ((*STARTUP, "--load-from=task"), "LOAD_FROM=task is for loadtest and latency"),
        ((*PRICED, "--max-dollars=5", "--vcpu=0.25,3"), "VCPU=3 is no Fargate size. Accepted: 0.25, 0.5, 1, 2, 4"),
        ((*PRICED, "--max-dollars=0.01"), "MAX_DOLLARS=0.01. Accepted: 0."),
        ((*LOADTEST, "--tool=wrk", "--load-from=task"), "LOAD_FROM=here"),
        (("loadtests", "latency", "--runtime=docker", "--load-from=task"), "LOAD_FROM= needs RUNTIME=fargate"),
        (("loadtests", "startup", "--runtime=docker", "--memory=1g"), "MEMORY=1g needs RUNTIME=fargate"),
    ],
)
def test_what_fargate_cannot_give_is_refused_before_anything_starts(
    aws: Endpoint, make: Make, line: tuple[str, ...], told: str
) -> None:
    status, printed = make(*line)
    assert (status, aws.calls) == (2, [])
    assert told in printed.splitlines()[-1]
