"""What is written from the published runs: the README's table, and the page with the whole table of each. Pure."""

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.records.run import LoadRun
from common.records.summary import Summary
from common.tables import as_markdown, markdown_table, markdown_text
from common.words import counted
from loadtests.analysis.across_runs import RecordedRun
from loadtests.analysis.machines import Elsewhere, runs_elsewhere, sentences
from loadtests.analysis.together import Repeated, repeated_rates, stack_rows
from loadtests.analysis.verdicts import is_compared
from loadtests.board.bill import SCENARIO
from loadtests.campaign.store import RunFolder
from loadtests.experiments.loadtest import frameworks_by_server, report, stacks_by_python
from loadtests.experiments.loadtest.experiment import read_load_test
from loadtests.experiments.loadtest.notes import notes

BEGIN = "<!-- results: begin; written by make publish -->"
END = "<!-- results: end -->"
LEVER_BEGIN = "<!-- servers: begin; written by make publish -->"
LEVER_END = "<!-- servers: end -->"
WIDE = "-all"
"""The end of a folder's name if its run has more frameworks than the default ones."""
SERVERS = "-servers"
"""The end of a folder's name if its run has two frameworks or more on two servers or more each."""
PYTHONS = "-pythons"
"""The end of a folder's name if its run has a stack on two Pythons or more."""
PYTHONS_BEGIN = "<!-- pythons: begin; written by make publish -->"
PYTHONS_END = "<!-- pythons: end -->"
PYTHONS_PICTURE = "![Requests per second per vCPU over those on the default Python](pictures/pythons.svg)"
PICTURE = "![Requests per second per vCPU by framework and server](docs/pictures/servers.svg)"
SHORT = ("rank", "stack", "version", report.RATE, report.INTERVAL, "over floor us", "p99 ms")
"""The columns of the README's table."""
PAGE_HEAD = """# Published results

Whole runs, kept in `loadtests/published/`. They are chosen before they are made, and published whatever they show; the
[changelog](../CHANGELOG.md) says when and why they were replaced. `make publish` writes this page and its pictures,
`make site` a site of all runs; [how to read it](reading-a-result.md).

![Requests per second per vCPU, with intervals](pictures/rates.svg)
![What a request costs in CPU time](pictures/costs.svg)
![99th percentile in a closed loop](pictures/response-times.svg)
"""


def with_results(readme: str, published: Path) -> str:
    """Return ``readme`` with what the published runs of ``hello`` say, between its markers.

    That is the table of the first run with what other machines say of its stacks, and the sentence and the picture of
    the first one on several servers. What no run says is left as it is.
    """
    of_hello = [series for series in published_series(published) if series[0].run.setup.load.scenario == SCENARIO]
    if of_hello:
        first, others = of_hello[0], [recorded for series in of_hello for recorded in series]
        table, said = short_markdown(first[0].run, _together(first)), " ".join(_elsewhere(first, others))
        readme = between_markers(BEGIN, END, readme, f"{table}\n{textwrap.fill(said, 120)}\n" if said else table)
    for series in of_hello:
        found = frameworks_by_server.by_server(series[0].run, _together(series))
        if found is not None and (sentence := frameworks_by_server.lever(found)) is not None:
            lines = map(markdown_text, textwrap.wrap(sentence, 120))
            return between_markers(LEVER_BEGIN, LEVER_END, readme, "\n".join([*lines, "", PICTURE, ""]))
    return readme


def with_pythons(page: str, published: Path) -> str:
    """Return ``docs/which-python.md`` with the figures of the first run of ``hello`` on several Pythons.

    They stand between its markers, and are left as they are if there is no such run.
    """
    for series in published_series(published):
        run = series[0].run
        if run.setup.load.scenario == SCENARIO and (found := stacks_by_python.by_python(run, _together(series))):
            return between_markers(PYTHONS_BEGIN, PYTHONS_END, page, _by_python(found, run))
    return page


