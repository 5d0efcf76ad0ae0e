"""Publishing a run: its records, its whole table on the results page, and a short table in the README."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from common.catalog.frameworks import frameworks
from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.project import ROOT
from common.records.run import LoadRun
from common.records.summary import Summary, Verdict
from common.tables import as_markdown, markdown_table
from common.words import counted
from loadtests.analysis.across_runs import RecordedRun, RepeatedRate, repeated_rates
from loadtests.analysis.formatting import bounds, estimate
from loadtests.analysis.verdicts import FEWEST_ROUNDS
from loadtests.board.bill import SCENARIO
from loadtests.campaign.store import RunFolder, find_run_folder, run_folders
from loadtests.experiments.loadtest import report
from loadtests.experiments.loadtest.experiment import read_load_test, why_unfinished
from loadtests.experiments.loadtest.notes import notes

PUBLISHED = ROOT / "loadtests" / "published"
README = ROOT / "README.md"
BEGIN = "<!-- results: begin; written by make publish -->"
END = "<!-- results: end -->"
WIDE = "-all"
"""The end of a folder's name if its run has more frameworks than the default ones."""
PAGE = ROOT / "docs" / "results.md"
ANEW = "published"
"""The value of ``RUN=`` that publishes no run, and writes everything anew from the records of those that are."""
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


def publish_runs(text: str) -> list[Path]:
    """Publish a finished load test, ``latest`` or one by its id or folder, or several joined by commas.

    With ``ANEW`` no run is added, and what follows from those that are published is written again.

    Several are repetitions of one run, as ``REPEAT=`` makes them, and are published together. They take the place of
    what was published of their runtime and scenario; a run of more frameworks than the default ones is kept beside
    that. Return the files. Raise ``UsageError`` if there is no such run, if it was interrupted or is of the web UI, if
    it has too few rounds to rank by, if it holds servers that others cannot bring up, or if the runs are not of the
    same stacks.
    """
    copied = [] if text == ANEW else _copies(text)
    renewed = list(_with_summaries(PUBLISHED))
    README.write_text(with_results(README.read_text(), PUBLISHED))
    PAGE.write_text(results_page(PUBLISHED))
    return list(dict.fromkeys([README, PAGE, *copied, *renewed]))


def _copies(text: str) -> list[Path]:
    """Copy the runs that ``RUN=`` names to the published ones; return the files."""
    folders = [finished_load_test(part.strip(), variable="RUN") for part in text.split(",")]
    recorded = [read_load_test(folder) for folder in folders]
    runs = [one.run for one in recorded]
    if short := [one.run.id for one in recorded if _has_too_few_rounds(one.summary)]:
        raise UsageError(
            f"RUN={text} cannot be published: {short[0]} ranks no stack, since it has fewer than {FEWEST_ROUNDS} "
            "rounds. Run: make loadtest, with a longer BUDGET= or more ROUNDS="
        )
    if guests := [cell.name for run in runs for cell in run.cells if cell.guest is not None]:
        raise UsageError(
            f"RUN={text} cannot be published: {guests[0]} is a server of your own, not one of this project."
        )
    if len({(folder_name(run), frozenset(_stack_names(run))) for run in runs}) > 1:
        raise UsageError(f"RUN={text} cannot be published together: these runs are not of the same stacks.")
    if len({run.id for run in runs}) < len(runs):
        raise UsageError(f"RUN={text} names a run twice.")
    return _replace(folder_name(runs[0]), [folder.folder for folder in folders])


def _with_summaries(published: Path) -> Iterator[Path]:
    """Compute the summaries of the published runs from their records, and write them; yield the files."""
    for folder in (RunFolder(folder=file.parent) for file in sorted(published.glob("*/run.json"))):
        with suppress(UsageError):
            folder.finish(read_load_test(folder).summary)
            yield folder.folder / "summary.json"


def _has_too_few_rounds(summary: Summary) -> bool:
    return all(Verdict.TOO_FEW_ROUNDS in row.doubts for row in summary.cells)


def folder_name(run: LoadRun) -> str:
    """Return the name of the folder that a run is published in; its repetitions add ``-2``, ``-3`` and so on."""
    return f"{run.setup.load.scenario}-{run.runtime}{WIDE if _is_wide(run) else ''}"


