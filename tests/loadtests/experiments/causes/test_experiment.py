"""The conditions under which a stack is measured; each changes one thing."""

import io

import pytest
from rich.console import Console

from common.catalog.sizes import Runtime
from common.cli.parameters import StackParameter
from common.records.run import Cell, Conformance
from loadtests.campaign import manifest
from loadtests.campaign.manifest import RunIdentity
from loadtests.experiments.causes import experiment as causes
from loadtests.experiments.causes.experiment import Causes, begin_causes, surroundings
from loadtests.experiments.latency.experiment import Prepared
from tests.support import records
from tests.support.traffic_records import a_causes_run, a_visit, answers


def test_each_cause_has_a_name_of_its_own_and_changes_one_thing() -> None:
    points = surroundings("a+b", why_no_proxy=None)
    assert len({point.name for point in points}) == len(points)
    for one in points:
        changes = [
            one.size.memory_bytes,
            one.size.period_s,
            one.neighbours,
            one.proxied,
            one.size.workers > 1,
        ]
        assert sum(map(bool, changes)) == 1, one.name


def test_a_cause_is_missing_if_the_machine_cannot_provide_it() -> None:
    points = surroundings("a+b", why_no_proxy="there is no proxy")
    assert {point.missing for point in points if point.proxied} == {"there is no proxy"}
    assert {point.missing for point in points if not point.proxied} == {None}


@pytest.mark.parametrize("floor", [[], [records.cell("nginx+static-file")]])
def test_the_floor_is_measured_at_both_plain_sizes(floor: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    one = StackParameter(framework="falcon").candidate(Runtime.PROCESS)
    cell = records.cell(one.name, conformance=Conformance(passed=1, duration_s=1.0))
    prepared = Prepared(candidates={one.name: one}, cells=[cell], setup=records.setup())
    monkeypatch.setattr(manifest, "engine_name", lambda: "28.0 (overlay2)")
    monkeypatch.setattr(causes, "prepare_latency", lambda *_: prepared)
    monkeypatch.setattr(causes, "nginx_cells", lambda *_: floor)
    identity = RunIdentity.new("causes", 5)
    experiment, _ = begin_causes(one, identity, rounds=3, messages=Console(file=io.StringIO()))
    stacks = [point.stack for point in experiment.run.points]
    assert stacks.count("nginx+static-file") == 2 * len(floor)
    assert [point.size.vcpu for point in experiment.run.points if point.stack != one.name] == [0.25, 1.0] * len(floor)
    assert experiment.run.runtime is Runtime.DOCKER


def test_a_run_ends_in_ratios() -> None:
    points = surroundings("a+b", why_no_proxy=None)
    experiment = Causes(a_causes_run(points))
    visits = [
        a_visit(point, number, {traffic.name: answers(0.001, 500) for traffic in point.traffic})
        for number in (1, 2)
        for point in points
    ]
    sentences = experiment.conclusions(experiment.summarise(visits))
    assert len(sentences) > len(points)
    assert all("mean x 1.00" in sentence for sentence in sentences)
