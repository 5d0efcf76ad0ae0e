"""Commands that hand runs over: a bundle is made, checked, and taken in on another machine."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from common.console import Terminal, in_one_line
from common.errors import UsageError
from common.host.folders import write_file
from common.host.machine import revision
from common.words import counted, first_names
from loadtests.bundles.archive import pack
from loadtests.bundles.checks import CheckedBundle
from loadtests.bundles.contents import bundle_files, find_locks, lock_names, sha256
from loadtests.bundles.imports import checked_runs, import_runs
from loadtests.bundles.run_records import RunRecords
from loadtests.campaign.store import RESULTS, find_run_folder

BUNDLES = RESULTS / "bundles"
NAMED = 5
"""The most locks that a message names."""


def bundle(
    *,
    run: Annotated[str, Parameter(help="Finished runs by id or folder, joined by commas, such as RUN=ID,ID.")],
    out: Annotated[Path | None, Parameter(help="File to write instead of loadtests/results/bundles/ID.tar.gz.")] = None,
) -> None:
    """Write finished runs, with their locks, tables and pages, to one file that anybody can check."""
    terminal = Terminal()
    names = [name.strip() for name in run.split(",")]
    folders = [find_run_folder(name, variable="RUN").folder for name in names]
    runs = [RunRecords.read(folder, named=f"RUN={name}") for folder, name in zip(folders, names, strict=True)]
    if len({records.run.id for records in runs}) < len(runs):
        raise UsageError(f"RUN={run} names a run twice. Name each once.")
    locks = find_locks(runs)
    packed = pack(bundle_files(runs, locks, written_by=revision()))
    file = out or BUNDLES / f"{runs[0].run.id}{f'-and-{len(runs) - 1}-more' if runs[1:] else ''}.tar.gz"
    write_file(file, packed)
    _say_missing(terminal, runs, locks)
    terminal.results.print(f"wrote {file}, SHA-256 {sha256(packed)}", soft_wrap=True)


def verify(
    *, bundle: Annotated[Path, Parameter(help="File that make bundle wrote, such as BUNDLE=runs.tar.gz.")]
) -> None:
    """Check every digest of a bundle, and compute its tables and pages again."""
    terminal = Terminal()
    checked = CheckedBundle.read(bundle, named=f"BUNDLE={bundle}")
    checked.require_rebuilt(revision())
    _say_missing(terminal, checked.runs, checked.locks)
    for records in checked.runs:
        made = f"{counted(len(records.visits), 'visit')}, revision {records.run.revision or 'unknown'}"
        terminal.results.print(in_one_line(f"{records.run.id}: {made}, {_where(records)}"), soft_wrap=True)
    files = counted(len(checked.listed.files), "file")
    terminal.results.print(
        f"{bundle} is whole: {files} with their SHA-256, and tables and pages are what the records give", soft_wrap=True
    )


def import_(
    *, run: Annotated[str, Parameter(help="A run's folder, or a file that make bundle wrote, such as RUN=runs.tar.gz.")]
) -> None:
    """Take in finished runs of other machines, once they are checked."""
    terminal, named = Terminal(), f"RUN={run}"
    runs = checked_runs(Path(run), named=named, revision=revision)
    import_runs(runs, named=named)
    for records in runs:
        id_ = records.run.id
        terminal.results.print(
            in_one_line(f"imported {id_}, {_where(records)}; to see it, run: make report RUN={id_}"), soft_wrap=True
        )


def _where(records: RunRecords) -> str:
    machine = records.run.machine
    return f"made on {machine.processor}, {counted(machine.cores, 'core')}"


def _say_missing(terminal: Terminal, runs: Sequence[RunRecords], locks: Collection[str]) -> None:
    """Say which locks of the runs' frameworks a bundle lacks."""
    if missing := sorted(lock_names(runs).keys() - set(locks)):
        terminal.say(f"without {counted(len(missing), 'lock')} that could not be found: {first_names(missing, NAMED)}")
