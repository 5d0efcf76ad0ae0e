"""Publishing runs: their records are kept, and what is written from those of all published runs is written again."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from common.catalog.frameworks import frameworks
from common.errors import UsageError
from common.host.folders import named_if_unwritable, remove_folder, write_files
from common.project import ROOT
from common.records.run import LoadRun
from common.records.summary import Summary, Verdict
from loadtests.analysis.thresholds import FEWEST_ROUNDS
from loadtests.analysis.together import series_of
from loadtests.board import shares_page
from loadtests.board.published import (
    PYTHONS,
    SERVERS,
    WIDE,
    results_page,
    series_name,
    stack_names,
    with_pythons,
    with_results,
)
from loadtests.campaign import store
from loadtests.campaign.store import RunFolder, find_run_folder, run_folders
from loadtests.experiments.loadtest.experiment import read_load_test, why_unfinished
from loadtests.experiments.loadtest.frameworks_by_server import on_several_servers
from loadtests.experiments.loadtest.stacks_by_python import on_several_pythons

README = ROOT / "README.md"
PAGE = ROOT / "docs" / "results.md"
WHICH_PYTHON = ROOT / "docs" / "which-python.md"
INDEX = ROOT / "docs" / "README.md"
SHARES = ROOT / "docs" / shares_page.NAME
ANEW = "published"
"""The value of ``RUN=`` that publishes no run, and writes everything anew from the records of those that are."""


def publish_runs(text: str) -> list[Path]:
    """Publish a finished load test, ``latest`` or one by its id or folder, or several joined by commas.

    With ``ANEW`` no run is added, and what follows from those that are published is written again.

    Several are repetitions of one run, as ``REPEAT=`` makes them, and are published together. They take the place of
    what was published of their runtime and scenario; a run of more frameworks than the default ones, on several servers
    or on several Pythons is kept beside that. Return the files. Raise ``UsageError`` if there is no such run, if it was
    interrupted or is of the web UI, if it has too few rounds to rank by, if it holds servers that others cannot bring
    up, or if the runs are not of the same stacks or do not repeat each other.
    """
    copied = [] if text == ANEW else _copies(text)
    renewed = list(_with_summaries(store.PUBLISHED))
    written = dict(written_of(store.PUBLISHED))
    write_files(written)
    return list(dict.fromkeys([*written, *copied, *renewed]))


def written_of(published: Path) -> Iterator[tuple[Path, str]]:
    """Yield the pages that follow from the published runs, with their texts."""
    shares = shares_page.published_shares(published)
    yield README, shares_page.with_shares(with_results(README.read_text(), published), shares)
    yield PAGE, results_page(published)
    yield WHICH_PYTHON, with_pythons(WHICH_PYTHON.read_text(), published)
    if shares is not None:
        yield INDEX, shares_page.with_link(INDEX.read_text(), shares)
        yield SHARES, shares_page.page_of(shares)


def _copies(text: str) -> list[Path]:
    """Copy the runs that ``RUN=`` names to the published ones; return the files."""
    folders = [finished_load_test(part.strip(), variable="RUN") for part in text.split(",")]
    recorded = [read_load_test(folder) for folder in folders]
    runs = [load_test.run for load_test in recorded]
    if short := [load_test.run.id for load_test in recorded if _has_too_few_rounds(load_test.summary)]:
        raise UsageError(
            f"RUN={text} cannot be published: {short[0]} ranks no stack, since it has fewer than {FEWEST_ROUNDS} "
            "rounds. Run: make loadtest, with a longer BUDGET= or more ROUNDS="
        )
    if guests := [cell.name for run in runs for cell in run.cells if cell.guest is not None]:
        raise UsageError(
            f"RUN={text} cannot be published: {guests[0]} is a server of your own, not one of this project."
        )
    if len({(folder_name(run), frozenset(stack_names(run))) for run in runs}) > 1:
        raise UsageError(f"RUN={text} cannot be published together: these runs are not of the same stacks.")
    if len({series_of(run) for run in runs}) > 1:
        raise UsageError(
            f"RUN={text} cannot be published together: these runs differ in versions, machine, load or revision of "
            "this project. Publish runs that REPEAT= made."
        )
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
    return f"{run.setup.load.scenario}-{run.runtime}{_kind(run)}"


def _kind(run: LoadRun) -> str:
    """Return the end of the folder's name, which keeps runs of different selections apart."""
    if on_several_pythons(run.cells):
        return PYTHONS
    if on_several_servers((cell.framework, cell.server) for cell in run.cells):
        return SERVERS
    return WIDE if _is_wide(run) else ""


def _is_wide(run: LoadRun) -> bool:
    """Return whether a run holds all frameworks that are selected by default, and more."""
    default = {name for name, framework in frameworks().items() if framework.default}
    return {cell.framework for cell in run.cells} > default


def _replace(name: str, folders: Sequence[Path]) -> list[Path]:
    """Replace what is published under ``name`` by copies of these runs, which may be among it; return their files.

    Nothing is replaced unless there is room for all copies.
    """
    copies = store.PUBLISHED / f".{name}.part"  # what an interruption leaves is one level below the published runs
    targets = [store.PUBLISHED / (name if number == 1 else f"{name}-{number}") for number, _ in enumerate(folders, 1)]
    remove_folder(copies)
    try:
        with named_if_unwritable(store.PUBLISHED):
            for folder, target in zip(folders, targets, strict=True):
                _copy_records(folder, copies / target.name)
            for old in [folder for folder in store.PUBLISHED.iterdir() if series_name(folder.name)[0] == name]:
                old.rename(copies / f"old-{old.name}")
            for target in targets:
                (copies / target.name).rename(target)
    finally:
        remove_folder(copies)
    return [file for target in targets for file in sorted(target.iterdir())]


def _copy_records(folder: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for file in sorted(folder.iterdir()):
        if file.suffix in {".json", ".jsonl"}:
            shutil.copy(file, target)


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
