"""A run's folder: ``run.json`` first, then a line a window in ``windows.jsonl``, at last ``summary.json``."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from common.errors import UsageError
from common.records import Run, Summary, Window
from common.registry import ROOT

RESULTS = ROOT / "loadtests" / "results"


def refuse_used(folder: Path) -> None:
    """``UsageError`` unless ``folder`` is, or can be, an empty folder of ours."""
    parent = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"OUT={folder} cannot be written. Accepted: a new or an empty folder.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"OUT={folder} is not empty. Accepted: a new or an empty folder.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Where a run is written, each record on disk before this returns."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, run: Run) -> "Results":
        """A new folder that holds ``run``."""
        folder.mkdir(parents=True, exist_ok=True)
        results = cls(folder=folder)
        results._write("run.json", run)
        return results

    def add(self, window: Window) -> None:
        """One more line of ``windows.jsonl``."""
        with (self.folder / "windows.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(window) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        self._write("summary.json", summary)

    def windows(self) -> list[Window]:
        """Every window written so far."""
        file = self.folder / "windows.jsonl"
        return msgspec.json.Decoder(Window).decode_lines(file.read_bytes()) if file.exists() else []

    def _write(self, name: str, record: Struct) -> None:
        with (self.folder / name).open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
