"""What a user types, against an AWS on a loopback port: results, interrupts, kills, leftovers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from common.build import build
from common.images import images
from common.matrix import stacks
from common.registry import ROOT, frameworks
from tests.fargate.endpoint import Endpoint, endpoint
from tests.waiting import wait_until

WHERE = ("--subnets=s", "--registry=registry.test", "--max-dollars=5")
EXPERIMENT = ("loadtests", "experiment", "--name=vcpu", "--framework=raw_wsgi", "--image=slim", "--vcpu=1,2", *WHERE)


@pytest.fixture(scope="module", autouse=True)
def _image(engine: DockerClient) -> None:  # noqa: ARG001 -- skips without one
    build(stacks("raw_wsgi", "default", frameworks()), [images()["slim"]], report=lambda _: None)


@pytest.fixture
def aws(engine: DockerClient) -> Iterator[Endpoint]:
    """An AWS of our own for other processes; nothing is left in it."""
    with endpoint(engine) as made:
        yield made
        assert made.ecs.running == []
        assert made.ecs.definitions == {}


def begin(aws: Endpoint, *line: str) -> subprocess.Popen[str]:
    """A verb under way."""
    return subprocess.Popen(
        [sys.executable, "-m", *line],
        cwd=ROOT,
        env=os.environ | aws.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(running: subprocess.Popen[str]) -> tuple[int, str]:
    """A verb's exit status and what it printed."""
    printed, _ = running.communicate(timeout=120)
    return running.returncode, printed


def test_an_experiment_starts_every_cells_tasks_in_rounds_and_writes_each(aws: Endpoint, tmp_path: Path) -> None:
    status, printed = end(begin(aws, *EXPERIMENT, "--tasks=3", "--seed=3", f"--out={tmp_path}"))
    assert status == 0, printed
    starts = [json.loads(line) for line in (tmp_path / "starts.jsonl").read_text().splitlines()]
    assert [one["round"] for one in starts] == [1, 1, 2, 2, 3, 3]
    orders = {tuple(one["cell"] for one in starts if one["round"] == number) for number in (1, 2, 3)}
    assert len(orders) == 2  # this seed shuffles, and each round holds both cells
    assert all(len(set(order)) == 2 for order in orders)
    assert all(one["error"] is None and one["total_s"] > 0 for one in starts)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [(cell["cell"], cell["total_s"]["n"]) for cell in summary["cells"]] == [
        ("1 vCPU / 2048 MiB", 3),
        ("2 vCPU / 4096 MiB", 3),
    ]
    assert "vcpu: start of 3 Fargate tasks a cell" in printed
    assert [asked["cpu"] for asked in aws.named("RegisterTaskDefinition")] == ["1024", "2048"]


def test_tasks_that_do_not_start_are_recorded_and_the_command_fails(aws: Endpoint, tmp_path: Path) -> None:
    aws.ecs.behaviour.stops_before_it_runs = "CannotPullContainerError: timeout"
    status, printed = end(begin(aws, *EXPERIMENT, "--tasks=1", f"--out={tmp_path}"))
    assert status == 1
    assert "error: 2 of 2 tasks did not start" in printed
    assert "CannotPullContainerError" in (tmp_path / "starts.jsonl").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_takes_everything_down_and_keeps_what_was_measured(
    aws: Endpoint, tmp_path: Path, number: signal.Signals
) -> None:
    running = begin(aws, *EXPERIMENT, "--tasks=50", f"--out={tmp_path}")
    wait_until(lambda: len(aws.ecs.tasks) == 2 and bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(number)
    status, printed = end(running)
    assert status == 130, printed
    assert len((tmp_path / "starts.jsonl").read_text().splitlines()) in {1, 2}
    assert (tmp_path / "summary.json").exists()


def test_what_a_kill_leaves_is_found_by_its_tag_and_removed_and_what_lives_is_not(
    aws: Endpoint, tmp_path: Path
) -> None:
    running = begin(aws, *EXPERIMENT, "--tasks=50", f"--out={tmp_path}")
    wait_until(lambda: bool(aws.ecs.containers()), deadline_s=60)
    running.send_signal(signal.SIGSTOP)
    lives = end(begin(aws, "common", "fargate-clean"))
    running.kill()
    end(running)
    dead = end(begin(aws, "common", "fargate-clean"))
    assert lives[1].startswith("removed 0 tasks and 0 task definitions\nleft 1 tasks and 2 task definitions")
    assert dead == (0, "removed 1 tasks and 2 task definitions\n")


def test_a_stack_on_fargate_is_held_to_the_contract(aws: Endpoint) -> None:
    status, printed = end(begin(aws, "common", "conformance", "--runtime=fargate", "--framework=raw_wsgi", *WHERE))
    assert status == 0, printed
    assert "conforms" in printed


@pytest.mark.parametrize(
    "line",
    [
        [*EXPERIMENT, "--tasks=2"],
        ["loadtests", "loadtest", "--runtime=fargate", "--framework=raw_wsgi", "--rounds=3", *WHERE],
        ["common", "serve", "--runtime=fargate", "--framework=raw_wsgi", *WHERE],
    ],
)
def test_a_dry_run_prints_every_call_and_needs_neither_credentials_nor_a_network(
    line: list[str], tmp_path: Path
) -> None:
    nobody = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nobody |= {"HOME": str(tmp_path), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *line, "--dry-run"], cwd=ROOT, env=nobody, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 30
    calls = [words.split()[1] for words in done.stdout.splitlines() if words.startswith(("ecs ", "ec2 "))]
    assert calls.count("RunTask") == calls.count("StopTask") > 0
    assert calls.count("RegisterTaskDefinition") == calls.count("DeleteTaskDefinitions") > 0
    assert calls[-1] == "DeleteTaskDefinitions"
