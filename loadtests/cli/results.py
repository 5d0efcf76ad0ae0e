"""Commands that join, show and publish results."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from common.catalog.frameworks import frameworks
from common.catalog.inventory import load_popularity, package_table
from common.catalog.prices import load_prices
from common.catalog.stacks import DEFAULT, make_command
from common.cli.parameters import Format, StackParameter, StackParameters
from common.console import Terminal
from common.errors import UsageError
from common.host.folders import write_file, write_files
from common.host.machine import machine
from common.records.figure import Figure, Metric
from common.records.run import Run
from common.tables import Form, as_json
from common.words import canonical, counted
from loadtests.board.bill import DEFAULT_UTILISATION, SCENARIO, Question, bill_notes, bill_table, make_bill, newest
from loadtests.board.index import FigureIndex, known_figures, locks_of, selectors_of, subjects_of
from loadtests.board.publication import publish_runs
from loadtests.board.published import unreadable
from loadtests.board.rows import board_rows, latency_command, rows_notes, rows_table
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.documentation import DOCUMENTATION, documentation, schemas
from loadtests.campaign.store import PUBLISHED, RESULTS, RunFolder, imported_folders, run_folders
from loadtests.page.model import make_page
from loadtests.page.pictures import PICTURES, Badge, pictures, write_badge
from loadtests.page.site import published_runs, write_site
from loadtests.page.sources import Source, Sources, read_sources, select_folders, with_elsewhere
from loadtests.page.writing import report as page_text

REPORT, SITE, BADGES = RESULTS / "report.html", RESULTS / "site", RESULTS / "badges"

Amount = Annotated[float | None, Parameter(validator=validators.Number(gt=0, lte=1e9))]


def show(
    stacks: StackParameters = StackParameters(),
    *,
    vcpu: Annotated[
        float, Parameter(validator=validators.Number(gt=0), help="Size whose figures are shown, in vCPUs.")
    ] = 1.0,
    format: Format = "text",  # noqa: A002 -- its name
) -> None:
    """Show everything known of each stack in one row, and the command that fills the gaps."""
    terminal, prices = Terminal(form=Form(format)), load_prices()
    figures = known_of_machine(terminal)
    runtime = stacks.parse_runtime()
    candidates = with_measured(stacks, figures).candidates(runtime)
    subjects = subjects_of(candidates, figures, any_image=stacks.image is None)
    rows = board_rows(subjects, figures, prices, vcpu=vcpu, locks=locks_of(candidates))
    if terminal.form is Form.JSON:
        terminal.write(as_json([row.record for row in rows]))
        return
    terminal.show(rows_table(rows, vcpu=vcpu))
    for note in rows_notes(rows, prices, vcpu=vcpu, runtime=runtime, selectors=selectors_of(candidates)):
        terminal.note(note)
    if terminal.form is not Form.CSV:
        shown = {candidate.stack.framework.package for candidate in candidates}
        packages = {name: usage for name, usage in load_popularity().most_used().items() if name in shown}
        terminal.results.print()
        terminal.show(package_table(packages))
        terminal.note(
            "of packages: make list names the sources of these numbers and their dates; nothing is ranked by them."
        )


def report(
    *,
    run: Annotated[str | None, Parameter(help="One run: its id, its folder, or latest.")] = None,
    runs: Annotated[str | None, Parameter(help="Runs joined by commas, or all. Default: all.")] = None,
    out: Annotated[Path | None, Parameter(help="File to write instead of loadtests/results/report.html.")] = None,
) -> None:
    """Write one self-contained page with everything that the runs know: words, table, plots, data."""
    terminal = Terminal()
    sources, file = _with_elsewhere(read_sources(select_folders(run, runs), terminal)), out or REPORT
    write_file(file, page_text(make_page(sources, load_prices())))
    terminal.results.print(f"wrote {file}", soft_wrap=True)


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
    terminal, prices = Terminal(form=Form(format)), load_prices()
    figures = known_of_machine(terminal)
    candidates = with_measured(stacks, figures).candidates(stacks.parse_runtime())
    subjects = subjects_of(candidates, figures, any_image=stacks.image is None)
    question = Question(utilisation=utilisation, rate_rps=rate, p99_s=None if p99 is None else p99 / 1000)
    bill = make_bill(subjects, figures, prices, question, now=datetime.now(UTC))
    if terminal.form is Form.JSON:
        terminal.write(as_json(bill))
        return
    terminal.show(bill_table(bill))
    unknown = set(bill.unknown.get("latency", ()))
    lacking = [row.rate.subject for row in bill.rows if row.rate.subject.name in unknown]
    command = latency_command(list(dict.fromkeys(lacking)), selectors_of(candidates))
    for note in bill_notes(bill, prices, machine(), command):
        terminal.note(note)


def publish(
    *,
    run: Annotated[
        str,
        Parameter(
            help="A finished load test: its id, its folder, or latest; several, which REPEAT= made, joined by commas; "
            "or published, to write everything anew from the records of the published runs."
        ),
    ] = "latest",
) -> None:
    """Keep a finished load test in loadtests/published/, and its table and pictures in the README."""
    terminal = Terminal()
    files = publish_runs(run)
    pages = [published.page for published in published_runs(PUBLISHED, load_prices())]
    drawn = {PICTURES / name: picture for name, picture in pictures(pages).items()}
    write_files(drawn)
    for file in [*files, *drawn]:
        terminal.results.print(f"wrote {file}", soft_wrap=True)
    _name_left_out(terminal)


def site(
    *, out: Annotated[Path | None, Parameter(help="Folder of the site instead of loadtests/results/site.")] = None
) -> None:
    """Write a static site of the published runs, for any web server or host of files."""
    folder, terminal = out or SITE, Terminal()
    files = write_site(published_runs(PUBLISHED, load_prices()), folder)
    terminal.results.print(f"wrote {counted(len(files), 'file')}; begin with {folder / 'index.html'}", soft_wrap=True)
    _name_left_out(terminal)


def _name_left_out(terminal: Terminal) -> None:
    for problem in unreadable(PUBLISHED):
        terminal.say(f"left out of the pages: {problem}")


def badge(
    stack: StackParameter = StackParameter(),
    *,
    out: Annotated[Path | None, Parameter(help="Folder for the two files instead of loadtests/results/badges.")] = None,
) -> None:
    """Write a badge of one stack's requests per second per vCPU: an SVG, and JSON for a badge service."""
    terminal = Terminal()
    runtime = stack.parse_runtime()
    candidate = stack.candidate(runtime)
    (subject,) = subjects_of([candidate], [], any_image=False)
    known = [figure for figure in known_of_machine(terminal) if figure.subject == subject]
    figure = newest(known, Metric.REQUESTS_PER_CPU_S, scenario=SCENARIO)
    if figure is None:
        asked = replace(subject.stack, framework=candidate.stack.framework.selector)
        command = make_command("loadtest", asked.variables)
        raise UsageError(f"no valid rate of {subject.name} is known. Run: {command}")
    for file in write_badge(Badge.of(figure, machine().cpu_model), out or BADGES, subject):
        terminal.results.print(f"wrote {file}", soft_wrap=True)


