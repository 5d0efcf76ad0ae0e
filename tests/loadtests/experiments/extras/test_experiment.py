"""The servers of one stack, with its additions, take turns together, in every round."""

import pytest

from common.cli.app import GIVEN, run
from common.records.schema import Visit
from loadtests.__main__ import command_line
from loadtests.campaign.catalog import experiment_of
from loadtests.experiments.extras.additions import TITLES
from loadtests.experiments.extras.experiment import Extras
from tests.support.extras_records import extras_run
from tests.support.records import load, window

RUN = extras_run("a+x", "b+x", rounds=2)


def _made(upto: int | None = None) -> tuple[list[list[str]], list[Visit]]:
    """Return the cells of each batch, and the visits, of a run that is made to its end or for so many batches."""
    experiment, visits, batches = Extras(RUN), list[Visit](), list[list[str]]()
    while (batch := experiment.remaining(visits).batch) and len(batches) != upto:
        batches.append([planned.cell for planned in batch])
        visits += [window(planned.cell, planned.round, load()) for planned in batch]
    return batches, visits


def test_a_batch_holds_a_stack_with_all_its_additions_and_its_control() -> None:
    batches, visits = _made()
    whole = {stack: {stack, f"{stack}#2", *(f"{stack} with {name}" for name in TITLES)} for stack in ("a+x", "b+x")}
    assert [set(batch) for batch in batches] == [whole[batch[0][:3]] for batch in batches]
    assert sorted(batch[0][0] for batch in batches) == ["a", "a", "b", "b"]
    assert len(visits) == 2 * len(RUN.cells)
    assert Extras(RUN).is_complete(visits)


def test_an_interrupted_round_is_made_again_from_its_beginning() -> None:
    _, visits = _made(upto=3)
    assert Extras(RUN).half_made(visits) == len(RUN.cells) // 2
    assert Extras(RUN).half_made(_made(upto=2)[1]) == 0


def test_its_runs_are_resumed_by_its_own_command_and_have_no_figures_of_stacks() -> None:
    experiment = experiment_of(RUN)
    assert experiment.command == "extras"
    assert [*experiment.figures(experiment.summarise(_made()[1]))] == []
    assert "#2" not in "".join(cell.name for cell in experiment.stacks())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("extras --extras=middleware-2", "EXTRAS=middleware-2 is unknown. Did you mean middleware-6?"),
        ("extras --framework=fastapi --runtime=fargate", "RUNTIME=fargate"),
        ("extras --rounds=0", "Must be >= 1."),
    ],
)
def test_bad_values_are_refused_before_anything_is_prepared(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command_line(), [*line.split(), *(["--runtime=process"] * ("runtime" not in line))], {GIVEN: ""}) == 2
    assert message in capsys.readouterr().err
