"""Prices are differences of CPU time within rounds, with intervals, decisions and verdicts."""

import pytest
from msgspec.structs import replace

from common.records.run import Conformance
from common.records.summary import Decision, Verdict
from common.records.window import Window
from loadtests.campaign.catalog import experiment_of
from loadtests.experiments.extras.records import AdditionPrice, ExtrasRun, ExtrasSummary
from loadtests.experiments.extras.report import summarise
from tests.support.extras_records import extras_run, windows
from tests.support.toy_experiment import printed, text_terminal

DRIFT = (1.0, 1.2, 0.8, 1.1, 1.0, 0.9, 1.3, 1.0)
"""What a machine that becomes faster and slower does to all servers of a round alike."""
RUN = extras_run("a+x")
ONE, THREE, SIX = (addition.name for addition in RUN.additions)


def _prices(run: ExtrasRun, made: list[Window]) -> dict[str, AdditionPrice]:
    return {price.name: price for price in summarise(run, made).prices}


def _shown(run: ExtrasRun, summary: ExtrasSummary) -> str:
    experiment, terminal = experiment_of(run), text_terminal()
    for table in experiment.tables(summary):
        terminal.show(table)
    return printed(terminal.results)


@pytest.mark.parametrize("drift", [(1.0,) * 8, DRIFT])
def test_an_addition_of_50_us_is_priced_at_50_us_however_the_machine_drifts_between_rounds(
    drift: tuple[float, ...],
) -> None:
    price = _prices(RUN, windows(RUN, 100, {ONE: 50}, drift))[ONE]
    assert price.cost_s is not None
    assert price.cost_s.low is not None
    assert price.cost_s.high is not None
    assert price.cost_s.estimate * 1e6 == pytest.approx(50 * sum(drift) / len(drift), abs=1)
    assert price.cost_s.low * 1e6 < 50 < price.cost_s.high * 1e6
    assert price.decision is Decision.DIFFERENT
    assert price.ratio is not None
    assert price.ratio.estimate == pytest.approx(1.5, rel=0.01)


def test_an_addition_without_a_cost_is_not_called_different() -> None:
    price = _prices(RUN, windows(RUN, 100, {SIX: 50}, DRIFT))[ONE]
    assert price.decision is Decision.EQUIVALENT
    assert price.cost_s is not None
    assert price.cost_s.low is not None
    assert price.cost_s.low < 0


def test_each_addition_is_compared_with_its_own_stack() -> None:
    run = extras_run("a+x", "b+x", additions=[ONE])
    made = windows(run, 100, {ONE: 20}, [1.0] * 8)
    slow = [replace(one, load=replace(one.load, server_cpu_s=4.0)) if one.cell.startswith("b") else one for one in made]  # type: ignore[type-var]
    costs = {price.stack: price.cost_s for price in summarise(run, slow).prices}
    assert {stack: cost and round(cost.estimate * 1e6) for stack, cost in costs.items()} == {"a+x": 20, "b+x": 40}


def test_the_price_list_has_each_stack_without_additions_and_then_what_each_adds() -> None:
    shown = _shown(RUN, summarise(RUN, windows(RUN, 100, {ONE: 8, THREE: 25, SIX: 50}, [1.0] * 8)))
    lines = [line.split() for line in shown.splitlines() if line.strip().startswith("a+x ")]
    assert [line[1:4] for line in lines] == [
        ["without", "additions", "100.0"],
        ["1", "empty", "middleware"],
        ["3", "empty", "middlewares"],
        ["6", "empty", "middlewares"],
    ]
    assert all(line[-2:] == ["different", "valid"] for line in lines[1:])
    assert "+50." in shown


def test_several_stacks_are_shown_side_by_side() -> None:
    run = extras_run("a+x", "b+x")
    shown = _shown(run, summarise(run, windows(run, 100, {ONE: 8, THREE: 25, SIX: 50}, [1.0] * 8)))
    assert [line.split()[-2:] for line in shown.splitlines() if line.strip().startswith("6 empty")] == [
        ["50.0", "50.0"]
    ]


def test_the_dearest_addition_is_named() -> None:
    summary = summarise(RUN, windows(RUN, 100, {ONE: 8, THREE: 25, SIX: 50}, [1.0] * 8))
    (sentence,) = experiment_of(RUN).conclusions(summary)
    assert sentence.startswith("a+x: 6 empty middlewares cost the most, ")
    assert sentence.endswith("us a request, where a request without additions takes 100.0 us.")


def test_an_addition_that_does_not_do_its_work_has_no_price_and_fails_the_run() -> None:
    failed = Conformance(passed=3, failed={"empty middlewares are called": "GET /hello calls 2"}, duration_s=1)
    idle = f"a+x with {THREE}"
    run = replace(RUN, cells=[replace(one, conformance=failed) if one.name == idle else one for one in RUN.cells])
    made = [one for one in windows(run, 100, {ONE: 8, SIX: 50}, DRIFT) if one.cell != idle]
    summary = summarise(run, made)
    prices = {price.name: price for price in summary.prices}
    assert (prices[THREE].cost_s, prices[THREE].decision) == (None, None)
    assert prices[THREE].verdict is Verdict.NONCONFORMING
    assert prices[SIX].verdict is Verdict.VALID
    error = experiment_of(run).failure(summary)
    assert str(error) == f"no valid number for 1 of 3 additions: a+x with {THREE}."


def test_nothing_is_decided_if_the_second_copy_of_a_stack_differs() -> None:
    made = windows(RUN, 100, {ONE: 50}, [1.0] * 8)
    skewed = [replace(one, load=replace(one.load, server_cpu_s=2.4)) if one.cell == "a+x#2" else one for one in made]  # type: ignore[type-var]
    price = _prices(RUN, skewed)[ONE]
    assert price.verdict is Verdict.CONTROL_DIFFERS
    assert price.decision is None


def test_a_run_of_one_round_has_prices_without_intervals() -> None:
    price = _prices(extras_run("a+x", rounds=1), windows(extras_run("a+x"), 100, {ONE: 50}, [1.0]))[ONE]
    assert price.cost_s is not None
    assert (round(price.cost_s.estimate * 1e6), price.cost_s.low) == (51, None)
    assert price.verdict is Verdict.TOO_FEW_ROUNDS
