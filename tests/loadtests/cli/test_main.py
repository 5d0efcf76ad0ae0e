"""Bad input ends in one line that names the value and what is accepted, exit status 2, and nothing started."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from common.catalog.frameworks import frameworks
from common.cli.app import GIVEN, new_app, run
from common.errors import FailedError, GeneratorBoundError, SlowerError
from common.project import ROOT
from loadtests.__main__ import command_line
from loadtests.experiments.compare.command import failing_only_if_slower

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
MESSAGE = re.compile(r"(process|docker) runtime, |running \d+ tasks? costs ")
"""Messages that may come before a value is looked at."""
FARGATE = "--runtime=fargate --subnets=s --registry=r"


def _run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "loadtests", *words]
    return subprocess.run(line, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Commands set handlers for the process they run in."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


BAD = [
    ("lock --framework=flacon", "FRAMEWORK=flacon", "Did you mean falcon?"),
    ("conformance --framework=", "FRAMEWORK=(empty)", "raw_asgi"),
    ("conformance --runtime=process --server=nginx", "SERVER=nginx", "gunicorn-sync"),
    ("conformance --runtime=process --framework=flask --server=uvicorn", "SERVER=uvicorn", "gunicorn-gthread"),
    ("conformance --runtime=process --image=slim", "IMAGE=slim", "RUNTIME=docker"),
    ("conformance --runtime=podman", "RUNTIME=podman", "process, docker, fargate, auto"),
    ("conformance --url=ftp://localhost", "ftp://localhost", "http"),
    ("conformance --url=http://127.0.0.1:9", "http://127.0.0.1:9", "URL"),
    ("conformance --url=http://127.0.0.1:9 --framework=flask", "URL=http://127.0.0.1:9", "Leave out FRAMEWORK=."),
    ("conformance --url=http://127.0.0.1:9 --runtime=docker --region=here", "is already up", "REGION=, RUNTIME="),
    ("sbom --image=slimmer", "IMAGE=slimmer", "Did you mean slim?"),
    ("build --image=slimmer", "IMAGE=slimmer", "Did you mean slim?"),
    ("build --python=three", "PYTHON=three", "3.13"),
    ("build --jobs=0", "0", ">= 1"),
    ("build --framwork=falcon", "framwork", "FRAMEWORK="),
    ("biuld", "biuld", "build"),
    ("list --format=yaml", "yaml", "json"),
    ("serve", "FRAMEWORK=(empty)", "raw_asgi"),
    ("serve --runtime=process --framework=all", f"{len(frameworks())} stacks", "one of"),
    ("serve --runtime=process --framework=flask --port=0", "0", ">= 1"),
    ("serve --runtime=process --framework=flask --port=http", "http", "PORT="),
    ("loadtest --scenario=helo", "SCENARIO=helo", "Did you mean hello?"),
    ("loadtest --vcpu=0", "VCPU=0", "0.05 to"),
    ("loadtest --vcpu=-1", "VCPU=-1", "0.05 to"),
    ("loadtest --vcpu=abc", "VCPU=abc", "0.05 to"),
    ("loadtest --vcpu=nan", "VCPU=nan", "0.05 to"),
    ("loadtest --vcpu=4096", "VCPU=4096", "this machine's cores"),
    ("loadtest --memory=12", "MEMORY=12", "512m"),
    ("loadtest --memory=4k", "MEMORY=4k", "16m"),
    ("loadtest --runtime=process --vcpu=0.5", "VCPU=0.5", "RUNTIME=docker"),
    ("loadtest --scenario=rate --rate=fast", "RATE=fast", "50%"),
    ("loadtest --scenario=rate --rate=120%", "RATE=120%", "50%"),
    ("loadtest --rate=100", "RATE=100", "SCENARIO=ramp or rate"),
    ("loadtest --scenario=ramp --rate=50%", "RATE=50%", "requests per second"),
    ("loadtest --scenario=rate --arrivals=bursty", "ARRIVALS=bursty", "poisson"),
    ("loadtest --arrivals=poisson", "ARRIVALS=poisson", "SCENARIO=ramp or rate"),
    ("loadtest --scenario=ramp --objective=fast", "OBJECTIVE=fast", "p99<50ms"),
    ("loadtest --objective=p99<50ms", "OBJECTIVE=p99<50ms", "SCENARIO=ramp or sleepers"),
    ("loadtest --users=0", "0", ">= 1"),
    ("loadtest --users=many", "many", "USERS="),
    ("loadtest --users=10001", "10001", "<= 10000"),
    ("loadtest --delay=60001", "60001", "<= 60000"),
    ("loadtest --delay=-1", "-1", ">= 0"),
    ("loadtest --rounds=0", "0", ">= 1"),
    ("loadtest --rounds=5 --budget=3m", "ROUNDS=5", "Leave out BUDGET="),
    ("loadtest --budget=soon", "BUDGET=soon", "15m"),
    ("loadtest --budget=0s", "BUDGET=0s", "15m"),
    ("loadtest --precision=90%", "PRECISION=90%", "such as 2%"),
    ("loadtest --margin=none", "MARGIN=none", "such as 2%"),
    ("loadtest --seed=-1", "-1", ">= 0"),
    ("loadtest --resume=yesterday", "RESUME=yesterday", "run's folder"),
    ("loadtest --resume=yesterday --seed=4 --framework=flask", "RESUME=", "FRAMEWORK=, SEED="),
    ("loadtest --out=Makefile", "OUT=Makefile", "empty folder"),
    ("loadtest --out=common", "OUT=common", "empty folder"),
    ("loadtest --tool=wrc", "TOOL=wrc", "Did you mean wrk?"),
    ("loadtest --generator-workers=-1", "-1", ">= 0"),
    ("profile --a=falcon --b=flask --framework=django", "A= and B= name the stacks", "Leave out FRAMEWORK=."),
    ("profile --a=falcon --b=flask --python=3.12", "A= and B= name the stacks", "Leave out PYTHON=."),
    ("loadtest --url=http://127.0.0.1:9", "URL=http://127.0.0.1:9", "cannot be reached"),
    ("loadtest --url=http://127.0.0.1:9 --memory=512m", "URL=http://127.0.0.1:9", "Leave out MEMORY=."),
    ("loadtest --url=http://127.0.0.1:9 --vcpu=0.5", "VCPU=0.5", "whole vCPUs only"),
    ("loadtest --url=ftp://x", "URL=ftp://x", "http://HOST:PORT"),
    ("loadtest --url=http://192.0.2.1", "URL=http://192.0.2.1:80", "FOREIGN_URL=yes"),
    ("loadtest --target-caps=SETUID --runtime=process", "TARGET_CAPS=SETUID", "needs TARGET_IMAGE="),
    ("loadtest --foreign-url=yes --runtime=process", "FOREIGN_URL=yes", "needs URL="),
    ("conformance --url=http://192.0.2.1", "URL=http://192.0.2.1", "FOREIGN_URL=yes"),
    ("conformance --foreign-url=yes", "FOREIGN_URL=yes", "needs URL="),
    ("master --url=http://192.0.2.1/x --expect=1", "URL=http://192.0.2.1/x", "FOREIGN_URL=yes"),
    ("loadtest --url=http://127.0.0.1:9 --target-image=app", "TARGET_IMAGE=app", "leave one out"),
    ("loadtest --pid=1 --runtime=process", "PID=1", "needs URL="),
    ("loadtest --container=app --runtime=process", "CONTAINER=app", "needs URL="),
    ("loadtest --target-image=app --runtime=process", "TARGET_IMAGE=app", "RUNTIME=docker"),
    ("loadtest --paths=none.toml --runtime=process", "PATHS=none.toml", "[[request]]"),
    ("loadtest --paths=none.toml --scenario=sleep --runtime=process", "PATHS=none.toml", "SCENARIO=sleep"),
    ("loadtest --generator-workers=2 --scenario=ramp", "GENERATOR_WORKERS=2", "SCENARIO=ramp"),
    ("compare", "A=(empty)", "FRAMEWORK[@VERSION or @./CHECKOUT][+SERVER[@VERSION]]"),
    ("compare --a=falcon --b=flacon", "B=flacon", "Did you mean falcon?"),
    ("compare --a=falcon --b=flask --fail-if-slower=much", "FAIL_IF_SLOWER=much", "such as 2%"),
    ("compare --a=falcon --b=flask --rounds=0", "0", ">= 1"),
    ("compare --a=falcon --b=flask --paths=none.toml", "PATHS=none.toml", "[[request]]"),
    ("compare --a=falcon --b=flask --rounds=5 --budget=1m", "ROUNDS=5", "Leave out BUDGET=1m"),
    ("latency --rate=50%", "RATE=50%", "requests per second"),
    ("latency --vcpu=1,zero", "VCPU=zero", "0.05"),
    ("latency --runtime=process --vcpu=0.5", "VCPU=0.5", "RUNTIME=docker"),
    ("latency --runtime=process --memory=1g", "MEMORY=1g", "RUNTIME=docker"),
    ("workers --runtime=process --framework=flask --workers=0", "WORKERS=0", "1 to 64"),
    ("workers --runtime=process --framework=aiohttp --vcpu=1", "FRAMEWORK=aiohttp", "one process"),
    ("master --url=http://127.0.0.1:9 --expect=0", "0", ">= 1"),
    ("master --url=https://127.0.0.1:9 --expect=1", "URL=https://127.0.0.1:9", "http://NAME[:PORT]"),
    ("master --url=http://127.0.0.1:9 --expect=1 --bind=nowhere", "BIND=nowhere", "HOST:PORT"),
    ("master --url=http://127.0.0.1:9 --expect=1 --out=Makefile", "OUT=Makefile", "empty folder"),
    ("master --url=http://127.0.0.1:9 --expect=1 --rate=50", "RATE=50", "needs SCENARIO=rate, not hello"),
    ("master --url=http://127.0.0.1:9 --expect=1 --rate=50% --scenario=rate", "RATE=50%", "requests per second"),
    (
        "master --url=http://127.0.0.1:9 --expect=1 --scenario=ramp",
        "SCENARIO=ramp",
        "Accepted: errors, hello, mixed, order, orders, place, quotes, rate, shop, sleep.",
    ),
    ("worker", "MASTER=", "make worker needs it"),
    ("worker --master=127.0.0.1", "MASTER=127.0.0.1", "HOST:PORT"),
    ("worker --master=127.0.0.1:99999", "MASTER=127.0.0.1:99999", "HOST:PORT"),
    ("worker --master=no.such.invalid:5557", "MASTER=no.such.invalid:5557", "Use a name that resolves"),
    ("startup --vcpu=1,zero", "VCPU=zero", "0.05 to"),
    ("startup --runtime=process --vcpu=1,0.5", "VCPU=0.5", "RUNTIME=docker"),
    ("startup --runtime=process --cache=cold", "CACHE=cold", "RUNTIME=docker"),
    ("startup --runtime=process --memory=1g", "MEMORY=1g", "as a process all of it"),
    ("startup --bandwidth=fast", "BANDWIDTH=fast", "100mbit"),
    ("startup --runtime=process --bandwidth=full", "BANDWIDTH=full", "RUNTIME=docker"),
    ("memory --workers=0", "WORKERS=0", "1 to 64"),
    ("memory --workers=1,two", "WORKERS=1,two", "1,2,4"),
    ("memory --limit=maybe", "maybe", "yes"),
    ("push", "REGISTRY=", "make push needs it"),
    ("push --registry=https://registry.example", "REGISTRY=https://registry.example", "HOST[:PORT]"),
    ("push --registry=127.0.0.1:5000 --ecr=perhaps", "perhaps", "auto"),
    ("sizes --registry=a@b", "REGISTRY=", "REGISTRY_PASSWORD"),
    ("sizes --out=Makefile", "OUT=Makefile", "empty folder"),
    ("money --p99=5", "P99=5", "RATE="),
    ("money --rate=0", "0", "> 0"),
    ("money --rate=many", "many", "RATE="),
    ("money --utilisation=1.5", "1.5", "<= 1"),
    ("show --vcpu=0", "0", "> 0"),
    ("show --format=yaml", "yaml", "json"),
    ("loadtest --runtime=fargate", "SUBNETS=", "subnet-0abc"),
    ("loadtest --runtime=fargate --subnets=s", "REGISTRY=", "amazonaws.com"),
    ("loadtest --runtime=fargate --vcpu=3", "VCPU=3", "0.25, 0.5, 1, 2, 4, 8, 16"),
    ("loadtest --runtime=fargate --memory=1g", "MEMORY=1g", "2048m"),
    (f"loadtest {FARGATE}", "MAX_DOLLARS= is not set", "or more"),
    (f"serve --framework=flask {FARGATE}", "MAX_DOLLARS=", "or more"),
    (f"startup {FARGATE} --cache=cold", "CACHE=cold", "RUNTIME=docker"),
    (f"startup {FARGATE} --load-from=task", "LOAD_FROM=task", "loadtest and latency"),
    ("conformance --runtime=process --cluster=mine", "CLUSTER=", "RUNTIME=fargate"),
    ("conformance --assign-public-ip=no", "ASSIGN_PUBLIC_IP=", "enabled"),
    ("web --runtime=fargate --framework=flask", "RUNTIME=fargate", "process, docker"),
    ("memory --runtime=fargate", "RUNTIME=fargate", "process, docker"),
    ("experiment --name=size --subnets=s", "NAME=size", "image-size, vcpu, endpoints"),
    ("experiment --name=vcpu --subnets=s --registry=r --vcpu=1", "VCPU=1", "several"),
    ("experiment --name=vcpu --subnets=s --registry=r --image=all", "NAME=vcpu", "one of everything else"),
    ("experiment --name=endpoints --subnets=s --registry=r", "ENDPOINT_SUBNETS=", "VPC with endpoints"),
    ("experiment --name=vcpu --subnets=s --registry=r --max-dollars=0.1", "MAX_DOLLARS=0.1", "0.41"),
    ("publish --run=yesterday", "RUN=yesterday", "run's folder"),
    ("outcome", "RUN=", "make outcome needs it"),
    ("help --command=lodatest", "COMMAND=lodatest", "loadtest"),
    ("bench-generator --seconds=0", "0", ">= 1"),
]

BAD_WITH_WRK = [
    ("loadtest --generator-workers=2 --tool=wrk", "GENERATOR_WORKERS=2", "TOOL=locust"),
    ("loadtest --tool=wrk --scenario=sleepers", "SCENARIO=sleepers", "hello"),
    (f"loadtest {FARGATE} --load-from=task --tool=wrk", "TOOL=wrk", "LOAD_FROM=here"),
    ("crosscheck --runtime=process --framework=flask --scenario=sleepers", "SCENARIO=sleepers", "hello"),
]
"""Refused for these values only where wrk is installed; elsewhere the error is that it is missing."""
if shutil.which("wrk"):
    BAD += BAD_WITH_WRK


@pytest.mark.parametrize(("line", "seen", "accepted"), BAD, ids=[line for line, _, _ in BAD])
def test_a_bad_value_is_one_line_that_names_it_and_what_is_accepted(
    line: str, seen: str, accepted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command_line(), line.split(), {GIVEN: ""}) == 2
    printed = capsys.readouterr()
    *messages, error = printed.err.splitlines()
    assert error.startswith("error: ")
    assert seen in error
    assert accepted in error
    assert all(MESSAGE.match(message) for message in messages)
    assert printed.out == ""


def test_without_make_options_are_called_as_they_were_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command_line(), ["loadtest", "--rounds=5", "--budget=3m"], {}) == 2
    assert capsys.readouterr().err == "error: --rounds=5 is exactly that many rounds. Leave out --budget=3m.\n"


def test_a_port_in_use_is_named(used_port: int) -> None:
    ended = _run("serve", "--runtime=process", "--framework=raw_wsgi", f"--port={used_port}")
    assert ended.returncode == 2
    assert f"error: --port={used_port} cannot be used" in ended.stderr


@pytest.mark.parametrize("line", ["build", "serve --framework=flask --runtime=docker"])
def test_a_missing_engine_is_named_with_the_way_out(line: str) -> None:
    ended = _run(*line.split(), **NO_ENGINE)
    assert ended.returncode == 2
    assert re.fullmatch(r"error: [^\n]*Docker engine[^\n]*--runtime=process[^\n]*\n", ended.stderr), ended.stderr


def test_list_says_why_docker_is_not_available() -> None:
    ended = _run("list", "--format=json", **NO_ENGINE)
    assert ended.returncode == 0
    assert "no Docker engine" in json.loads(ended.stdout)["runtimes"]["docker"]["reason"]


SLOW_TO_IMPORT = frozenset({"boto3", "gevent", "locust", "pytest", "scipy"})


@pytest.mark.parametrize(("line", "used"), [("list", set()), ("loadtest --framework=flacon", {"scipy"})])
def test_what_is_slow_to_import_is_imported_only_where_it_is_used(line: str, used: set[str]) -> None:
    program = "import sys; from loadtests.__main__ import main; main(); print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program, *line.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    imported = set(ended.stdout.splitlines()[-1].split())
    assert "loadtests.__main__" in imported
    assert imported & SLOW_TO_IMPORT <= used


def test_make_passes_variables_on_unchanged() -> None:
    """Quotes, dollars and blanks reach the command unharmed, and the environment's variables do not."""
    line = ["make", "lock", """FRAMEWORK=a'b "c" $HOME d"""]
    ended = subprocess.run(line, cwd=ROOT, env=os.environ | {"PORT": "1"}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert """error: FRAMEWORK=a'b "c" $HOME d is unknown.""" in ended.stderr


@pytest.mark.parametrize("given", ["ROUNDS=3", "COLOUR=red"])
def test_make_refuses_a_variable_that_its_command_lacks(given: str) -> None:
    ended = subprocess.run(["make", "list", given], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert given.partition("=")[0] + "=" in ended.stderr
    assert ended.stdout == ""


def test_several_commands_are_given_the_same_variables() -> None:
    line = ["make", "show", "money", "FRAMEWORK=flacon"]
    ended = subprocess.run(["make", "-k", *line[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stderr.count("FRAMEWORK=flacon is unknown") == 2


PUBLISHED = ROOT / "loadtests" / "published" / "hello-process"
BOTH_PUBLISHED = ["compare", f"--a={PUBLISHED}", f"--b={PUBLISHED}-2"]


def test_a_run_that_is_compared_with_a_stack_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command_line(), ["compare", f"--a={PUBLISHED}", "--b=falcon"], {GIVEN: ""}) == 2
    assert "must be two finished runs or two stacks" in capsys.readouterr().err


def test_two_finished_runs_are_compared_in_the_form_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command_line(), [*BOTH_PUBLISHED, "--margin=5%"], {GIVEN: ""}) == 0
    assert "falcon+gunicorn-gthread of 2026" in capsys.readouterr().out
    assert run(command_line(), [*BOTH_PUBLISHED, "--format=json"], {GIVEN: ""}) == 0
    assert len(json.loads(capsys.readouterr().out)) == 11


def test_a_limit_that_is_undecided_warns_and_does_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command_line(), [*BOTH_PUBLISHED, "--fail-if-slower=1%"], {GIVEN: ""}) == 0
    said = capsys.readouterr()
    assert "undecided whether " in said.out
    assert "warning: FAIL_IF_SLOWER=1.0% is undecided for " in said.err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SlowerError("b is slower"), 1),
        (FailedError("a wheel cannot be built"), 2),
        (ZeroDivisionError("a mistake of ours"), 2),
        (GeneratorBoundError("the generator was the limit"), 3),
    ],
)
def test_a_comparison_ends_with_status_1_only_if_a_side_is_slower_than_allowed(error: Exception, status: int) -> None:
    @failing_only_if_slower
    def compare() -> None:
        raise error

    app = new_app("")
    app.command(compare, name="compare")
    assert run(app, ["compare"], {}) == status


@pytest.mark.parametrize(
    ("given", "variables"),
    [
        (["--rounds=5", "--server=granian", "--paths=none.toml"], "PATHS=, ROUNDS=, SERVER="),
        (["--budget=1m", "--seed=3", "--out=elsewhere"], "BUDGET=, OUT=, SEED="),
        (["--vcpu=2", "--users=64", "--runtime=docker"], "RUNTIME=, USERS=, VCPU="),
    ],
)
def test_what_would_change_a_measurement_is_refused_where_two_finished_runs_are_compared(
    given: list[str], variables: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command_line(), [*BOTH_PUBLISHED, *given], {GIVEN: ""}) == 2
    assert f"which are compared as they are. Leave out {variables}." in " ".join(capsys.readouterr().err.split())
