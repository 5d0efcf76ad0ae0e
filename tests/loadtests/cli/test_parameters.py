"""Options become records, or what does not go together is named."""

from pathlib import Path
from typing import Any

import pytest

from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.records.load import Arrivals, LoadSpec, Objective, Rate, Tool
from common.records.run import Design
from loadtests.analysis.thresholds import LOOKS, SLICED_LOOKS
from loadtests.campaign.parameters import AnyLoadParameters, GuestParameters, LoadParameters, StoppingParameters


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


def test_where_load_is_steady_no_climb_can_be_chosen() -> None:
    able = "errors, hello, mixed, order, orders, place, quotes, shop, sleep"
    message = rf"^SCENARIO=sleepers climbs, and load is steady here: must be one of {able}\.$"
    with pytest.raises(UsageError, match=message):
        LoadParameters(scenario="sleepers").parse()


@pytest.mark.parametrize("scenario", ["rate", "ramp"])
def test_where_no_rate_can_be_given_no_open_loop_can_be_chosen(scenario: str) -> None:
    """It would run at a rate that nobody asked for and that no record names."""
    with pytest.raises(UsageError, match=rf"SCENARIO={scenario} needs a rate, .*: must be one of errors, hello,"):
        LoadParameters(scenario=scenario).parse()


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


def test_requests_of_ones_own_are_sent_in_slices(tmp_path: Path) -> None:
    file = tmp_path / "paths.toml"
    file.write_text("[[request]]\npath = '/'\n")
    load = AnyLoadParameters()
    own = GuestParameters(paths=str(file)).apply_to(load.parse(), Runtime.PROCESS)
    assert load.parse_design(own, Runtime.PROCESS) is Design.SLICED
    with pytest.raises(UsageError, match="DESIGN=alone cannot be used with PATHS="):
        AnyLoadParameters(design="alone").parse_design(own, Runtime.PROCESS)
