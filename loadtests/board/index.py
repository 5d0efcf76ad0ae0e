"""The figures of all run folders, from an index that rebuilds itself when runs or code change."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from common.errors import UsageError
from common.host.machine import machine
from common.project import ROOT
from common.records.figure import Figure, Subject, machine_digest
from common.records.run import Run
from common.records.schema import decoder
from common.runtimes.candidates import Candidate
from loadtests.analysis.newest import newest_figures
from loadtests.campaign.experiment import Experiment
from loadtests.campaign.store import RESULTS, RunFolder, misfits_named, run_folders

FILE = ".index.sqlite3"
CODE = (
    "common/catalog",
    "common/records",
    "loadtests/analysis",
    "loadtests/board",
    "loadtests/campaign",
    "loadtests/experiments",
    "loadtests/statistics",
    "loadtests/users",
)
"""The packages and modules that turn runs into figures."""
TABLES = """
CREATE TABLE version (code TEXT);
CREATE TABLE runs (folder TEXT PRIMARY KEY, signature TEXT NOT NULL, problem TEXT);
CREATE TABLE figures (
  folder TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
  machine TEXT NOT NULL,
  figure BLOB NOT NULL
);
CREATE INDEX by_machine ON figures (machine, folder);
"""
OF_MACHINE = "SELECT figure FROM figures WHERE machine = :machine ORDER BY folder"

ExperimentOf = Callable[[Run], Experiment[Any, Any]]


class FigureIndex:
    """The figures of all runs under a folder; every query first indexes runs that were added or changed.

    A run that cannot be read gives no figures and is listed by ``problems``. The index is disposable: if it is damaged,
    was written by other code, or cannot be written, it is rebuilt, in memory if necessary.
    """

    def __init__(self, experiment_of: ExperimentOf, results: Path = RESULTS) -> None:
        self._experiment_of = experiment_of
        self._results = results

    def all_newest(self, *, machine: str) -> list[Figure]:
        """Return the newest valid figure of every stack, metric and conditions on a machine, over runs it repeats."""
        found = self._ask(OF_MACHINE, {"machine": machine})
        return newest_figures(decoder(Figure).decode(figure) for (figure,) in found)

    def problems(self) -> dict[str, str]:
        """Return why runs cannot be read, by folder."""
        return dict(self._ask("SELECT folder, problem FROM runs WHERE problem IS NOT NULL", {}))

    def _ask(self, question: str, values: Mapping[str, str]) -> list[Any]:
        """Return the rows that answer a query, after indexing all changes."""
        if os.access(self._results, os.W_OK):
            file = self._results / FILE
            with suppress(sqlite3.DatabaseError):
                return self._answer(file, question, values)
            with suppress(sqlite3.DatabaseError, OSError):
                file.unlink(missing_ok=True)
                return self._answer(file, question, values, rebuild=True)
        return self._answer(":memory:", question, values, rebuild=True)

    def _answer(
        self, file: Path | str, question: str, values: Mapping[str, str], *, rebuild: bool = False
    ) -> list[Any]:
        """Answer from one database; ``DatabaseError`` if it is damaged, written by other code, or not writable."""
        with closing(sqlite3.connect(file, timeout=60)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            if rebuild:
                _make_tables(database)
            else:
                _require_current(database)
            with database:
                self._index_changes(database)
            return database.execute(question, values).fetchall()

    def _index_changes(self, database: sqlite3.Connection) -> None:
        known = dict(database.execute("SELECT folder, signature FROM runs").fetchall())
        present = {str(run.folder.relative_to(self._results)): run for run in run_folders(self._results)}
        for name in known.keys() - present.keys():
            database.execute("DELETE FROM runs WHERE folder = ?", (name,))
        for name, folder in present.items():
            if known.get(name) != (signature := _signature(folder.folder)):
                database.execute("DELETE FROM runs WHERE folder = ?", (name,))
                self._index_run(database, name, folder, signature)

    def _index_run(self, database: sqlite3.Connection, name: str, folder: RunFolder, signature: str) -> None:
        problem, figures = None, list[Figure]()
        try:
            experiment = self._experiment_of(folder.run())
            visits = folder.visits()
            with misfits_named(folder.folder):
                figures = list(experiment.figures(experiment.summarise(visits)))
        except UsageError as error:
            problem = str(error)
        database.execute("INSERT INTO runs VALUES (?, ?, ?)", (name, signature, problem))
        database.executemany(
            "INSERT INTO figures VALUES (?, ?, ?)",
            [(name, figure.machine, msgspec.json.encode(figure)) for figure in figures],
        )


def _make_tables(database: sqlite3.Connection) -> None:
    database.executescript(TABLES)
    with database:
        database.execute("INSERT INTO version VALUES (?)", (_code(),))


def _require_current(database: sqlite3.Connection) -> None:
    if database.execute("SELECT code FROM version").fetchall() != [(_code(),)]:
        raise sqlite3.DatabaseError("the index was written by other code")


@cache
def _code() -> str:
    """Return a digest of the code that turns runs into figures, since other code may give other figures."""
    digest = hashlib.sha256()
    for place in (ROOT / name for name in CODE):
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _signature(folder: Path) -> str:
    """Return a signature that changes whenever a run's files do."""
    try:
        files = sorted((file.name, file.stat()) for file in folder.iterdir() if file.name.endswith((".json", ".jsonl")))
    except OSError as error:  # a file that was just removed, or a link to nowhere
        return str(error)
    return " ".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in files if name != "summary.json")


def known_figures(index: FigureIndex) -> list[Figure]:
    """Return the newest valid figures of this machine."""
    return index.all_newest(machine=machine_digest(machine()))


def subjects_of(candidates: Sequence[Candidate], figures: Sequence[Figure], *, any_image: bool) -> list[Subject]:
    """Return the stacks of the candidates; with ``any_image``, also in every other image that has figures."""
    asked = [candidate.subject for candidate in candidates]
    names = {(subject.framework, subject.server) for subject in asked}
    known = [figure.subject for figure in figures if (figure.subject.framework, figure.subject.server) in names]
    return list(dict.fromkeys([*asked, *known] if any_image else asked))


def locks_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return the digests of the candidates' present locks, by framework."""
    return {
        candidate.stack.framework.name: hashlib.sha256(candidate.stack.framework.lock.read_bytes()).hexdigest()
        for candidate in candidates
    }


def selectors_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return the values of ``FRAMEWORK=`` that select the candidates' frameworks, by the frameworks' names."""
    return {candidate.stack.framework.name: candidate.stack.framework.selector for candidate in candidates}
