"""A run is resumed by its own command, with no values that would change it."""

import math

import pytest

from common.aws.settings import FargateSettings
from common.cli.app import GIVEN, run
from common.records.summary import Summary
from loadtests.__main__ import command_line
from loadtests.campaign import resume
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.parameters import GuestParameters


class _Resumed:
    """Stands in for ``resume``, and keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.fargate: FargateSettings | None = None
        self.guest = GuestParameters()

    def __call__(
        self,
        text: str,
        command: str,
        *rest: object,
        guest: GuestParameters,
        ends_at_s: float,
        fargate: FargateSettings | None = None,
    ) -> Summary:
        assert rest[0] is experiment_of
        assert ends_at_s == math.inf
        self.calls.append((text, command))
        self.fargate, self.guest = fargate, guest
        return Summary(run="run", cells=[])


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> _Resumed:
    made = _Resumed()
    monkeypatch.setattr(resume, "resume", made)
    return made


COMMANDS = ["loadtest", "history", "compare", "latency", "workers", "causes", "startup", "memory", "sizes",
            "extras", "experiment", "crosscheck", "bench-generator"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_run_is_resumed_by_its_own_command(command: str, resumed: _Resumed) -> None:
    assert run(command_line(), [command, "--resume=latest"], {GIVEN: ""}) == 0
    assert resumed.calls == [("latest", command)]
    assert resumed.guest == GuestParameters()


@pytest.mark.parametrize("command", ["loadtest", "compare"])
def test_a_file_of_requests_completes_what_a_run_has_not_recorded(command: str, resumed: _Resumed) -> None:
    assert run(command_line(), [command, "--resume=latest", "--paths=own.toml"], {GIVEN: ""}) == 0
    assert resumed.guest == GuestParameters(paths="own.toml")


def test_every_command_that_writes_runs_can_resume_them() -> None:
    app = command_line()
    able = [name for name in app if not name.startswith("-") and "--resume" in _options(name)]
    assert sorted(able) == sorted(COMMANDS)
    assert {"--out"} <= _options("master"), "whose workers have ended"


def _options(command: str) -> set[str]:
    return {name for one in command_line()[command].assemble_argument_collection() for name in one.names}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("loadtest --framework=flask --vcpu=2 --rounds=3 --seed=4", "Leave out FRAMEWORK=, ROUNDS=, SEED=, VCPU=."),
        ("loadtest --generator-workers=2", "Leave out GENERATOR_WORKERS=."),
        ("compare --a=falcon --budget=3m", "Leave out A=, BUDGET=."),
        ("compare --fail-if-slower=3%", "Leave out FAIL_IF_SLOWER=."),
        ("memory --out=elsewhere --limit=no", "Leave out LIMIT=, OUT=."),
        ("sizes --registry=127.0.0.1:5000", "Leave out REGISTRY=."),
        ("workers --workers=3", "Leave out WORKERS=."),
        ("bench-generator --seconds=3", "Leave out SECONDS=."),
    ],
)
def test_a_resumed_run_refuses_values_that_would_change_it(
    line: str, message: str, resumed: _Resumed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command_line(), [*line.split(), "--resume=latest"], {GIVEN: ""}) == 2
    assert f"RESUME= completes a run with its own parameters. {message}" in capsys.readouterr().err
    assert resumed.calls == []


def test_a_resumed_run_on_fargate_takes_the_fargate_settings(resumed: _Resumed) -> None:
    line = ["loadtest", "--resume=latest", "--subnets=s", "--registry=r", "--max-dollars=5"]
    assert run(command_line(), line, {GIVEN: ""}) == 0
    assert resumed.fargate == FargateSettings(subnets="s", registry="r", max_dollars=5)
