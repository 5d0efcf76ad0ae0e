"""The records of ``make extras``."""

from typing import Annotated

from msgspec import Struct

from common.records.run import LoadRun
from common.records.schema import RunSummary, says
from common.records.summary import Controls, Decision, Interval, Verdict


class Addition(Struct, frozen=True, kw_only=True):
    """An addition to a stack, and the two cells whose difference is its price."""

    stack: Annotated[str, says("Name of the stack without additions.")]
    name: Annotated[str, says("Name of the addition, as EXTRAS= has it.")]
    title: Annotated[str, says("The addition in words.")]
    cell: Annotated[str, says("Name of the cell that has it.")]
    over: Annotated[str, says("Name of the cell that is the same without it.")]


class ExtrasRun(LoadRun, frozen=True, kw_only=True, tag="extras"):
    """A load test of apps with and without additions; the servers of one stack take turns with each other."""

    additions: list[Addition]


class AdditionPrice(Struct, frozen=True, kw_only=True):
    """What an addition costs a stack."""

    stack: Annotated[str, says("Name of the stack without additions.")]
    name: Annotated[str, says("Name of the addition, as EXTRAS= has it.")]
    title: Annotated[str, says("The addition in words.")]
    cost_s: Annotated[
        Interval | None,
        says(
            "CPU time of the server for a request, beyond that without the addition, within rounds. The interval holds "
            "in other runs on this machine. Null if no round has both."
        ),
    ]
    ratio: Annotated[
        Interval | None, says("CPU time of a request with the addition, divided by that without; null if not compared.")
    ]
    p_value: Annotated[
        float | None, says("P-value of the hypothesis of no cost, adjusted for all additions; null if not compared.")
    ]
    decision: Annotated[
        Decision | None,
        says(
            "Different from no cost, equivalent to none within the run's margin of a whole request, or undecided; null "
            "if not compared."
        ),
    ]
    verdict: Annotated[Verdict, says("Of the two cells that are compared.")]
    doubts: Annotated[dict[str, str], says("Every verdict that applies, each with the observation and the remedy.")]


class ExtrasSummary(RunSummary, frozen=True, kw_only=True):
    """The price list of additions."""

    bare_s: Annotated[dict[str, Interval], says("CPU time of a request of each stack without additions.")]
    prices: list[AdditionPrice]
    controls: Annotated[Controls, says("A second copy of each stack without additions must tie with it.")]
