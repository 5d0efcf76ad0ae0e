"""A capacity plan in words: the table of plans, the sentence about each, and the command that measures what is missing.

Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rich.table import Table

from common.catalog.prices import BYTES_PER_GB
from common.catalog.stacks import make_command
from common.records.capacity import CapacityPlan, Demand, TaskPlan
from common.records.figure import Subject
from common.records.run import Machine
from common.records.summary import Interval
from common.words import counted, first_names
from loadtests.analysis.formatting import MB, MISSING, MS_PER_S, bounds, estimate, limits, plain_table, share
from loadtests.board.bill import size_text
from loadtests.capacity.known import Lacking

HEADINGS = ("stack", "runtime", "prices", "tasks of", "workers", "threads", "tasks", "$/month", "from to", "p99 ms",
            "band", "busy", "limited by", "one lost", "target CPU", "needs MB")  # fmt: skip
LEFT = frozenset({"stack", "runtime", "prices", "tasks of", "limited by", "one lost"})
NAMED = 3
"""The largest number of stacks that a sentence names."""


def plan_table(plan: CapacityPlan) -> Table:
    """Return a row for each plan, the cheapest first."""
    return plain_table(title(plan.demand), HEADINGS, map(_row, plan.plans), left=LEFT)


def title(demand: Demand) -> str:
    """Return what the plans are for, in one line."""
    slept = f", {demand.sleep_share:.0%} of them waiting {demand.sleep_s * MS_PER_S:g} ms" if demand.sleep_share else ""
    return f"{demand.rate_rps:g} req/s as {demand.scenario}{slept}, within a p99 of {demand.p99_s * MS_PER_S:g} ms"


def plan_sentences(plans: Sequence[TaskPlan]) -> Iterator[str]:
    """Yield a sentence about each plan, and the autoscaler's target for the first."""
    for number, plan in enumerate(plans):
        yield f"{'plan' if number == 0 else 'next best'}: {plan_sentence(plan)}"
    for plan in plans[:1]:
        yield (
            f"autoscaler: hold {plan.target_busy:.0%} of CPU, which the task uses at {plan.target_share:.0%} of its "
            "saturated rate, since a request costs more on a server that is not always busy."
        )


def plan_sentence(plan: TaskPlan) -> str:
    """Return a plan in one sentence."""
    lost = "still holds" if plan.holds_without_one else f"does not hold, so start {plan.tasks + 1} to survive that"
    parts = [
        f"{plan.subject.name}: {counted(plan.tasks, 'task')} of {plan.size.vcpu:g} vCPU and {_gb(plan)} GB",
        counted(plan.size.workers, "worker"),
        *([] if plan.threads is None else [counted(plan.threads, "thread")]),
        f"${plan.month.estimate:,.2f}{_between(limits(plan.month, _dollars))} a month by {plan.prices}",
        f"p99 about {_ms(plan.p99_s)}",
    ]
    modelled = "; modelled: no size so large was measured" if plan.modelled else ""
    return f"{', '.join(parts)}; limited by {plan.limited_by}; one task lost: {lost}{modelled}."


def plan_notes(plan: CapacityPlan, machine: Machine) -> Iterator[str]:
    """Yield what a reader must know besides the table, one sentence each."""
    dates = ", ".join(f"{name} {day}" for name, day in plan.prices_of.items())
    yield f"prices: {dates}; before discounts, taxes, load balancers and traffic."
    yield (
        f"measured on {machine.cpu_model}, not on a cloud's processor; the rate is spread evenly over tasks, and p99 "
        "is the server's, without the network."
    )
    yield "tasks: by the lower end of the rate in another run; from, to: by the best and the worst end of everything."
    if plan.demand.connections is not None:
        yield (
            f"connections: tasks and one more during an update, x workers x {plan.demand.pool}, within "
            f"{plan.demand.connections}."
        )
    if any(one.modelled for one in plan.plans):
        yield "modelled: on more vCPUs than any size that was measured here."
    if plan.missing:
        first = next(iter(plan.missing.values()))
        yield f"not planned with: {first_names(list(plan.missing), NAMED)}, not fully measured. The first: {first}"


def measuring_command(
    subject: Subject, lacking: Sequence[Lacking], selector: str, scenario: Mapping[str, str | None]
) -> str:
    """Return the command line that measures what is lacking of a stack; ``scenario`` is the variable of its requests.

    ``selector`` is the value of ``FRAMEWORK=`` that selects its framework.
    """
    given = replace(subject.stack, framework=selector).variables
    own = [make_command(one.command, given | dict(scenario)) for one in lacking if one.of_scenario]
    usual = " ".join(one.command for one in lacking if not one.of_scenario)
    return " && ".join([*own, *([make_command(usual, given)] if usual else [])])


def _row(plan: TaskPlan) -> tuple[str, ...]:
    return (
        plan.subject.name,
        plan.subject.runtime,
        plan.prices,
        size_text(plan.size),
        str(plan.size.workers),
        MISSING if plan.threads is None else str(plan.threads),
        str(plan.tasks),
        _dollars(plan.month.estimate),
        limits(plan.month, _dollars),
        estimate(plan.p99_s, scale=MS_PER_S, digits=1),
        bounds(plan.p99_s, scale=MS_PER_S, digits=1),
        share(plan.busy),
        plan.limited_by,
        "holds" if plan.holds_without_one else "does not",
        share(plan.target_busy),
        f"{plan.memory_bytes / MB:.0f}",
    )


def _gb(plan: TaskPlan) -> str:
    return f"{(plan.size.memory_bytes or 0) / BYTES_PER_GB:g}"


def _dollars(amount: float) -> str:
    return f"{amount:,.2f}"


def _ms(interval: Interval) -> str:
    digits = 0 if interval.estimate * MS_PER_S > 10 else 1  # noqa: PLR2004 -- milliseconds
    text = estimate(interval, scale=MS_PER_S, digits=digits)
    return f"{text} ms{_between(bounds(interval, scale=MS_PER_S, digits=digits))}"


def _between(text: str) -> str:
    return "" if text == MISSING else f" ({text})"
