"""An experiment's folder: ``experiment.json`` first, a line a task in ``starts.jsonl``, at last ``summary.json``."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from common.errors import FailedError
from common.records.fargate import Experiment, ExperimentSummary, TaskStart


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentFolder:
    """Where an experiment is written, each record on disk before this returns; ``FailedError`` where it cannot be."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, experiment: Experiment) -> "ExperimentFolder":
        """A new folder that holds ``experiment``."""
        created = cls(folder=folder)
        created._write("experiment.json", msgspec.json.format(msgspec.json.encode(experiment)), flags=os.O_EXCL)
        return created

    def add(self, start: TaskStart) -> None:
        """One more line of ``starts.jsonl``."""
        self._write("starts.jsonl", msgspec.json.encode(start), flags=os.O_APPEND)

    def finish(self, summary: ExperimentSummary) -> None:
        """Write ``summary.json``."""
        self._write("summary.json", msgspec.json.format(msgspec.json.encode(summary)), flags=os.O_TRUNC)

    def starts(self) -> list[TaskStart]:
        """Every start written so far."""
        file = self.folder / "starts.jsonl"
        return msgspec.json.Decoder(TaskStart).decode_lines(file.read_bytes()) if file.exists() else []

    def _write(self, name: str, data: bytes, *, flags: int) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | flags, 0o644), "wb") as file:  # noqa: PTH123
                file.write(data + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FailedError(f"{self.folder / name} cannot be written: {error.strerror}.") from error
