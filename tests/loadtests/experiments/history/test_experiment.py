"""A history is a load test of a framework's versions that ends in the releases which changed its speed."""

import random
from collections.abc import Sequence

from common.records.run import is_load_test
from common.records.schema import Visit
from loadtests.campaign.catalog import experiment_of
from loadtests.experiments.history.experiment import History
from loadtests.experiments.loadtest.experiment import LoadTest
from tests.support.records import cell, compare_run, history_run, load, run, window
from tests.support.toy_experiment import printed, text_terminal

FIRST, SECOND, THIRD = (f"toy@{version}+native" for version in ("1.0", "1.1", "2.0"))
RUN = history_run({FIRST: "1.0", SECOND: "1.1", THIRD: "2.0"})


def _visits(slower: Sequence[str]) -> list[Visit]:
    """Return five rounds in which some versions are slower than the others by a tenth."""
    dice = random.Random(1)  # noqa: S311 -- not for secrets
    return [
        window(name, number, load(round(10_000 * dice.uniform(0.99, 1.01) * (0.9 if name in slower else 1))))
        for number in range(1, 6)
        for name in RUN.versions
    ]


def test_the_release_that_changed_the_speed_is_named() -> None:
    experiment = experiment_of(RUN)
    summary = experiment.summarise(_visits([SECOND, THIRD]))
    *_, last = experiment.conclusions(summary)
    assert last == f"the speed changed at {SECOND}."


def test_the_table_of_the_load_test_comes_before_that_of_the_versions() -> None:
    experiment, terminal = experiment_of(RUN), text_terminal()
    for table in experiment.tables(experiment.summarise(_visits([FIRST]))):
        terminal.show(table)
    shown = printed(terminal.results)
    assert shown.index("req/s per vCPU") < shown.index("history of Toy") < shown.index("against the newest")


def test_its_runs_are_resumed_by_its_own_command() -> None:
    assert isinstance(experiment_of(RUN), History)
    assert experiment_of(RUN).command == "history"
    assert type(experiment_of(run([cell("a")]))) is LoadTest


def test_its_figures_and_ranks_are_those_of_a_load_test() -> None:
    alike = run(RUN.cells)
    visits = _visits([FIRST])
    summary = experiment_of(alike).summarise(visits)
    assert experiment_of(RUN).summarise(visits) == summary
    assert [*experiment_of(RUN).figures(summary)] == [*experiment_of(alike).figures(summary)] != []
    assert is_load_test(RUN)
    assert is_load_test(alike)
    assert not is_load_test(compare_run([cell("a"), cell("b")]))
