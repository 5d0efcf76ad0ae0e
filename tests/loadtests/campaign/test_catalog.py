"""Every kind of run has its experiment, which makes the visits that it made before in the order in which it did."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from common.project import ROOT
from common.records.schema import Visit
from loadtests.__main__ import command_line
from loadtests.campaign.catalog import experiment_of, experiments
from loadtests.campaign.store import RunFolder
from loadtests.experiments.fargate.records import FargateRun
from tests.support.records import run_head

GOLDEN = ROOT / "tests" / "golden"
RECORDED = sorted(GOLDEN.iterdir())


def test_every_experiment_is_started_and_resumed_by_a_command() -> None:
    commands = {experiment.command for experiment in experiments().values()}
    assert commands <= set(command_line())
    assert len(commands) == len(experiments())


@pytest.mark.parametrize(("name", "command"), [("startup", "startup"), ("vcpu", "experiment")])
def test_starts_of_tasks_are_an_experiment_if_a_factor_is_varied(name: str, command: str) -> None:
    made = FargateRun(**run_head(name=name, region=None, architecture="X86_64", public=True, prices="", cells=[]))
    assert experiment_of(made).command == command


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_a_recorded_run_would_be_made_again_in_the_same_order(folder: Path) -> None:
    recorded = RunFolder(folder=folder)
    experiment = experiment_of(recorded.run())
    visits = recorded.visits()
    left: dict[tuple[type[Visit], str], list[Visit]] = {}
    for one in visits:
        left.setdefault((type(one), one.cell), []).append(one)
    made: list[Visit] = []
    while batch := experiment.remaining(made).batch:
        for planned in batch:
            recorded_one = left[planned.kind, planned.cell].pop(0)
            made.append(replace(recorded_one, round=planned.round, position=planned.position))
    order = [(type(one), one.cell) for one in made]
    assert order == [(type(one), one.cell) for one in visits]