def records() -> None:
    """Write docs/records.md and the JSON Schemas, which document what a run writes."""
    files = {DOCUMENTATION: documentation(), **schemas()}
    write_files(files)
    for file in files:
        Terminal().results.print(f"wrote {file}", soft_wrap=True)


def with_measured(stacks: StackParameters, figures: Sequence[Figure]) -> StackParameters:
    """Return the stacks asked for; where none were named, also the frameworks that this machine has figures of."""
    if {canonical(stacks.framework), canonical(stacks.server)} != {DEFAULT}:
        return stacks
    measured = {figure.subject.framework for figure in figures} & frameworks().keys()
    return replace(stacks, framework=",".join([DEFAULT, *sorted(measured)]))


def _with_elsewhere(sources: Sources) -> Sources:
    """Return the runs of a page with those, imported or published, that other machines made of its stacks."""
    found: dict[str, tuple[Run, RunFolder]] = {}
    for folder in (*imported_folders(), *run_folders(PUBLISHED)):
        with suppress(UsageError):
            run = folder.run()
            found[run.id] = run, folder
    return with_elsewhere(sources, (run for run, _ in found.values()), lambda run: Source.read(found[run.id][1]))


def known_of_machine(terminal: Terminal) -> list[Figure]:
    """Return the newest valid figures of this machine; report runs that cannot be read."""
    index = FigureIndex(experiment_of)
    if problems := index.problems():
        terminal.say(
            f"left out, since they cannot be read: {counted(len(problems), 'run')}, the first: {min(problems.values())}"
        )
    return known_figures(index)
