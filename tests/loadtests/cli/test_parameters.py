"""Options become records, or what does not go together is named; a resumed run takes none that would change it."""

from typing import Any

import pytest

from common.aws.settings import FargateSettings
from common.catalog.runtimes import Runtime
from common.cli.app import GIVEN, run
from common.errors import UsageError
from common.records.load import Arrivals, LoadSpec, Objective, Rate, Tool
from common.records.run import Design
from common.records.summary import Summary
from loadtests.analysis.comparison import LOOKS, SLICED_LOOKS
from loadtests.cli import parameters
from loadtests.cli.main import command_line
from loadtests.cli.parameters import AnyLoadParameters, LoadParameters, StoppingParameters
from loadtests.registry import experiment_of


def test_a_load_is_a_closed_loop_by_default() -> None:
    spec = AnyLoadParameters().parse()
    assert spec == LoadParameters().parse()
    assert spec == LoadSpec(scenario="hello", users=16, delay_ms=100, warmup_s=1.0, window_s=2.0)


def test_an_open_loop_has_a_rate_and_evenly_spaced_arrivals_unless_asked_otherwise() -> None:
    spec = AnyLoadParameters(scenario="RATE", rate="50%").parse()
    assert (spec.scenario, spec.rate, spec.arrivals) == ("rate", Rate(share=0.5), Arrivals.CONSTANT)
    assert AnyLoadParameters(scenario="rate", arrivals="Poisson").parse().arrivals is Arrivals.POISSON


@pytest.mark.parametrize("scenario", ["rate", "ramp"])
def test_an_open_loop_always_has_a_rate(scenario: str) -> None:
    assert AnyLoadParameters(scenario=scenario).parse().rate is not None


def test_a_climb_has_the_objective_that_was_given() -> None:
    assert AnyLoadParameters(scenario="sleepers").parse().objective is None
    spec = AnyLoadParameters(scenario="sleepers", objective="p99<50ms").parse()
    assert spec.objective == Objective(fraction=0.99, limit_s=0.05)


def test_workers_of_the_generator_are_part_of_the_load() -> None:
    spec = AnyLoadParameters(generator_workers=2).parse()
    assert (spec.tool, spec.generator_workers) == (Tool.LOCUST, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": "5"}, "RATE=5 needs SCENARIO=ramp or rate, not hello"),
        ({"scenario": "sleepers", "rate": "5"}, "RATE=5 needs SCENARIO=ramp or rate, not sleepers"),
        ({"objective": "p50<1s", "scenario": "rate"}, "OBJECTIVE=p50<1s needs SCENARIO=ramp or sleepers, not rate"),
        ({"scenario": "ramp", "rate": "5%"}, "invalid RATE=5%: must be requests per second, where ramp starts"),
        ({"scenario": "hullo"}, "Did you mean hello"),
    ],
)
def test_conflicting_values_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AnyLoadParameters(**given).parse()


def test_a_stopping_rule_is_that_of_the_values_given() -> None:
    rounds, rule = StoppingParameters(rounds=3, margin="2%").parse(Design.ALONE)
    assert (rounds, rule.fewest_rounds, rule.margin) == (3, 3, 0.02)


@pytest.mark.parametrize(("design", "looks"), [(Design.SLICED, SLICED_LOOKS), (Design.ALONE, LOOKS)])
def test_the_design_says_when_the_data_are_looked_at(design: Design, looks: tuple[int, ...]) -> None:
    rounds, rule = StoppingParameters().parse(design)
    assert (rounds, tuple(rule.looks)) == (looks[-1], looks)


@pytest.mark.parametrize(
    ("given", "runtime", "design"),
    [
        ({}, Runtime.PROCESS, Design.SLICED),
        ({"design": "Alone"}, Runtime.DOCKER, Design.ALONE),
        ({"design": "sliced"}, Runtime.DOCKER, Design.SLICED),
        ({"scenario": "sleep"}, Runtime.PROCESS, Design.ALONE),
        ({}, Runtime.FARGATE, Design.ALONE),
    ],
)
def test_load_is_made_in_slices_where_it_can_be(given: dict[str, Any], runtime: Runtime, design: Design) -> None:
    load = AnyLoadParameters(**given)
    assert load.parse_design(load.parse(), runtime) is design


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"design": "duet"}, "DESIGN=duet is unknown. Accepted: sliced, alone, auto"),
        ({"design": "sliced", "scenario": "rate"}, "DESIGN=sliced cannot be used with SCENARIO=rate"),
    ],
)
def test_a_design_that_cannot_be_had_is_refused(given: dict[str, Any], message: str) -> None:
    load = AnyLoadParameters(**given)
    with pytest.raises(UsageError, match=message):
        load.parse_design(load.parse(), Runtime.PROCESS)


class _Resumed:
    """Stands in for ``resume``, and keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.fargate: FargateSettings | None = None

    def __call__(self, text: str, command: str, *rest: object, fargate: FargateSettings | None = None) -> Summary:
        assert rest[0] is experiment_of
        self.calls.append((text, command))
        self.fargate = fargate
        return Summary(run="run", cells=[])


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> _Resumed:
    made = _Resumed()
    monkeypatch.setattr(parameters, "resume", made)
    return made


COMMANDS = ["loadtest", "compare", "latency", "workers", "causes", "startup", "memory", "sizes", "experiment",
            "crosscheck", "bench-generator"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_run_is_resumed_by_its_own_command(command: str, resumed: _Resumed) -> None:
    assert run(command_line(), [command, "--resume=latest"], {GIVEN: ""}) == 0
    assert resumed.calls == [("latest", command)]


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


def test_a_resumed_comparison_may_be_given_a_limit(resumed: _Resumed) -> None:
    assert run(command_line(), ["compare", "--resume=latest", "--fail-if-slower=3%"], {GIVEN: ""}) == 0
    assert resumed.calls == [("latest", "compare")]
