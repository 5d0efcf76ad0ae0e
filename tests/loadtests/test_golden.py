"""Recorded runs give the summaries that they gave when they were recorded, to nine digits.

Only load tests have changed since: their intervals and decisions hold in other runs too, and in ``published-docker``
stacks were measured in different rounds, for which their rates are adjusted now.
"""

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from common.project import ROOT
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.store import RunFolder

GOLDEN = ROOT / "tests" / "golden"
FOLDERS = sorted(GOLDEN.iterdir())
RECORDED = [(folder, folder / "summary.json") for folder in FOLDERS if (folder / "summary.json").exists()]


@pytest.mark.parametrize(("folder", "summary_file"), RECORDED, ids=lambda path: path.name)
def test_the_summary_is_the_recorded_one(folder: Path, summary_file: Path) -> None:
    recorded = RunFolder(folder=folder)
    summary = experiment_of(recorded.run()).summarise(recorded.visits())
    then = msgspec.json.decode(summary_file.read_bytes())
    known = msgspec.json.decode(msgspec.json.encode(_restricted(msgspec.to_builtins(summary), then)))
    assert _rounded(known) == _rounded(then)


def _rounded(value: Any) -> Any:  # noqa: ANN401 -- JSON
    """Return the value with its numbers as nine digits: the last of seventeen differ between processors."""
    match value:
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list():
            return [_rounded(one) for one in value]
        case float():
            return f"{value:.9g}"
        case _:
            return value


def _restricted(now: Any, then: Any) -> Any:  # noqa: ANN401 -- JSON
    """Return ``now`` without the fields that summaries have got since ``then``."""
    match now, then:
        case dict(), dict():
            return {name: _restricted(value, then[name]) for name, value in now.items() if name in then}
        case list(), list() if len(now) == len(then):
            return [_restricted(*pair) for pair in zip(now, then, strict=True)]
        case _:
            return now


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_recorded_run_is_complete_and_can_be_printed(folder: Path) -> None:
    recorded = RunFolder(folder=folder)
    experiment = experiment_of(recorded.run())
    summary = experiment.summarise(recorded.visits())
    console = Console(width=200, record=True, file=io.StringIO())
    for table in experiment.tables(summary):
        console.print(table)
    text = console.export_text() + "\n".join([*experiment.notes(summary), *experiment.conclusions(summary)])
    assert all(cell.framework in text for cell in experiment.stacks() if cell.framework)
