"""Every kind of run has its experiment, which makes the visits that it made before in the order in which it did."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.sizes import TaskArchitecture
from common.errors import UsageError
from common.project import ROOT
from common.records.schema import Visit
from loadtests.__main__ import command_line
from loadtests.campaign.catalog import decode_run, experiment_of, experiments
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
    made = FargateRun(
        **run_head(name=name, region=None, architecture=TaskArchitecture.X86_64, public=True, prices="", cells=[])
    )
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


def _recorded(name: str) -> Any:  # noqa: ANN401 -- JSON
    return json.loads((GOLDEN / name / "run.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "path", "accepted"),
    [
        ("loadtest-docker", "experiment", "loadtest, "),
        ("loadtest-docker", "runtime", "process, docker, fargate"),
        ("loadtest-docker", "design", "sliced, alone, duet, alternation"),
        ("loadtest-docker", "cells.0.interface", "wsgi, asgi, rsgi, native"),
        ("loadtest-docker", "cells.0.conformance.observed.overlap", "yes, no"),
        ("loadtest-docker", "setup.load.scenario", "errors, hello, mixed, "),
        ("loadtest-docker", "setup.load.tool", "locust, wrk"),
        ("rate", "setup.load.arrivals", "constant, poisson"),
        ("startup", "cells.0.cache", "warm, cold"),
        ("startup", "cells.0.stack.interface", "wsgi, asgi, rsgi, native"),
        ("fargate", "architecture", "X86_64, ARM64"),
    ],
)
def test_a_closed_choice_is_refused_with_what_is_accepted_when_a_run_is_read(
    name: str, path: str, accepted: str
) -> None:
    document = _recorded(name)
    *above, last = path.split(".")
    holder = document
    for step in above:
        holder = holder[int(step)] if isinstance(holder, list) else holder.setdefault(step, {})
    holder[last] = '"><script>'
    with pytest.raises(UsageError) as refused:
        decode_run(json.dumps(document).encode(), source="run.json")
    assert str(refused.value).startswith("run.json is not a valid run of schema version 3: ")
    assert r' is "\"><script>": must be one of ' in str(refused.value)
    assert accepted in str(refused.value).partition("must be one of")[2]


def test_requests_of_the_users_own_are_no_scenario_of_the_contracts() -> None:
    document = _recorded("loadtest-docker")
    document["setup"]["load"] |= {"requests": [{"path": "/x"}], "scenario": "hello"}
    with pytest.raises(UsageError, match=r'setup\.load\.scenario is "hello": must be one of paths\.$'):
        decode_run(json.dumps(document).encode(), source="run.json")
