"""Run folders: ``run.json`` first, a line of ``visits.jsonl`` for each visit, ``summary.json`` at the end.

Visits are read back only if they belong to the run, are planned by it, and occur no more often than planned. Otherwise
a line copied within the file would count as another round, and a window of another run as one of this run.
"""

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from common.errors import FailedError, UsageError
from common.host.folders import append, write_file
from common.project import ROOT
from common.records.load import LoadSpec, Setup
from common.records.run import Run
from common.records.schema import Visit
from loadtests.campaign.catalog import decode_run, decode_visit

RESULTS = ROOT / "loadtests" / "results"
PUBLISHED = ROOT / "loadtests" / "published"
MANIFEST = "run.json"
VISITS = "visits.jsonl"
SUMMARY = "summary.json"
IMPORTED = "imported"
"""The folder, among the results, of the runs that ``make import`` took in; they never count as this machine's."""
DAMAGED = "visits.damaged"
"""The file for lines of ``visits.jsonl`` that a killed run or a full disk left incomplete."""

MISFITS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""The errors raised while computing with records that are valid one by one but inconsistent."""


RunType = TypeVar("RunType", bound=Run)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A run's folder. Methods that write return once the record is on disk.

    They raise ``FailedError`` if a record cannot be written, for example on a full disk; earlier records stay intact.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path, run: Run) -> "RunFolder":
        """Create the folder and write the run's manifest to it."""
        created = cls(folder=folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise created.unwritable(folder.name, error) from error
        created.describe(run)
        return created

    @property
    def name(self) -> str:
        """The name of the run for ``RESUME=`` and ``RUN=``."""
        return self.folder.name if self.folder.parent == RESULTS else str(self.folder)

    def describe(self, run: Run) -> None:
        """Write ``run.json``, without the values of headers, which may be secrets."""
        blank = replace(with_load(run, LoadSpec.redacted), manifest_sha256="")
        digest = hashlib.sha256(record_text(blank)).hexdigest()
        self._write(MANIFEST, replace(blank, manifest_sha256=digest))

    def require_unchanged(self) -> None:
        """Raise ``UsageError`` if ``run.json`` is not as a command has written it."""
        text, digest = (self.folder / MANIFEST).read_bytes(), self.run().manifest_sha256
        if digest is None:
            raise UsageError(
                f"RESUME={self.name}: {MANIFEST} has no manifest_sha256; an earlier version wrote it. Start a new run."
            )
        if (why := why_altered(text, digest)) is not None:
            raise UsageError(f"RESUME={self.name}: {MANIFEST} {why}. Restore it, or start a new run.")

    def run(self) -> Run:
        """Return the manifest; ``UsageError`` if it cannot be read."""
        try:
            text = (self.folder / MANIFEST).read_bytes()
        except OSError as error:
            raise UsageError(f"the run in {self.folder} cannot be read: {error}.") from error
        return decode_run(text, source=str(self.folder / MANIFEST))

    def add(self, visit: Visit) -> None:
        """Append a line to ``visits.jsonl``, completely or not at all."""
        try:
            append(self.folder / VISITS, msgspec.json.encode(visit) + b"\n")
        except OSError as error:
            raise self.unwritable(VISITS, error) from error

    def visits(self) -> list[Visit]:
        """Return the visits written so far, without a damaged last one.

        Raise ``UsageError`` if another one is damaged or was not planned by this run.
        """
        run = self.run()
        try:
            return list(visits_of(run, self._numbered_lines()))
        except OSError as error:
            raise UsageError(f"the visits in {self.folder} cannot be read: {error}.") from error

    def _numbered_lines(self) -> Iterator[tuple[Path, int, bytes]]:
        whole, _ = self._lines()
        for number, line in enumerate(whole, start=1):
            yield self.folder / VISITS, number, line

    def finish(self, summary: Struct) -> None:
        """Write ``summary.json``."""
        self._write(SUMMARY, summary)

    def set_aside_damage(self) -> str:
        """Move a damaged last line to ``DAMAGED``; return a message, empty if there was none."""
        whole, damaged = self._lines()
        if not damaged:
            return ""
        self._keep(whole, damaged)
        return (
            f"the last line of {self.folder / VISITS} is incomplete, as after a kill or on a full disk; "
            f"moved it to {DAMAGED}; its visit will be repeated"
        )

    def set_aside_last(self, count: int) -> str:
        """Move the last ``count`` lines, of an incomplete round, to ``DAMAGED``; return a message."""
        whole, _ = self._lines()
        self._keep(whole[: len(whole) - count], b"\n".join(whole[len(whole) - count :]))
        return f"the last round is incomplete; moved it to {DAMAGED}; it will be repeated"

    def unwritable(self, name: str, error: OSError) -> FailedError:
        """Return the error for a file that cannot be written."""
        return FailedError(
            f"{self.folder / name} cannot be written: {error.strerror}. Earlier measurements stay readable; "
            "resume the run once there is room."
        )

    def _lines(self) -> tuple[list[bytes], bytes]:
        """Return the complete lines, and the last one if it is damaged."""
        file = self.folder / VISITS
        *whole, rest = file.read_bytes().split(b"\n") if file.exists() else [b""]
        if not rest and whole and _is_damaged(whole[-1]):
            rest = whole.pop()
        return whole, rest

    def _keep(self, lines: Sequence[bytes], others: bytes) -> None:
        """Keep the first ``lines`` in ``visits.jsonl``, and move the others to ``DAMAGED``."""
        try:
            append(self.folder / DAMAGED, others + b"\n")
            os.truncate(self.folder / VISITS, sum(len(line) + 1 for line in lines))
        except OSError as error:
            raise self.unwritable(DAMAGED, error) from error

    def _write(self, name: str, record: Struct) -> None:
        """Write the file completely, or leave it unchanged."""
        with suppress(OSError):
            for part in self.folder.glob(".*.part"):  # left by a kill
                part.unlink()
        write_file(self.folder / name, record_text(record), failure=lambda _, error: self.unwritable(name, error))


def with_load(run: RunType, change: Callable[[LoadSpec], LoadSpec]) -> RunType:
    """Return a run with its load changed; a run that has none is returned as it is."""
    setup: Setup | None = getattr(run, "setup", None)
    return run if setup is None else replace(run, setup=replace(setup, load=change(setup.load)))


def require_unused(folder: Path, *, named: str) -> None:
    """Raise ``UsageError`` unless ``folder`` is, or can be created as, a writable empty folder.

    It is created and removed again, because permissions alone do not tell: the file system may refuse. The message
    calls it ``named``.
    """
    missing = [parent for parent in (folder, *folder.absolute().parents) if not os.path.lexists(parent)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [file for file in folder.iterdir() if file.suffix != ".part"]  # as a kill leaves one
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{named} cannot be written: {error.strerror}. Choose a new or an empty folder.") from error
    finally:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
    if files:
        raise UsageError(f"{named} is not empty. Choose a new or an empty folder.")


def run_folders(results: Path | None = None) -> list[RunFolder]:
    """Return every folder of a run made here, under ``results`` (default ``RESULTS``), the newest first by name."""
    root = RESULTS if results is None else results
    folders = {file.parent for pattern in ("*", "*/*") for file in root.glob(f"{pattern}/{MANIFEST}")}
    return _newest_first(folder for folder in folders if root / IMPORTED not in (folder, folder.parent))


def imported_folders() -> list[RunFolder]:
    """Return every folder of an imported run, the newest first by name."""
    return _newest_first(file.parent for file in (RESULTS / IMPORTED).glob(f"*/{MANIFEST}"))


def imported_folder(run_id: str) -> Path:
    """Return where the records of an imported run are kept."""
    return RESULTS / IMPORTED / run_id


def _newest_first(folders: Iterable[Path]) -> list[RunFolder]:
    return [RunFolder(folder=folder) for folder in sorted(folders, key=lambda folder: folder.name, reverse=True)]


def is_run_folder(folder: Path) -> bool:
    """Return whether ``folder`` holds a run."""
    return os.path.isfile(folder / MANIFEST)  # noqa: PTH113 -- false for impossible names too


def run_folder(text: str) -> RunFolder | None:
    """Return the run that a user names by id or folder, an imported one as well; ``None`` if there is none."""
    folders = (RESULTS / text, RESULTS / IMPORTED / text, Path(text)) if text else ()
    return next((RunFolder(folder=folder) for folder in folders if is_run_folder(folder)), None)


def find_run_folder(text: str, *, variable: str) -> RunFolder:
    """Return the run that a user names by id or folder; ``UsageError`` if there is none."""
    if (folder := run_folder(text)) is not None:
        return folder
    newest = [str(run.folder.relative_to(RESULTS)) for run in run_folders()[:5]]
    accepted = f"a run's folder, or one of {', '.join(newest)}" if newest else "a run's folder"
    raise UsageError(f"invalid {variable}={text or '(empty)'}: must be {accepted}.")


def why_altered(manifest_text: bytes, digest: str) -> str | None:
    """Return why the text of a manifest is not the one whose SHA-256 digest it holds; ``None`` if it is."""
    found = hashlib.sha256(manifest_text.replace(digest.encode(), b"", 1)).hexdigest()
    if found == digest:
        return None
    return f"was changed after it was written: its SHA-256 is {found[:12]}..., not {digest[:12]}..."


def record_text(record: Struct) -> bytes:
    """Return a record as it stands in a file."""
    return msgspec.json.format(msgspec.json.encode(record)) + b"\n"


def _is_damaged(line: bytes) -> bool:
    """Return whether a line is incomplete, which only an interruption leaves behind, rather than wrong."""
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False


@contextmanager
def misfits_named(folder: Path) -> Iterator[None]:
    """Turn the errors of computing with inconsistent records of ``folder`` into a ``UsageError`` that names it.

    For records that were read back and may have been edited since; in a run in progress, such errors are bugs of ours.
    """
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            yield
    except MISFITS as error:
        raise UsageError(f"{folder} holds inconsistent records ({type(error).__name__}: {error}).") from error


def visits_of(run: Run, lines: Iterable[tuple[Path, int, bytes]]) -> Iterator[Visit]:
    """Yield the visits in lines that come with their file and number; ``UsageError`` names the first that is wrong."""
    cells, made = planned_cells(run), Counter[tuple[type[Visit], int, str]]()
    turns: int = getattr(run, "turns", 1)
    for file, number, line in lines:
        visit = decode_visit(line, source=f"{file}, line {number},")
        key = (type(visit), visit.round, visit.cell)
        if problem := _problem(run, visit, planned=visit.cell in cells, again=made[key] >= turns):
            raise UsageError(f"{file}, line {number}, {problem}. Remove that line to read the run.")
        made[key] += 1
        yield visit


def _problem(run: Run, visit: Visit, *, planned: bool, again: bool) -> str:
    """Return what is wrong with a visit; empty where nothing is."""
    if visit.run != run.id:
        return f"holds a visit of the run {visit.run or '(empty)'}, not of {run.id}"
    if not planned or not 1 <= visit.round <= run.rounds:
        return f"holds a visit to {visit.cell or '(empty)'} in round {visit.round}, which the run does not plan"
    return f"holds the visit to {visit.cell or '(empty)'} in round {visit.round} once too often" if again else ""


def planned_cells(run: Run) -> frozenset[str]:
    """Return the names that the plan of a run visits."""
    lists = (getattr(run, field, []) for field in ("cells", "points", "pulls"))
    return frozenset({cell.name for found in lists for cell in found} | {getattr(run, "url", "")})