def _by_python(found: stacks_by_python.ByPython, run: LoadRun) -> str:
    """Return which Python carries most, all of them and the stacks on them as tables, and what has no ratio."""
    about = markdown_text(f"{report.title(run)}. {_measured(run)}")
    tables = (stacks_by_python.spread_table(found), stacks_by_python.table(found, decided=True))
    lacking = [f"- {markdown_text(line)}" for line in stacks_by_python.without_ratio(found)]
    said = (stacks_by_python.answer(found), stacks_by_python.sentence(found))
    words = [textwrap.fill(markdown_text(sentence), 120) for sentence in said if sentence]
    shown = [*(as_markdown(table).rstrip() for table in tables), PYTHONS_PICTURE]
    return "\n\n".join([*words, *shown, "\n".join(lacking), f"{about}\n"])


def between_markers(begin: str, end: str, text: str, content: str) -> str:
    """Return a text with other content between two markers; without these, as it is."""
    return re.sub(
        f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n\n{content}\n{end}", text, flags=re.DOTALL
    )


def _together(series: Sequence[RecordedRun]) -> Summary:
    return Repeated.of(series).summary


def _elsewhere(series: Sequence[RecordedRun], every: Sequence[RecordedRun]) -> Iterator[str]:
    """Yield what the runs of other machines say of the stacks of repeated runs."""
    by_id, here = {recorded.run.id: recorded for recorded in every}, RecordedRun(series[0].run, (), _together(series))
    by_processor: dict[str, list[RecordedRun]] = defaultdict(list)
    for run in runs_elsewhere(here.run, (recorded.run for recorded in every)):
        by_processor[run.machine.processor].append(by_id[run.id])
    for others in by_processor.values():
        there = RecordedRun(others[0].run, (), _together(others))
        yield from sentences(here.summary.pairs, Elsewhere.of(here, there))


def results_page(published: Path) -> str:
    """Return ``docs/results.md``: the whole table of every published run, with its notes."""
    return "\n".join([PAGE_HEAD, *(_section(series) for series in published_series(published))])


def _section(series: Sequence[RecordedRun]) -> str:
    run = series[0].run
    stacks = counted(len(stack_names(run)), "stack")
    heading = f"## {markdown_text(run.setup.load.scenario)}, {run.runtime} runtime, {stacks}\n"
    tables = [markdown(recorded.run, recorded.summary) for recorded in series]
    found = frameworks_by_server.by_server(run, _together(series))
    heading += "" if found is None else f"\n{_by_server(found)}"
    if stacks_by_python.on_several_pythons(run.cells):
        heading += "\n[Each stack against itself on the default Python](which-python.md).\n"
    if len(series) == 1:
        return "\n".join([heading, *tables])
    summaries = [recorded.summary for recorded in series]
    rates = repeated_rates(summaries)
    table = as_markdown(report.repeated_table(rates, len(series)))
    said = [f"- {markdown_text(note)}" for note in report.repeated_notes(rates, summaries)]
    numbered = [f"### Run {number}\n\n{table}" for number, table in enumerate(tables, 1)]
    return "\n".join([heading, f"{table}\n" + "\n".join(said) + "\n", *numbered])


def _by_server(found: frameworks_by_server.ByServer) -> str:
    """Return the rates by framework and server as Markdown, with the picture of them."""
    notes_ = "\n".join(f"- {markdown_text(note)}" for note in frameworks_by_server.notes(found))
    return f"{PICTURE.replace('docs/', '')}\n\n{as_markdown(frameworks_by_server.table(found))}\n{notes_}\n"


