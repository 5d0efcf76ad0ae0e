"""Runs of other machines: checked, and kept apart from those that were made here.

A folder and an archive are read alike. Only records are taken from them; what follows from these is computed anew.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from common.errors import UsageError
from common.host.folders import named_if_unwritable, remove_folder, write_files
from loadtests.bundles.checks import CheckedBundle
from loadtests.bundles.run_records import RunRecords
from loadtests.campaign.store import SUMMARY, imported_folder, imported_folders, misfits_named, record_text, run_folders


def checked_runs(place: Path, *, named: str, revision: Callable[[], str | None]) -> Sequence[RunRecords]:
    """Return the runs in a run's folder or in a bundle, after every check.

    Tables and pages are compared if the ``revision`` of the code here wrote them; none is taken. Raise ``FailedError``
    if a file was altered, and ``UsageError`` if ``place`` holds no finished run.
    """
    if not os.path.exists(place):  # noqa: PTH110 -- false for impossible names too
        raise UsageError(f"{named} does not exist: must be a run's folder, or a file that make bundle wrote.")
    if place.is_dir():
        return [RunRecords.read(place, named=named)]
    bundle = CheckedBundle.read(place, named=named)
    if bundle.is_by(here := revision()):
        bundle.require_rebuilt(here)
    return bundle.runs


def import_runs(runs: Sequence[RunRecords], *, named: str) -> list[Path]:
    """Write runs to the folder of imported ones, all or none; return their folders.

    Raise ``UsageError`` if one is already here, or cannot be written.
    """
    known = {folder.folder.name: folder.folder for folder in (*run_folders(), *imported_folders())}
    for records in runs:
        if (folder := known.get(records.run.id)) is not None:
            raise UsageError(f"{named}: run {folder.name} is already in {folder}. Remove it to import it again.")
    part = imported_folder(".part")  # what a kill leaves there is too deep for a run, and gone with the next import
    remove_folder(part)
    try:
        write_files({part / records.run.id / name: text for records in runs for name, text in _files(records).items()})
        return _moved(part, [imported_folder(records.run.id) for records in runs])
    finally:
        remove_folder(part)


def _moved(part: Path, folders: Sequence[Path]) -> list[Path]:
    """Move folders out of ``part``, all or none, and return them."""
    moved = list[Path]()
    try:
        with named_if_unwritable(part.parent):
            for folder in folders:
                (part / folder.name).rename(folder)
                moved.append(folder)
    except BaseException:
        for folder in moved:
            remove_folder(folder)
        raise
    return moved


def _files(records: RunRecords) -> dict[str, bytes]:
    """Return the records of a run, and the summary that the code here computes from them."""
    with misfits_named(Path(records.named)):
        return records.files | {SUMMARY: record_text(records.experiment.summarise(records.visits))}
