"""Publishing a run: its records, its whole table on the results page, and a short table in the README."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from common.catalog.frameworks import frameworks
from common.catalog.runtimes import Runtime
from common.errors import UsageError
from common.project import ROOT
from common.records.run import LoadRun
from common.records.summary import Summary
from common.records.window import Canary, Window
from loadtests.campaign.reading import misfits_named
from loadtests.campaign.store import RunFolder, find_run_folder, run_folders
from loadtests.reports import throughput as report
from loadtests.reports.formatting import counted
from loadtests.summaries import throughput

PUBLISHED = ROOT / "loadtests" / "published"
README = ROOT / "README.md"
BEGIN = "<!-- results: begin; written by make publish -->"
END = "<!-- results: end -->"
WIDE = "-all"
"""The end of a folder's name if its run has more frameworks than the default ones."""
PAGE = ROOT / "docs" / "results.md"
PAGE_HEAD = """# Published results

Whole runs, kept in `loadtests/published/`. The run that is published is the first complete one after a release,
whatever it shows; that is decided before it is made. `make publish` writes this page and its pictures, `make site` a
site of all runs; [how to read it](reading-a-result.md).

![Requests per second per vCPU, with intervals](pictures/rates.svg)
![What a request costs in CPU time](pictures/costs.svg)
![99th percentile in a closed loop](pictures/response-times.svg)
"""


def publish_run(text: str) -> list[Path]:
    """Publish a finished load test, ``latest`` or one by its id, for its runtime and scenario; return the files.

    One of more frameworks than those that are selected by default is kept beside that of the default ones.
    ``UsageError`` if there is no such run, or if it holds servers that others cannot bring up.
    """
    folder = finished_load_test(text, variable="RUN")
    run, _ = read_load_test(folder)
    if guests := [cell.name for cell in run.cells if cell.guest is not None]:
        raise UsageError(
            f"RUN={text} cannot be published: {guests[0]} is a server of your own, not one of this project."
        )
    target = PUBLISHED / f"{run.setup.load.scenario}-{run.runtime}{WIDE if _is_wide(run) else ''}"
    files = [file for file in sorted(folder.folder.iterdir()) if file.suffix in {".json", ".jsonl"}]
    _replace(target, files)
    README.write_text(with_results(README.read_text(), PUBLISHED))
    PAGE.write_text(results_page(PUBLISHED))
    return [README, PAGE, *(target / file.name for file in files)]


def _is_wide(run: LoadRun) -> bool:
    """Return whether a run holds all frameworks that are selected by default, and more."""
    return {cell.framework for cell in run.cells} > {name for name, one in frameworks().items() if one.default}


def _replace(target: Path, files: Sequence[Path]) -> None:
    """Replace the content of ``target`` by copies of the files, which may be its own."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for file in files:
        shutil.copy(file, part / file.name)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def with_results(readme: str, published: Path) -> str:
    """Return ``readme`` with the table of the published run that comes first between its markers."""
    run, summary = _published(published)[0]
    table = report.short_markdown(run, summary)
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{table}\n{END}", readme, flags=re.DOTALL
    )


def results_page(published: Path) -> str:
    """Return ``docs/results.md``: the whole table of every published run, with its notes."""
    tables = "\n".join(
        f"## {run.setup.load.scenario}, {run.runtime} runtime, {_stacks(run)}\n\n{report.markdown(run, summary)}"
        for run, summary in _published(published)
    )
    return f"{PAGE_HEAD}\n{tables}"


def _stacks(run: LoadRun) -> str:
    return counted(sum(cell.control_of is None for cell in run.cells), "stack")


def precedence(name: str, run: LoadRun) -> tuple[bool, bool, datetime]:
    """Return what published runs are sorted by, the highest first: the README's table and all pictures are of that one.

    Docker comes before processes, the default frameworks before the whole field, a newer run before an older one.
    """
    return run.runtime is Runtime.DOCKER, not name.endswith(WIDE), run.started_at


def _published(published: Path) -> list[tuple[LoadRun, Summary]]:
    """Return the runs that can be read with their summaries, by their precedence."""
    found = {}
    for file in published.glob("*/run.json"):
        with suppress(UsageError):
            found[file.parent.name] = read_load_test(RunFolder(folder=file.parent))
    return [found[name] for name in sorted(found, key=lambda name: precedence(name, found[name][0]), reverse=True)]


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
    """Return a finished load test, ``latest`` or one by its id or folder; ``UsageError`` if there is none."""
    if text != "latest":
        folder = find_run_folder(text, variable=variable)
        if not _is_finished_load_test(folder):
            raise UsageError(f"invalid {variable}={text}: must be latest or the id of a finished load test.")
        return folder
    if (newest := next(_finished_load_tests(), None)) is None:
        raise UsageError(f"{variable}=latest: there is no finished load test. Run: make loadtest")
    return newest


def read_load_test(folder: RunFolder) -> tuple[LoadRun, Summary]:
    """Return a load test with its summary, computed from its visits."""
    run, visits = folder.run(), folder.visits()
    assert isinstance(run, LoadRun)
    with misfits_named(folder.folder):
        return run, throughput.summarise(run, [visit for visit in visits if isinstance(visit, Window | Canary)])


def _finished_load_tests() -> Iterator[RunFolder]:
    """Yield those that can be read, the newest first."""
    for folder in filter(_is_finished_load_test, run_folders()):
        with suppress(UsageError):
            read_load_test(folder)
            yield folder


def _is_finished_load_test(folder: RunFolder) -> bool:
    with suppress(UsageError):
        return (folder.folder / "summary.json").is_file() and type(folder.run()) is LoadRun
    return False
