"""A run's folder: ``run.json`` first, then a line a window in ``windows.jsonl``, at last ``summary.json``."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from common.errors import FailedError, UsageError
from common.project import ROOT
from common.records.run import Run
from common.records.schema import decode
from common.records.summary import Summary
from common.records.window import Canary, Window
from loadtests.analysis.dropping import ROUNDS

Kind = TypeVar("Kind", bound=Struct)

RESULTS = ROOT / "loadtests" / "results"
DAMAGED = "windows.damaged"
"""Beside ``windows.jsonl``: lines that a killed run or a full disk had left half written."""


def refuse_used(folder: Path) -> None:
    """``UsageError`` unless ``folder`` is, or can be, an empty folder of ours."""
    parent = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"OUT={folder} cannot be written. Accepted: a new or an empty folder.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"OUT={folder} is not empty. Accepted: a new or an empty folder.")


def run_folder(text: str, *, variable: str) -> Path:
    """The folder of the run that a user names by its id or its folder."""
    for folder in (RESULTS / text, Path(text)):
        if text and (folder / "run.json").is_file():
            return folder
    known = sorted(file.parent.name for file in RESULTS.glob("*/run.json"))
    accepted = f"the folder of a run, or one of {', '.join(known[-5:])}" if known else "the folder of a run"
    raise UsageError(f"{variable}={text or '(empty)'} is no run. Accepted: {accepted}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Where a run is written, each record on disk before this returns.

    ``FailedError`` where a record cannot be written, on a full disk for one: what was written before stays whole.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path, run: Run) -> "Results":
        """A new folder that holds ``run``."""
        results = cls(folder=folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise results.unwritable(folder.name, error) from error
        results.describe(run)
        return results

    def describe(self, run: Run) -> None:
        """Write ``run.json``."""
        self._write("run.json", run)

    def run(self) -> Run:
        """The run's manifest."""
        found: Run = _read(self.folder / "run.json", Run)
        return found

    def add(self, window: Window) -> None:
        """One more line of ``windows.jsonl``, whole or not at all."""
        self._add_line("windows.jsonl", window)

    def add_canary(self, canary: Canary) -> None:
        """One more line of ``canaries.jsonl``."""
        self._add_line("canaries.jsonl", canary)

    def _add_line(self, name: str, record: Struct) -> None:
        """One more line of a file of records, whole or not at all."""
        file = self.folder / name
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                _append(descriptor, msgspec.json.encode(record) + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self.unwritable(name, error) from error

    def finish(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        self._write("summary.json", summary)

    def windows(self) -> list[Window]:
        """Every window written so far, without a last line that is damaged; ``UsageError`` where another one is."""
        whole, _ = self._lines()
        return [
            decode(line, Window, source=f"{self.folder / 'windows.jsonl'}, line {number},")
            for number, line in enumerate(whole, start=1)
        ]

    def canaries(self) -> list[Canary]:
        """Every canary written so far, without lines that are damaged: they are controls, and sung again."""
        file = self.folder / "canaries.jsonl"
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [found for line in lines if (found := _decoded(line, Canary)) is not None]

    def set_aside_damage(self) -> str:
        """Move a damaged last line of ``windows.jsonl`` to a file beside it; what was done, empty where nothing was."""
        whole, damaged = self._lines()
        if not damaged:
            return ""
        self._keep(whole, damaged)
        return (
            f"the last line of {self.folder / 'windows.jsonl'} is damaged, as a kill or a full disk leaves one: "
            f"set aside in {DAMAGED}; its window is made again"
        )

    def set_aside_half_round(self, cells: int) -> str:
        """The same with the windows of a last round that has fewer than ``cells``: a duet's are made together."""
        whole, _ = self._lines()
        windows = self.windows()
        half = [window for window in windows if window.round == windows[-1].round]
        if len(half) in {0, cells}:
            return ""
        self._keep(whole[: -len(half)], b"\n".join(whole[-len(half) :]))
        return f"round {half[0].round} is only half written: set aside in {DAMAGED}; it is made again"

    def _keep(self, lines: Sequence[bytes], others: bytes) -> None:
        """Leave the first ``lines`` in ``windows.jsonl``, the others beside it."""
        try:
            with (self.folder / DAMAGED).open("ab") as kept:
                kept.write(others + b"\n")
                kept.flush()
                os.fsync(kept.fileno())
            os.truncate(self.folder / "windows.jsonl", sum(len(line) + 1 for line in lines))
        except OSError as error:
            raise self.unwritable(DAMAGED, error) from error

    def unwritable(self, name: str, error: OSError) -> FailedError:
        """What is said where ``name`` cannot be written."""
        return FailedError(
            f"{self.folder / name} cannot be written: {error.strerror}. What was measured stays readable; "
            f"once there is room, go on with: {self.to_go_on}"
        )

    @property
    def to_go_on(self) -> str:
        """The command that goes on with it."""
        try:
            design = self.run().design
        except (OSError, UsageError):
            design = ROUNDS
        return f"make {'loadtest' if design == ROUNDS else 'compare'} RESUME={self.named}"

    @property
    def named(self) -> str:
        """What ``RESUME=`` and ``RUN=`` call it."""
        return self.folder.name if self.folder.parent == RESULTS else str(self.folder)

    def _lines(self) -> tuple[list[bytes], bytes]:
        """The whole lines of ``windows.jsonl``, and what of a last one is damaged."""
        file = self.folder / "windows.jsonl"
        *whole, rest = file.read_bytes().split(b"\n") if file.exists() else [b""]
        if not rest and whole and _decoded(whole[-1], Window) is None:
            rest = whole.pop()
        return whole, rest

    def _write(self, name: str, record: Struct) -> None:
        """The file whole, or as it was before."""
        part = self.folder / f".{name}.part"
        try:
            with part.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.folder / name)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self.unwritable(name, error) from error


def _append(descriptor: int, line: bytes) -> None:
    """Write ``line`` and have it on disk; take back what of it was written where that fails."""
    before = os.fstat(descriptor).st_size
    left = memoryview(line)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


def _decoded(line: bytes, kind: type[Kind]) -> Kind | None:
    """The record in ``line``; ``None`` where it is damaged."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _read(file: Path, kind: type[Any]) -> Any:  # noqa: ANN401 -- as decode
    return decode(file.read_bytes(), kind, source=str(file))
