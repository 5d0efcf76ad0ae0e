"""The price list of additions: microseconds of CPU time a request, beyond those without the addition. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from common.records.run import LoadRun
from common.records.summary import Decision, Interval, Pair, Verdict
from common.records.window import Window
from common.words import counted
from loadtests.analysis.between_runs import LEVEL, between_runs_of
from loadtests.analysis.comparison import compared
from loadtests.analysis.controls import watch
from loadtests.analysis.dropping import variation
from loadtests.analysis.formatting import MISSING, US_PER_S, bounds, estimate, plain_table, stand_in_notes, with_bounds
from loadtests.analysis.over_floor import cost_beyond
from loadtests.analysis.rates import estimates_of
from loadtests.analysis.values import by_cell, values_of
from loadtests.analysis.verdicts import load_test_verdicts, permits_ranking, sentences
from loadtests.experiments.extras.records import Addition, AdditionPrice, ExtrasRun, ExtrasSummary
from loadtests.experiments.loadtest.notes import control_notes
from loadtests.statistics.spread import Values

HEADINGS = ("stack", "addition", "us a request", "95 % interval", "of a request", "decision", "verdict")
WITHOUT = "without additions"

Reasons = Mapping[str, Mapping[Verdict, str]]
"""Every verdict on each cell, with its sentence."""


def summarise(run: ExtrasRun, windows: Sequence[Window]) -> ExtrasSummary:
    """Return the price of each addition, in the order in which they were asked for."""
    windows_of = by_cell(windows)
    values, seen = values_of(run.cells, windows_of), load_test_verdicts(run, windows_of)
    controls = watch(run, windows, values)
    reasons = {name: verdicts | controls.warnings for name, verdicts in seen.items()}
    pairs = _pairs(run, values, reasons)
    known, between = estimates_of(run, values, seen), between_runs_of(run)
    return ExtrasSummary(
        run=run.id,
        bare_s={
            name: known[name].interval(between, LEVEL).inverse()
            for name in dict.fromkeys(addition.over for addition in run.additions)
            if name in known
        },
        prices=[_price(run, addition, values, reasons, pairs.get(addition.cell)) for addition in run.additions],
        controls=controls,
    )


def _pairs(run: ExtrasRun, values: Values, reasons: Reasons) -> dict[str, Pair]:
    """Return the comparison of each addition whose two cells have valid numbers, by the cell that has it."""
    names = [(one.over, one.cell) for one in run.additions]
    able = [both for both in names if all(values[name] and permits_ranking(reasons[name]) for name in both)]
    known = variation(run, values, between_runs_of(run))
    return {pair.b: pair for pair in compared(values, able, margin=run.stopping.margin, variation=known)}


def _price(run: LoadRun, addition: Addition, values: Values, reasons: Reasons, pair: Pair | None) -> AdditionPrice:
    doubts = {**reasons[addition.over], **reasons[addition.cell]}
    return AdditionPrice(
        stack=addition.stack,
        name=addition.name,
        title=addition.title,
        cost_s=cost_beyond(run, values, addition.cell, addition.over),
        ratio=None if pair is None else pair.ratio,
        p_value=None if pair is None else pair.p_value,
        decision=None if pair is None else pair.decision,
        verdict=next(iter(doubts), Verdict.VALID),
        doubts={str(verdict): sentence for verdict, sentence in doubts.items()},
    )


def title(run: ExtrasRun) -> str:
    """Return what was measured, in one line."""
    size, load = run.setup.size, run.setup.load
    return (
        f"extras: {size.vcpu:g} vCPU, {load.users} connections, {run.runtime} runtime, {counted(run.rounds, 'round')}"
    )


def table(run: ExtrasRun, summary: ExtrasSummary) -> Table:
    """Return the price list: of each stack the request without additions, and what each addition costs."""
    return plain_table(title(run), HEADINGS, _rows(summary), left={"stack", "addition", "decision", "verdict"})


def _rows(summary: ExtrasSummary) -> Iterator[tuple[str, ...]]:
    stacks = dict.fromkeys(price.stack for price in summary.prices)
    for stack in stacks:
        bare = summary.bare_s.get(stack)
        yield (stack, WITHOUT, *_in_us(bare), "", "", "")
        for price in summary.prices:
            if price.stack == stack:
                share = _share(price.cost_s, bare)
                yield (stack, price.title, *_in_us(price.cost_s, "+"), share, price.decision or MISSING, price.verdict)


def _in_us(interval: Interval | None, sign: str = "") -> tuple[str, str]:
    """Return an estimate and its bounds in microseconds."""
    estimated, between = (form(interval, scale=US_PER_S, digits=1, sign=sign) for form in (estimate, bounds))
    return estimated, between


def _share(cost_s: Interval | None, bare: Interval | None) -> str:
    return MISSING if cost_s is None or bare is None else f"{cost_s.estimate / bare.estimate:+.1%}"


def overview(summary: ExtrasSummary) -> Table:
    """Return a row for each addition, with a column for each stack."""
    stacks = list(dict.fromkeys(price.stack for price in summary.prices))
    costs = {(price.title, price.stack): price.cost_s for price in summary.prices}
    rows = [
        (name, *(estimate(costs.get((name, stack)), scale=US_PER_S, digits=1) for stack in stacks))
        for name in dict.fromkeys(price.title for price in summary.prices)
    ]
    return plain_table("us a request by stack", ("addition", *stacks), rows, left={"addition"})


def notes(run: ExtrasRun, summary: ExtrasSummary) -> Iterator[str]:
    """Yield what a reader must know besides the tables, one sentence each."""
    yield from stand_in_notes(run.cells)
    yield "us a request: CPU time of the server for a request, beyond that of the same stack without the addition."
    yield f"of a request: the same as a share of a request {WITHOUT}."
    yield "95 % interval: of differences within rounds; it holds in other runs on this machine."
    yield (
        f"decision: different from no cost, equivalent to none within {run.stopping.margin:.0%} of a request, or "
        "undecided; adjusted for all rows."
    )
    for name, reason in run.unavailable.items():
        yield f"not available: {name}: {reason.rstrip('.')}."
    yield from control_notes(summary.controls)
    yield from sentences((f"{price.stack} with {price.name}", price.doubts) for price in summary.prices)


def conclusions(summary: ExtrasSummary) -> Iterator[str]:
    """Yield the dearest addition of each stack, in a sentence."""
    for stack, bare in summary.bare_s.items():
        costs = [
            (price.cost_s, price.title)
            for price in summary.prices
            if price.stack == stack and price.decision is Decision.DIFFERENT and price.cost_s is not None
        ]
        if costs:
            cost, name = max(costs, key=lambda one: one[0].estimate)
            yield (
                f"{stack}: {name} cost the most, {with_bounds(cost, scale=US_PER_S, digits=1)} us a request, where a "
                f"request {WITHOUT} takes {estimate(bare, scale=US_PER_S, digits=1)} us."
            )
