"""Commands that join, show and publish results."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Group, Parameter, validators

from common.catalog.frameworks import frameworks
from common.catalog.prices import load_prices
from common.catalog.selection import canonical
from common.catalog.stacks import DEFAULT
from common.cli.parameters import StackParameters
from common.console import Terminal
from common.errors import UsageError
from common.host.machine import machine
from common.records.documentation import PAGE, SCHEMAS, page, schemas
from common.records.figure import Figure
from loadtests.board import bill_report, rows_report
from loadtests.board.bill import DEFAULT_UTILISATION, Question, make_bill
from loadtests.board.index import FigureIndex
from loadtests.board.lookup import known_figures, locks_of, subjects_of
from loadtests.board.publication import PUBLISHED, publish_run, unreadable
from loadtests.board.rows import board_rows
from loadtests.registry import experiment_of

RESULTS = Group.create_ordered("Results")
MAINTENANCE = Group.create_ordered("Maintenance")

Amount = Annotated[float | None, Parameter(validator=validators.Number(gt=0, lte=1e9))]
Format = Annotated[Literal["text", "json"], Parameter(help="text or json.")]


def register(app: App) -> None:
    """Add the commands to the command line."""
    for command in (show, money, publish):
        app.command(command, group=RESULTS)
    app.command(records, group=MAINTENANCE)


def show(
    stacks: StackParameters = StackParameters(),
    *,
    vcpu: Annotated[
        float, Parameter(validator=validators.Number(gt=0), help="Size whose figures are shown, in vCPUs.")
    ] = 1.0,
    format: Format = "text",  # noqa: A002 -- its name
) -> None:
    """Show everything known of each stack in one row, and the command that fills the gaps."""
    terminal, prices = Terminal(), load_prices()
    figures = _figures(terminal)
    runtime = stacks.parse_runtime()
    candidates = _with_measured(stacks, figures).candidates(runtime)
    subjects = subjects_of(candidates, figures, any_image=stacks.image is None)
    rows = board_rows(subjects, figures, prices, vcpu=vcpu, locks=locks_of(candidates))
    if format == "json":
        print(msgspec.json.encode(rows).decode())  # noqa: T201 -- as it is, for other programs
        return
    terminal.results.print(rows_report.table(rows, vcpu=vcpu))
    for note in rows_report.notes(rows, prices, vcpu=vcpu, runtime=runtime):
        terminal.results.print(f"  {note}", soft_wrap=True, markup=False)


def money(
    stacks: StackParameters = StackParameters(),
    *,
    rate: Annotated[Amount, Parameter(help="Requests per second to be carried, for the cheapest fleet.")] = None,
    p99: Annotated[Amount, Parameter(help="Milliseconds that the 99th percentile may take; needs a rate.")] = None,
    utilisation: Annotated[
        float,
        Parameter(validator=validators.Number(gt=0, lte=1), help="Share of capacity that tasks are kept busy for."),
    ] = DEFAULT_UTILISATION,
    format: Format = "text",  # noqa: A002 -- its name
) -> None:
    """Compute dollars per million requests by stack and price list, and the cheapest fleet for a rate."""
    if p99 is not None and rate is None:
        raise UsageError(f"P99={p99:g} needs RATE=, the requests per second to serve within it.")
    terminal, prices = Terminal(), load_prices()
    figures = _figures(terminal)
    candidates = _with_measured(stacks, figures).candidates(stacks.parse_runtime())
    subjects = subjects_of(candidates, figures, any_image=stacks.image is None)
    question = Question(utilisation=utilisation, rate_rps=rate, p99_s=None if p99 is None else p99 / 1000)
    bill = make_bill(subjects, figures, prices, question, now=datetime.now(UTC))
    if format == "json":
        print(msgspec.json.encode(bill).decode())  # noqa: T201 -- as it is, for other programs
        return
    terminal.results.print(bill_report.table(bill))
    for note in bill_report.notes(bill, prices, machine()):
        terminal.results.print(f"  {note}", soft_wrap=True, markup=False)


def publish(
    *, run: Annotated[str, Parameter(help="A finished load test: its id, its folder, or latest.")] = "latest"
) -> None:
    """Keep a finished load test in loadtests/published/, and its table in the README."""
    terminal = Terminal()
    for file in publish_run(run):
        terminal.results.print(f"wrote {file}", soft_wrap=True)
    for problem in unreadable(PUBLISHED):
        terminal.say(f"left out of the pages: {problem}")


def records() -> None:
    """Write docs/records.md and the JSON Schemas, which document what a run writes."""
    SCHEMAS.mkdir(exist_ok=True)
    for file, text in {PAGE: page(), **schemas()}.items():
        file.write_text(text)
        Terminal().results.print(f"wrote {file}", soft_wrap=True)


def _with_measured(stacks: StackParameters, figures: Sequence[Figure]) -> StackParameters:
    """Return the stacks asked for; where none were named, also the frameworks that this machine has figures of."""
    if {canonical(stacks.framework), canonical(stacks.server)} != {DEFAULT}:
        return stacks
    measured = {figure.subject.framework for figure in figures} & frameworks().keys()
    return replace(stacks, framework=",".join([DEFAULT, *sorted(measured)]))


def _figures(terminal: Terminal) -> list[Figure]:
    """Return the newest valid figures of this machine; report runs that cannot be read."""
    index = FigureIndex(experiment_of)
    if problems := index.problems():
        terminal.say(f"left out, since they cannot be read: {len(problems)} runs, the first: {min(problems.values())}")
    return known_figures(index)
