"""Runs that the README shows: kept in ``loadtests/published/``, their tables between two markers."""

import re
import shutil
from pathlib import Path

from common.errors import UsageError
from common.project import ROOT
from common.records.run import Run
from common.records.schema import decode
from common.records.summary import Summary
from loadtests.analysis.dropping import ROUNDS
from loadtests.runs import report
from loadtests.runs.results import RESULTS

PUBLISHED = ROOT / "loadtests" / "published"
README = ROOT / "README.md"
FILES = ("run.json", "windows.jsonl", "summary.json")
BEGIN = "<!-- results: begin; written by make publish -->"
END = "<!-- results: end -->"


def publish_run(name: str) -> tuple[Path, ...]:
    """Keep a finished run, the ``latest`` or one by its id, as its runtime's and scenario's; the files written."""
    folder = finished_run(name)
    run, _ = read_run(folder)
    kept = PUBLISHED / f"{run.scenario}-{run.runtime}"
    kept.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        shutil.copy(folder / file, kept / file)
    README.write_text(with_results(README.read_text(), PUBLISHED))
    return README, *(kept / file for file in FILES)


def with_results(readme: str, published: Path) -> str:
    """``readme`` with the tables of every published run between its markers."""
    tables = "\n".join(report.markdown(*read_run(file.parent)) for file in sorted(published.glob("*/run.json")))
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{tables}\n{END}", readme, flags=re.DOTALL
    )


def finished_run(name: str) -> Path:
    """The folder of a finished run, the ``latest`` or one by its id; ``UsageError`` names those there are."""
    runs = {folder.name: folder for folder in finished_runs(RESULTS)}
    if not runs:
        raise UsageError(f"RUN={name}: there is no finished run. Run: make loadtest")
    if name == "latest":
        return list(runs.values())[-1]
    if name not in runs:
        raise UsageError(f"RUN={name} is no finished run. Accepted: latest, {', '.join(runs)}.")
    return runs[name]


def finished_runs(results: Path) -> list[Path]:
    """The folders of all finished load tests, the latest last; other probes keep their results beside them."""
    folders = (file.parent for file in sorted(results.glob("*/summary.json")) if (file.parent / FILES[1]).exists())
    return [folder for folder in folders if read_run(folder)[0].design == ROUNDS]


def read_run(folder: Path) -> tuple[Run, Summary]:
    """A finished run's records."""
    return (
        decode((folder / "run.json").read_bytes(), Run, source=str(folder / "run.json")),
        decode((folder / "summary.json").read_bytes(), Summary, source=str(folder / "summary.json")),
    )