def _is_wide(run: LoadRun) -> bool:
    """Return whether a run holds all frameworks that are selected by default, and more."""
    return {cell.framework for cell in run.cells} > {name for name, one in frameworks().items() if one.default}


def _stack_names(run: LoadRun) -> list[str]:
    return [cell.name for cell in run.cells if cell.control_of is None]


def _replace(name: str, folders: Sequence[Path]) -> list[Path]:
    """Replace what is published under ``name`` by copies of these runs, which may be among it; return their files."""
    copies = PUBLISHED / f".{name}.part"  # what an interruption leaves is one level below the published runs
    shutil.rmtree(copies, ignore_errors=True)
    parts = [copies / f"{number}" for number, _ in enumerate(folders, 1)]
    for part, folder in zip(parts, folders, strict=True):
        part.mkdir(parents=True)
        for file in sorted(folder.iterdir()):
            if file.suffix in {".json", ".jsonl"}:
                shutil.copy(file, part / file.name)
    for old in [one for one in PUBLISHED.iterdir() if _series(one.name)[0] == name]:
        shutil.rmtree(old)
    targets = [PUBLISHED / (name if number == 1 else f"{name}-{number}") for number, _ in enumerate(folders, 1)]
    for part, target in zip(parts, targets, strict=True):
        part.rename(target)
    copies.rmdir()
    return [file for target in targets for file in sorted(target.iterdir())]


def with_results(readme: str, published: Path) -> str:
    """Return ``readme`` with the table of the first published run of ``hello`` between its markers.

    Without such a run it is returned unchanged.
    """
    series = next((one for one in _published(published) if one[0].run.setup.load.scenario == SCENARIO), None)
    if series is None:
        return readme
    table = short_markdown(series[0].run, series[0].summary, _repeated(series))
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{table}\n{END}", readme, flags=re.DOTALL
    )


def results_page(published: Path) -> str:
    """Return ``docs/results.md``: the whole table of every published run, with its notes."""
    return "\n".join([PAGE_HEAD, *(_section(series) for series in _published(published))])


def _section(series: Sequence[RecordedRun]) -> str:
    run = series[0].run
    heading = f"## {run.setup.load.scenario}, {run.runtime} runtime, {counted(len(_stack_names(run)), 'stack')}\n"
    tables = [markdown(one.run, one.summary) for one in series]
    if len(series) == 1:
        return "\n".join([heading, *tables])
    rates = _repeated(series)
    together = as_markdown(report.repeated_table(rates, len(series)))
    notes = [f"- {note}" for note in report.repeated_notes(rates, [one.summary for one in series])]
    numbered = [f"### Run {number}\n\n{table}" for number, table in enumerate(tables, 1)]
    return "\n".join([heading, f"{together}\n" + "\n".join(notes) + "\n", *numbered])


