"""Run folders: ``run.json`` first, a line of ``visits.jsonl`` for each visit, ``summary.json`` at the end."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from common.errors import FailedError, UsageError
from common.project import ROOT
from common.records import upgrade
from common.records.files import decode_run, decode_visit
from common.records.run import Run
from common.records.visit import Visit
from loadtests.campaign.reading import UNREADABLE, visits_of

RESULTS = ROOT / "loadtests" / "results"
MANIFESTS = ("run.json", "sizes.json", "experiment.json")
"""The files that make a folder a run's; the last two are of schema versions 1 and 2."""
VISITS = "visits.jsonl"
DAMAGED = "visits.damaged"
"""Beside ``visits.jsonl``: lines that a killed run or a full disk had left half written."""

UNREADABLE_DOCUMENT = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What translating a damaged document of an older schema version raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """Where a run is written, each record on disk before this returns.

    ``FailedError`` where a record cannot be written, on a full disk for one: what was written before stays whole.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path, run: Run) -> "RunFolder":
        """Make a folder that holds ``run``; ``FailedError`` where it cannot be made."""
        created = cls(folder=folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise created.unwritable(folder.name, error) from error
        created.describe(run)
        return created

    @property
    def name(self) -> str:
        """What ``RESUME=`` and ``RUN=`` call it."""
        return self.folder.name if self.folder.parent == RESULTS else str(self.folder)

    @property
    def is_old(self) -> bool:
        """Whether it was written before schema version 3: it can be read, not resumed."""
        return upgrade.is_old(self.folder)

    def describe(self, run: Run) -> None:
        """Write ``run.json``."""
        self._write("run.json", run)

    def run(self) -> Run:
        """Return the manifest; ``UsageError`` where it cannot be read."""
        try:
            if self.is_old:
                text = msgspec.json.encode(upgrade.upgraded_run(self.folder))
            else:
                text = (self.folder / "run.json").read_bytes()
        except (OSError, *UNREADABLE_DOCUMENT) as error:
            raise UsageError(f"{self.folder} holds no run that can be read: {error}.") from error
        return decode_run(text, source=str(self.folder / "run.json"))

    def add(self, visit: Visit) -> None:
        """Add a line to ``visits.jsonl``, whole or not at all."""
        try:
            _append(self.folder / VISITS, msgspec.json.encode(visit) + b"\n")
        except OSError as error:
            raise self.unwritable(VISITS, error) from error

    def visits(self) -> list[Visit]:
        """Return every visit written so far, but a damaged last one.

        ``UsageError`` where another one is damaged, or is not one that this run plans.
        """
        run = self.run()
        try:
            return list(visits_of(run, self._numbered_lines()))
        except (OSError, *UNREADABLE_DOCUMENT) as error:
            raise UsageError(f"the visits in {self.folder} cannot be read: {error}.") from error

    def _numbered_lines(self) -> Iterator[tuple[Path, int, bytes]]:
        if self.is_old:
            yield from upgrade.upgraded_lines(self.folder)
            return
        whole, _ = self._lines()
        for number, line in enumerate(whole, start=1):
            yield self.folder / VISITS, number, line

    def finish(self, summary: Struct) -> None:
        """Write ``summary.json``."""
        self._write("summary.json", summary)

    def set_aside_damage(self) -> str:
        """Move a damaged last line to a file beside it; return what was done, empty where nothing was."""
        whole, damaged = self._lines()
        if not damaged:
            return ""
        self._keep(whole, damaged)
        return (
            f"the last line of {self.folder / VISITS} is damaged, as a kill or a full disk leaves one: "
            f"set aside in {DAMAGED}; its visit is made again"
        )

    def set_aside_last(self, count: int) -> str:
        """Move the last ``count`` lines, of a round that is only half made, as ``set_aside_damage`` does."""
        whole, _ = self._lines()
        self._keep(whole[: len(whole) - count], b"\n".join(whole[len(whole) - count :]))
        return f"its last round is only half made: set aside in {DAMAGED}; it is made again"

    def unwritable(self, name: str, error: OSError) -> FailedError:
        """Return what to say where ``name`` cannot be written."""
        return FailedError(
            f"{self.folder / name} cannot be written: {error.strerror}. What was measured stays readable; the run can "
            "be resumed once there is room."
        )

    def _lines(self) -> tuple[list[bytes], bytes]:
        """Return the whole lines, and what of a last one is damaged."""
        file = self.folder / VISITS
        *whole, rest = file.read_bytes().split(b"\n") if file.exists() else [b""]
        if not rest and whole and _is_damaged(whole[-1]):
            rest = whole.pop()
        return whole, rest

    def _keep(self, lines: Sequence[bytes], others: bytes) -> None:
        """Leave the first ``lines`` in ``visits.jsonl``, the others beside it."""
        try:
            _append(self.folder / DAMAGED, others + b"\n")
            os.truncate(self.folder / VISITS, sum(len(line) + 1 for line in lines))
        except OSError as error:
            raise self.unwritable(DAMAGED, error) from error

    def _write(self, name: str, record: Struct) -> None:
        """Write the file whole, or leave it as it was."""
        part = self.folder / f".{name}.part"
        try:
            part.unlink(missing_ok=True)  # left by a kill
            _append(part, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
            os.replace(part, self.folder / name)  # noqa: PTH105 -- as the other calls that tests let fail
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise self.unwritable(name, error) from error


def require_unused(folder: Path, *, named: str) -> None:
    """Raise ``UsageError`` unless ``folder`` is, or can be made, an empty folder that files can be written to.

    It is made and removed again: whether that works depends on more than permissions, on the file system for one.
    ``named`` is what the message calls it.
    """
    missing = [one for one in (folder, *folder.absolute().parents) if not os.path.lexists(one)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [file for file in folder.iterdir() if file.suffix != ".part"]  # as a kill leaves one
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{named} cannot be written: {error.strerror}. Accepted: a new or an empty folder.") from error
    finally:
        for one in missing:
            with suppress(OSError):
                one.rmdir()
    if files:
        raise UsageError(f"{named} is not empty. Accepted: a new or an empty folder.")


def run_folders(results: Path | None = None) -> list[RunFolder]:
    """Return every run folder under ``results``, by default ``RESULTS``, the newest first as far as names tell."""
    root = RESULTS if results is None else results
    found = {file.parent for name in MANIFESTS for pattern in ("*", "*/*") for file in root.glob(f"{pattern}/{name}")}
    return [RunFolder(folder=folder) for folder in sorted(found, key=lambda folder: folder.name, reverse=True)]


def is_run_folder(folder: Path) -> bool:
    """Return whether a run was written to ``folder``."""
    return any(os.path.isfile(folder / name) for name in MANIFESTS)  # noqa: PTH113 -- false for impossible names too


def find_run_folder(text: str, *, variable: str) -> RunFolder:
    """Return the run that a user names by its id or its folder; ``UsageError`` where there is none."""
    for folder in (RESULTS / text, Path(text)):
        if text and is_run_folder(folder):
            return RunFolder(folder=folder)
    known = [one.folder.name for one in run_folders()[:5]]
    accepted = f"a run's folder, or one of {', '.join(known)}" if known else "a run's folder"
    raise UsageError(f"{variable}={text or '(empty)'} is no run. Accepted: {accepted}.")


def _append(file: Path, text: bytes) -> None:
    """Add ``text`` to a file and have it on disk; take back what of it was written where that fails."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        before = os.fstat(descriptor).st_size
        left = memoryview(text)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _is_damaged(line: bytes) -> bool:
    try:
        decode_visit(line)
    except UNREADABLE:
        return True
    return False
