"""``make outcome``: what a comparison decided, in files for a pipeline and with the exit status that it acts on."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console

from common.catalog.prices import load_prices
from common.console import Terminal
from common.errors import BenchmarkError, NotComparedError, SlowerError, UsageError
from common.host.folders import write_files
from common.records.run import CompareRun
from common.records.summary import Summary
from common.tables import Form, markdown_text
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.experiment import Experiment
from loadtests.campaign.plan import windows_of
from loadtests.campaign.store import RESULTS, RunFolder, find_run_folder, misfits_named
from loadtests.experiments.compare.command import failing_only_if_slower
from loadtests.experiments.compare.conclusion import Conclusion, plots
from loadtests.page.model import make_page
from loadtests.page.sources import Source, of_one_machine
from loadtests.page.writing import report as page_text

OUTCOME = RESULTS / "outcome"
VARIABLES, TEXT, MARKDOWN, JSON, PAGE = "outcome.env", "outcome.txt", "outcome.md", "outcome.json", "page.html"
MOST_BYTES = 60_000
"""The limit on the text and the Markdown; a comment on GitHub takes 65,536 characters, the summary of a step 1 MiB."""
WIDTH = 160
"""The width of tables in the text, in characters."""
LONGEST = 2_000
"""The limit on a sentence, in characters, which may hold a name of the user's."""
ERROR = "error: "
"""What the line begins with that says why a command failed."""


@failing_only_if_slower
def outcome(
    *,
    run: Annotated[str, Parameter(help="A comparison: its id or its folder.")],
    log: Annotated[
        Path | None, Parameter(help="File of what make compare printed, which says why there is no such comparison.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="Folder of the files instead of loadtests/results/outcome.")] = None,
) -> None:
    """Write what a comparison decided as text, Markdown, JSON, variables and a page, and end as it should for CI."""
    terminal, folder = Terminal(), out or OUTCOME
    try:
        files, failure, warnings = _read(find_run_folder(run, variable="RUN"))
    except BenchmarkError as error:
        told = _cause(error, log)
        write_files(_placed(folder, _files(Conclusion.broken(str(told)), {})))
        raise told from error
    write_files(_placed(folder, files))
    for warning in warnings:
        terminal.say(f"warning: {warning}")
    terminal.results.print(f"wrote {folder}", soft_wrap=True)
    if failure is not None:
        raise failure


def _cause(error: BenchmarkError, log: Path | None) -> BenchmarkError:
    """Return why nothing was decided: the last error in a log, or else the one that was met here."""
    try:
        lines = [] if log is None else log.read_text(errors="replace").splitlines()
    except OSError as unreadable:
        return UsageError(f"LOG={log} cannot be read: {unreadable.strerror}. {error}")
    told = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return NotComparedError(told[-1]) if told else error


def _read(folder: RunFolder) -> tuple[dict[str, str], BenchmarkError | None, list[str]]:
    """Return the files of a comparison, the error with which it ended, and what it warns of.

    Raise ``UsageError`` if it is something else, and ``NotComparedError`` if nothing was decided.
    """
    source = Source.read(folder)
    run, summary = source.run, source.summary
    if not isinstance(run, CompareRun) or not isinstance(summary, Summary):
        raise UsageError(f"RUN={folder.name} was written by make {run.__struct_config__.tag}: must be a comparison.")
    experiment = experiment_of(run)
    with misfits_named(folder.folder):
        failure = experiment.failure(summary)
        if not experiment.is_complete(source.visits) or not summary.pairs:
            raise NotComparedError(str(failure or f"the comparison {folder.name} was interrupted: nothing is decided."))
        found = Conclusion.of(summary.pairs, run.stopping.margin)
        if failure is not None and not isinstance(failure, SlowerError):
            found = found.but_broken(str(failure))
        drawn = plots(run, windows_of(source.visits), summary.pairs)
        texts = {form: _presented(experiment, summary, form, drawn) for form in (Form.TEXT, Form.MARKDOWN)}
        page = page_text(make_page(of_one_machine([source]), load_prices()))
        return _files(found, texts) | {PAGE: page}, failure, list(experiment.warnings(summary))


def _presented(experiment: Experiment[CompareRun, Summary], summary: Summary, form: Form, drawn: list[str]) -> str:
    """Return plots, tables and notes in this form."""
    text = StringIO()
    results = Console(file=text, width=WIDTH, markup=False, emoji=False, highlight=False)
    terminal = Terminal(form=form, results=results)
    for table in experiment.tables(summary):
        terminal.show(table)
    for note in experiment.notes(summary):
        terminal.note(note)
    fence = "```\n" if form is Form.MARKDOWN else ""
    return "".join(f"{fence}{plot}{fence}\n" for plot in drawn) + text.getvalue()


def _files(found: Conclusion, texts: Mapping[Form, str]) -> dict[str, str]:
    """Return the contents of the files by their names."""
    said = [sentence[:LONGEST] for sentence in found.sentences]
    paragraphs = "\n\n".join(map(markdown_text, said))
    return {
        VARIABLES: found.variables(),
        JSON: msgspec.json.format(msgspec.json.encode(found)).decode() + "\n",
        TEXT: _limited("\n".join([found.verdict, "", *said, ""]), texts.get(Form.TEXT, "")),
        MARKDOWN: _limited(f"### {found.verdict}\n\n{paragraphs}\n", texts.get(Form.MARKDOWN, "")),
    }


def _limited(beginning: str, rest: str) -> str:
    """Return a text within the limit, without its rest if that is too long."""
    whole = f"{beginning}\n{rest}" if rest else beginning
    return whole if len(whole.encode()) <= MOST_BYTES else f"{beginning}\nThe table is too long to be shown here.\n"


def _placed(folder: Path, files: Mapping[str, str]) -> dict[Path, str | bytes]:
    return {folder / name: text for name, text in files.items()}
