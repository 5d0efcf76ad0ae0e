"""``make shares``."""

from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from common.cli.parameters import Format
from common.console import Terminal
from common.errors import UsageError
from common.records.share import Shares
from common.tables import Form, as_json
from loadtests.board.shares import by_scenario, notes, table
from loadtests.campaign.store import run_folders
from loadtests.page.sources import hello_tests, read_sources, select_folders


def shares(
    *,
    run: Annotated[
        str | None,
        Parameter(help="Load tests joined by commas: ids, folders, or latest. Default: all runs of this machine."),
    ] = None,
    format: Format = "text",  # noqa: A002 -- its name
) -> None:
    """Show how much of a request is the framework: its CPU time in parts, by scenario and stack."""
    terminal = Terminal(form=Form(format))
    sources = read_sources(select_folders(None, run), terminal)
    if run is not None:
        sources = replace(sources, beside=[*hello_tests(run_folders())])
    rows = [share for of in by_scenario(sources.shares).values() for share in of]
    if not rows:
        where = "there is" if run is None else f"RUN={run} holds"
        raise UsageError(f"{where} no load test whose requests can be split. Run: make loadtest SCENARIO=order")
    if terminal.form is Form.JSON:
        terminal.write(as_json(Shares(rows=rows)))
        return
    terminal.show(table(rows))
    for note in notes(rows):
        terminal.note(note)