def markdown(run: LoadRun, summary: Summary) -> str:
    """Return the summary as a Markdown table with machine and date."""
    lines = [
        *(f"**{warning}**\n" for warning in report.warnings(summary)),
        f"{report.title(run)}. {_measured(run)}",
        "",
        markdown_table(report.HEADINGS, report.rows(run, summary), left=report.LEFT),
        *(f"- {note}" for note in notes(run, summary)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def short_markdown(run: LoadRun, summary: Summary, repeated: Sequence[RepeatedRate] = ()) -> str:
    """Return the ranked stacks as a short Markdown table, for the README.

    ``repeated`` is what repetitions of the run say together with it: their rates and intervals replace its own.
    """
    together = {one.cell: one.requests_per_cpu_s for one in repeated}
    ranked = []
    for row, texts in zip(summary.cells, report.rows(run, summary), strict=True):
        shown = dict(zip(report.HEADINGS, texts, strict=True))
        if rate := together.get(row.cell):
            shown |= {report.RATE: estimate(rate), report.INTERVAL: bounds(rate)}
        if row.rank:
            ranked.append([shown[heading] for heading in SHORT])
    return "\n".join(
        [*(f"**{one}**\n" for one in report.warnings(summary)), markdown_table(SHORT, ranked, left=report.LEFT)]
    )


def _python(run: LoadRun, version: str) -> str:
    """Return a version and, where it is known, that this Python lacks an optimisation that others have."""
    is_this_one = run.runtime is Runtime.PROCESS and version == run.machine.python
    plain = is_this_one and run.machine.python_pgo is False
    return f"{version} (built without profile-guided optimisation)" if plain else version


def _measured(run: LoadRun) -> str:
    machine = run.machine
    engine = f"Docker {machine.docker}, " if machine.docker else ""
    pythons = ", ".join(_python(run, one) for one in sorted({cell.python for cell in run.cells}))
    return (
        f"Measured {run.started_at:%Y-%m-%d} on {machine.processor}, {machine.cores} cores, Linux {machine.kernel}, "
        f"cgroup v{machine.cgroup_version}, {engine}Python {pythons}, load over {run.setup.load_path}; "
        f"revision {run.revision}, seed {run.seed}."
    )


def _repeated(series: Sequence[RecordedRun]) -> list[RepeatedRate]:
    """Return what repeated runs say together; nothing of a single one."""
    return repeated_rates([one.summary for one in series]) if len(series) > 1 else []


def precedence(name: str, run: LoadRun) -> tuple[bool, bool, bool, int, datetime]:
    """Return what published runs are sorted by, the highest first: the README's table and all pictures are of that one.

    ``hello`` comes before other scenarios, Docker before processes, the default frameworks before the whole field, the
    first of repeated runs before the others, a newer run before an older one.
    """
    _, number = _series(name)
    of_hello = run.setup.load.scenario == SCENARIO
    return of_hello, run.runtime is Runtime.DOCKER, WIDE not in name, -number, run.started_at


def _series(name: str) -> tuple[str, int]:
    """Return the name that repeated runs share, and which of them a folder's name is of: 1 for the first."""
    shared, dash, number = name.rpartition("-")
    return (shared, int(number)) if dash and number.isdecimal() else (name, 1)


def _published(published: Path) -> list[list[RecordedRun]]:
    """Return the runs that can be read with their summaries, by their precedence, repeated ones together."""
    found = {}
    for file in published.glob("*/run.json"):
        with suppress(UsageError):
            found[file.parent.name] = read_load_test(RunFolder(folder=file.parent))
    series: dict[str, list[RecordedRun]] = {}
    for name in sorted(found, key=lambda name: precedence(name, found[name].run), reverse=True):
        series.setdefault(_series(name)[0], []).append(found[name])
    return list(series.values())


def unreadable(published: Path) -> list[str]:
    """Return why published runs that the pages leave out cannot be read."""
    problems = []
    for file in sorted(published.glob("*/run.json")):
        try:
            read_load_test(RunFolder(folder=file.parent))
        except UsageError as error:
            problems.append(str(error))
    return problems


def finished_load_test(text: str, *, variable: str) -> RunFolder:
    """Return a finished load test, ``latest`` or one by its id or folder; ``UsageError`` if there is none.

    Those of the web UI do not count: nobody has held their stacks to the contract.
    """
    if text != "latest":
        folder = find_run_folder(text, variable=variable)
        if not _is_load_test_with_summary(folder):
            raise UsageError(f"invalid {variable}={text}: must be latest or the id of a finished load test.")
        if (reason := why_unfinished(folder)) is not None:
            raise UsageError(f"{variable}={text} is not a finished load test: {reason}")
        return folder
    if (newest := next(_finished_load_tests(), None)) is None:
        raise UsageError(f"{variable}=latest: there is no finished load test. Run: make loadtest")
    return newest


def _finished_load_tests() -> Iterator[RunFolder]:
    """Yield those that can be read, the newest first."""
    for folder in filter(_is_load_test_with_summary, run_folders()):
        with suppress(UsageError):
            read_load_test(folder)
            if why_unfinished(folder) is None:
                yield folder


def _is_load_test_with_summary(folder: RunFolder) -> bool:
    """Return whether a folder holds a load test with a summary. Histories do not count."""
    with suppress(UsageError):
        return (folder.folder / "summary.json").is_file() and type(folder.run()) is LoadRun
    return False