def markdown(run: LoadRun, summary: Summary) -> str:
    """Return the summary as a Markdown table with machine and date."""
    lines = [
        *(f"**{markdown_text(warning)}**\n" for warning in report.warnings(summary)),
        markdown_text(f"{report.title(run)}. {_measured(run)}"),
        "",
        markdown_table([*report.COLUMNS], report.rows(run, summary), left=report.LEFT),
        *(f"- {markdown_text(note)}" for note in notes(run, summary)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def short_markdown(run: LoadRun, summary: Summary) -> str:
    """Return the stacks that are compared as a short Markdown table, for the README."""
    compared = replace(summary, cells=[row for row in stack_rows(summary) if is_compared(row)])
    return "\n".join(
        [
            *(f"**{markdown_text(warning)}**\n" for warning in report.warnings(summary)),
            markdown_table(SHORT, report.rows(run, compared, SHORT), left=report.LEFT),
        ]
    )


def _python(run: LoadRun, version: str) -> str:
    """Return a version and, where it is known, that this Python lacks an optimisation that others have."""
    is_this_one = run.runtime is Runtime.PROCESS and version == run.machine.python
    plain = is_this_one and run.machine.python_pgo is False
    return f"{version} (built without profile-guided optimisation)" if plain else version


def _measured(run: LoadRun) -> str:
    machine = run.machine
    engine = f"Docker {machine.docker}, " if machine.docker else ""
    pythons = ", ".join(_python(run, version) for version in sorted({cell.python for cell in run.cells}))
    return (
        f"Measured {run.started_at:%Y-%m-%d} on {machine.processor}, {machine.cores} cores, Linux {machine.kernel}, "
        f"cgroup v{machine.cgroup_version}, {engine}Python {pythons}, load over {run.setup.load_path}; "
        f"revision {run.revision}, seed {run.seed}."
    )


def precedence(name: str, run: LoadRun) -> tuple[bool, bool, bool, bool, bool, int, datetime]:
    """Return what published runs are sorted by, the highest first: the README's table and all pictures are of that one.

    ``hello`` comes before other scenarios, Docker before processes, the default frameworks before the whole field, the
    first of repeated runs before the others, a newer run before an older one. Runs on several servers and on several
    Pythons come last.
    """
    _, number = series_name(name)
    of_hello = run.setup.load.scenario == SCENARIO
    usual = PYTHONS not in name, SERVERS not in name, WIDE not in name
    return of_hello, run.runtime is Runtime.DOCKER, *usual, -number, run.started_at


def series_name(name: str) -> tuple[str, int]:
    """Return the name that repeated runs share, and which of them a folder's name is of: 1 for the first."""
    shared, dash, number = name.rpartition("-")
    return (shared, int(number)) if dash and number.isdecimal() else (name, 1)


def stack_names(run: LoadRun) -> list[str]:
    """Return the names of a run's stacks."""
    return [cell.name for cell in run.cells if cell.control_of is None]


def published_folders(published: Path) -> dict[str, list[RunFolder]]:
    """Return the folders of the published runs by their precedence, repeated ones together under the name they share.

    Those whose manifest cannot be read, or is not of a load test, are left out: ``unreadable`` says why.
    """
    found: dict[str, tuple[RunFolder, LoadRun]] = {}
    for file in published.glob("*/run.json"):
        folder = RunFolder(folder=file.parent)
        with suppress(UsageError):
            found[file.parent.name] = folder, _load_test(folder)
    series: dict[str, list[RunFolder]] = {}
    for name in sorted(found, key=lambda name: precedence(name, found[name][1]), reverse=True):
        series.setdefault(series_name(name)[0], []).append(found[name][0])
    return series


def _load_test(folder: RunFolder) -> LoadRun:
    """Return the manifest of a load test; ``UsageError`` if it cannot be read or is of another experiment."""
    run = folder.run()
    if type(run) is not LoadRun:  # histories and comparisons are of subclasses
        raise UsageError(f"{folder.folder} holds another experiment than a load test.")
    return run


def published_series(published: Path) -> Iterator[list[RecordedRun]]:
    """Yield the runs that can be read with their summaries, by their precedence, repeated ones together."""
    for folders in published_folders(published).values():
        series = []
        for folder in folders:
            with suppress(UsageError):
                series.append(read_load_test(folder))
        if series:
            yield series


def unreadable(published: Path) -> list[str]:
    """Return why published runs that the pages leave out cannot be read."""
    problems = []
    for file in sorted(published.glob("*/run.json")):
        folder = RunFolder(folder=file.parent)
        try:
            _load_test(folder)
            read_load_test(folder)
        except UsageError as error:
            problems.append(str(error))
    return problems
