"""Bad input ends in one line that names the value and what is accepted, exit status 2, and nothing started."""

import inspect
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from common import __main__ as common_verbs
from common.aws.settings import FargateSettings
from common.cli.app import GIVEN, run
from common.project import ROOT
from loadtests import __main__ as loadtests_verbs

MAKEFILE = (ROOT / "Makefile").read_text()
APPS = {"common": common_verbs.app, "loadtests": loadtests_verbs.app}
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def _run(*line: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *line], cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Verbs set handlers for the process they run in."""
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


@pytest.mark.parametrize(
    ("line", "seen", "accepted"),
    [
        ("common lock --framework=flacon", "FRAMEWORK=flacon", "Did you mean falcon?"),
        ("common conformance --framework=", "FRAMEWORK=(empty)", "raw_asgi"),
        ("common conformance --runtime=process --server=nginx", "SERVER=nginx", "gunicorn-sync"),
        (
            "common conformance --runtime=process --framework=flask --server=uvicorn",
            "SERVER=uvicorn",
            "gunicorn-gthread",
        ),
        ("common conformance --runtime=process --image=slim", "IMAGE=slim", "RUNTIME=docker"),
        ("common conformance --runtime=podman", "RUNTIME=podman", "process, docker, fargate, auto"),
        ("common conformance --url=ftp://localhost", "ftp://localhost", "http"),
        ("common conformance --url=http://127.0.0.1:9", "http://127.0.0.1:9", "URL"),
        ("common build --image=slimmer", "IMAGE=slimmer", "Did you mean slim?"),
        ("common build --python=three", "PYTHON=three", "3.13"),
        ("common build --jobs=0", "0", ">= 1"),
        ("common build --framwork=falcon", "FRAMWORK=", "FRAMEWORK="),
        ("common biuld", "biuld", "build"),
        ("common list --format=yaml", "yaml", "json"),
        ("common serve", "FRAMEWORK=", "requires"),
        ("common serve --runtime=process --framework=all", "11 stacks", "one of"),
        ("common serve --runtime=process --framework=flask --port=0", "0", ">= 1"),
        ("common serve --runtime=process --framework=flask --port=http", "http", "PORT="),
        ("loadtests loadtest --scenario=helo", "SCENARIO=helo", "Did you mean hello?"),
        ("loadtests loadtest --vcpu=0", "VCPU=0", "0.05 to"),
        ("loadtests loadtest --vcpu=-1", "VCPU=-1", "0.05 to"),
        ("loadtests loadtest --vcpu=abc", "VCPU=abc", "0.05 to"),
        ("loadtests loadtest --vcpu=nan", "VCPU=nan", "0.05 to"),
        ("loadtests loadtest --vcpu=4096", "VCPU=4096", "this machine's cores"),
        ("loadtests loadtest --memory=12", "MEMORY=12", "512m"),
        ("loadtests loadtest --memory=4k", "MEMORY=4k", "16m"),
        ("loadtests loadtest --runtime=process --vcpu=0.5", "VCPU=0.5", "RUNTIME=docker"),
        ("loadtests loadtest --scenario=rate --rate=fast", "RATE=fast", "50%"),
        ("loadtests loadtest --scenario=rate --rate=120%", "RATE=120%", "50%"),
        ("loadtests loadtest --rate=100", "RATE=100", "SCENARIO=ramp or rate"),
        ("loadtests loadtest --scenario=ramp --rate=50%", "RATE=50%", "requests per second"),
        ("loadtests loadtest --scenario=rate --arrivals=bursty", "ARRIVALS=bursty", "poisson"),
        ("loadtests loadtest --scenario=ramp --objective=fast", "OBJECTIVE=fast", "p99<50ms"),
        ("loadtests loadtest --users=0", "0", ">= 1"),
        ("loadtests loadtest --users=many", "many", "USERS="),
        ("loadtests loadtest --users=10001", "10001", "<= 10000"),
        ("loadtests loadtest --delay=60001", "60001", "<= 60000"),
        ("loadtests loadtest --delay=-1", "-1", ">= 0"),
        ("loadtests loadtest --rounds=0", "0", ">= 1"),
        ("loadtests loadtest --rounds=5 --budget=3m", "ROUNDS=5", "leave out BUDGET="),
        ("loadtests loadtest --budget=soon", "BUDGET=soon", "15m"),
        ("loadtests loadtest --budget=0s", "BUDGET=0s", "15m"),
        ("loadtests loadtest --precision=90%", "PRECISION=90%", "such as 2%"),
        ("loadtests loadtest --margin=none", "MARGIN=none", "such as 2%"),
        ("loadtests loadtest --resume=yesterday", "RESUME=yesterday", "folder of a run"),
        ("loadtests loadtest --resume=yesterday --seed=4 --framework=flask", "RESUME=", "FRAMEWORK=, SEED="),
        ("loadtests loadtest --out=Makefile", "OUT=Makefile", "empty folder"),
        ("loadtests loadtest --out=common", "OUT=common", "empty folder"),
        ("loadtests loadtest --tool=wrc", "TOOL=wrc", "Did you mean wrk?"),
        ("loadtests loadtest --workers=-1", "-1", ">= 0"),
        ("loadtests master --url=http://127.0.0.1:9 --expect=0", "0", ">= 1"),
        ("loadtests master --url=https://127.0.0.1:9 --expect=1", "URL=https://127.0.0.1:9", "http://NAME[:PORT]"),
        ("loadtests master --url=http://127.0.0.1:9 --expect=1 --bind=nowhere", "BIND=nowhere", "HOST:PORT"),
        (
            "loadtests master --url=http://127.0.0.1:9 --expect=1 --out=/nowhere/at/all",
            "OUT=/nowhere/at/all",
            "new file",
        ),
        ("loadtests worker", "MASTER=", "requires"),
        ("loadtests worker --master=127.0.0.1", "MASTER=127.0.0.1", "HOST:PORT"),
        ("loadtests worker --master=127.0.0.1:99999", "MASTER=127.0.0.1:99999", "HOST:PORT"),
        ("loadtests worker --master=no.such.invalid:5557", "MASTER=no.such.invalid:5557", "a name that resolves"),
        ("loadtests startup --vcpu=1,zero", "VCPU=zero", "0.05 to"),
        ("loadtests startup --runtime=process --vcpu=1,0.5", "VCPU=0.5", "RUNTIME=docker"),
        ("loadtests startup --runtime=process --cache=cold", "CACHE=cold", "RUNTIME=docker"),
        ("loadtests startup --bandwidth=fast", "BANDWIDTH=fast", "100mbit"),
        ("loadtests startup --runtime=process --bandwidth=full", "BANDWIDTH=full", "RUNTIME=docker"),
        ("loadtests memory --workers=0", "WORKERS=0", "1 to 64"),
        ("loadtests memory --workers=1,two", "WORKERS=1,two", "1,2,4"),
        ("loadtests memory --limit=maybe", "maybe", "yes"),
        ("common push", "REGISTRY=", "requires"),
        ("common push --registry=https://registry.example", "REGISTRY=https://registry.example", "HOST[:PORT]"),
        ("common push --registry=127.0.0.1:5000 --ecr=perhaps", "perhaps", "auto"),
        ("loadtests sizes --registry=a@b", "REGISTRY=", "REGISTRY_PASSWORD"),
        ("loadtests sizes --out=Makefile", "OUT=Makefile", "empty folder"),
        ("loadtests money --run=yesterday", "RUN=yesterday", ""),
        ("loadtests money --p99=5", "P99=5", "RATE="),
        ("loadtests money --rate=0", "0", "> 0"),
        ("loadtests money --rate=many", "many", "RATE="),
        ("loadtests money --utilisation=1.5", "1.5", "<= 1"),
        ("loadtests loadtest --runtime=fargate", "SUBNETS=", "subnet-0abc"),
        ("loadtests loadtest --runtime=fargate --subnets=s", "REGISTRY=", "amazonaws.com"),
        ("loadtests loadtest --runtime=fargate --vcpu=3", "VCPU=3", "0.25, 0.5, 1, 2, 4, 8, 16"),
        ("loadtests loadtest --runtime=fargate --memory=1g", "MEMORY=1g", "2048m"),
        ("loadtests loadtest --runtime=fargate --subnets=s --registry=r", "MAX_DOLLARS= is not set", "or more"),
        ("common serve --runtime=fargate --framework=flask --subnets=s --registry=r", "MAX_DOLLARS=", "or more"),
        ("common conformance --runtime=process --cluster=mine", "CLUSTER=", "RUNTIME=fargate"),
        ("common conformance --assign-public-ip=no", "ASSIGN_PUBLIC_IP=", "enabled"),
        ("loadtests web --runtime=fargate --framework=flask", "RUNTIME=fargate", "process, docker"),
        ("loadtests experiment --name=size --subnets=s", "NAME=size", "image-size, vcpu, endpoints"),
        ("loadtests experiment --name=vcpu --subnets=s --registry=r --vcpu=1", "VCPU=1", "several"),
        (
            "loadtests experiment --name=vcpu --subnets=s --registry=r --image=all",
            "NAME=vcpu",
            "one of everything else",
        ),
        ("loadtests experiment --name=endpoints --subnets=s --registry=r", "ENDPOINT_SUBNETS=", "VPC with endpoints"),
        ("loadtests experiment --name=vcpu --subnets=s --registry=r --max-dollars=0.1", "MAX_DOLLARS=0.1", "0.38"),
        ("loadtests publish --run=yesterday", "RUN=yesterday", ""),
    ],
)
def test_a_bad_value_is_one_line_that_names_it_and_what_is_accepted(
    line: str, seen: str, accepted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room, *words = line.split()
    monkeypatch.setattr(sys, "argv", ["make", *words])
    monkeypatch.delenv(GIVEN, raising=False)
    assert run(APPS[room]) == 2
    told = capsys.readouterr().err
    assert re.fullmatch(r"error: [^\n]+\n", told)
    assert seen in told
    assert accepted in told


def test_a_port_in_use_is_named(used_port: int) -> None:
    ended = _run("common", "serve", "--runtime=process", "--framework=raw_wsgi", f"--port={used_port}")
    assert ended.returncode == 2
    assert f"error: PORT={used_port} cannot be used" in ended.stderr


@pytest.mark.parametrize("line", ["common build", "common serve --framework=flask --runtime=docker"])
def test_a_missing_engine_is_named_with_the_way_out(line: str) -> None:
    ended = _run(*line.split(), **NO_ENGINE)
    assert ended.returncode == 2
    assert re.fullmatch(r"error: [^\n]*Docker engine[^\n]*RUNTIME=process[^\n]*\n", ended.stderr), ended.stderr


def test_list_says_why_docker_is_not_available() -> None:
    ended = _run("common", "list", "--format=json", **NO_ENGINE)
    assert ended.returncode == 0
    assert '"docker": "no Docker engine' in ended.stdout


def test_make_hands_on_what_it_is_given_as_it_is_given() -> None:
    """Quotes, dollars and blanks reach the verb unharmed, and the environment's variables do not."""
    line = ["make", "lock", """FRAMEWORK=a'b "c" $$HOME d"""]
    ended = subprocess.run(line, cwd=ROOT, env=os.environ | {"PORT": "1"}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert """error: FRAMEWORK=a'b "c" $HOME d is unknown.""" in ended.stderr


def test_make_refuses_a_variable_that_its_verb_does_not_take() -> None:
    ended = subprocess.run(["make", "list", "ROUNDS=3"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "ROUNDS=" in ended.stderr


def _documented() -> dict[str, dict[str, str]]:
    """The variables and defaults that ``make`` prints, by verb."""
    found = re.findall(
        r"^([a-z-]+):.*## [^|\n]*(?: \| (.*))?\n\t@\$\(PYTHON_M\) (?:common|loadtests) ", MAKEFILE, re.MULTILINE
    )
    return {verb: dict(re.findall(r"([A-Z][A-Z0-9_]*)=((?:[^\s,]|,(?=\S))*)", variables)) for verb, variables in found}


def _taken() -> dict[str, dict[str, str]]:
    """The variables and defaults that the verbs take."""
    verbs: dict[str, Callable[..., Any]] = {
        name: command.default_command
        for app in APPS.values()
        for name in app
        if not name.startswith("-")
        for command in [app[name]]
        if command.default_command is not None
    }
    return {verb: dict(_variables(function)) for verb, function in verbs.items()}


def _variables(function: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in {"jobs", "fargate"}:
            default = parameter.default
            yield name.upper(), "" if default in {None, inspect.Parameter.empty} else str(default)


def test_makes_help_names_every_variable_with_its_default() -> None:
    documented = _documented()
    for verb, variables in _taken().items():
        assert documented[verb].keys() == variables.keys(), verb
        shown = {name: default for name, default in documented[verb].items() if name != "IMAGE"}
        assert shown == {name: default for name, default in variables.items() if name != "IMAGE"}, verb


def test_makes_help_names_every_variable_of_fargate_with_its_default() -> None:
    heading = next(line for line in MAKEFILE.splitlines() if line.startswith("##@ On ECS Fargate"))
    taken = {
        field.name.upper(): "" if field.default is None else str(field.default) for field in fields(FargateSettings)
    }
    assert dict(re.findall(r"([A-Z_]+)=(?!fargate)(\S*)", heading)) == taken


def test_make_alone_prints_every_verb_in_the_order_of_the_flow() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    flow = ["list", "lock", "build", "bases", "serve", "conformance", "loadtest", "latency", "workers"]
    flow += ["startup", "memory", "sizes", "money", "compare", "web", "push", "test", "lint", "clean"]
    places = [printed.index(f"\n  {verb} ") for verb in flow]
    assert places == sorted(places)


def test_make_alone_needs_nothing_set_up(tmp_path: Path) -> None:
    printed = subprocess.run(
        ["make", "-f", str(ROOT / "Makefile")], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert "FRAMEWORK=all" in printed
    assert not any(tmp_path.iterdir())
