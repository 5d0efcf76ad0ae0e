"""The page that walks through the code is right: its steps exist, lead to each other, and are as few as promised."""

import ast
import itertools
import re
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from common.project import ROOT
from common.runtimes import process
from loadtests.__main__ import commands, main
from loadtests.experiments.loadtest import command
from tests.support.here import NAME
from tests.support.records import cell

PAGE = (ROOT / "docs" / "how-the-code-runs.md").read_text()
ROW = re.compile(r"^\| (.*) \| `([\w/.]+)` \|(?: `(\w+)`)? \|$", re.MULTILINE)
Step = tuple[str, str, str]
"""What is said of a step, its file, and its function or an empty text."""


def _steps(beginning: str) -> list[Step]:
    """Return the rows of the page's table that begins with these words."""
    (table,) = re.findall(rf"^\| {re.escape(beginning)} \|(?:.*\n)((?:\|.*\n)*)", PAGE, re.MULTILINE)
    return ROW.findall(table)


WALK = _steps("step")
WALKS = {"loadtest": WALK} | {name: WALK[:3] + _steps(f"`make {name}`") for name in ("latency", "memory")}
COMMANDS = {function for _, function in commands()}
DECORATOR = "loadtests/campaign/resume.py"
INTERRUPTED = 130


@cache
def _words_of(file: str) -> frozenset[str]:
    """Return every name and every word of a text in a file."""
    text = (ROOT / file).read_text()
    if not file.endswith(".py"):
        return frozenset(re.findall(r"[\w.]+", text))
    nodes = list(ast.walk(ast.parse(text)))
    names = {one.id for one in nodes if isinstance(one, ast.Name)}
    texts = [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return frozenset(names | {one.attr for one in nodes if isinstance(one, ast.Attribute)}).union(
        *(re.findall(r"[\w.]+", one) for one in texts)
    )


def _leads_to(step: Step, file: str) -> bool:
    """Return whether a file names a step: its function, or its module where a program is started."""
    module = step[1].removesuffix(".py").removesuffix("/__main__").replace("/", ".")
    return bool({step[2], module} & _words_of(file)) or f"{module}:{step[2]}" in COMMANDS


def _files(steps: Sequence[Step]) -> list[str]:
    """Return the files in the order in which they are opened, each as often as it is."""
    return [file for file, _ in itertools.groupby(file for _, file, _ in steps)]


@pytest.mark.parametrize("steps", WALKS.values(), ids=WALKS)
def test_every_step_is_called_by_a_file_that_is_open_by_then(steps: Sequence[Step]) -> None:
    opened = [[file for _, file, _ in steps[:number]] for number, _ in enumerate(steps)]
    assert [
        step
        for step, files in zip(steps[1:], opened[1:], strict=True)
        if not any(_leads_to(step, one) for one in files)
    ] == []


@pytest.mark.parametrize(("walk", "most"), [("loadtest", 12), ("latency", 10), ("memory", 10)])
def test_few_files_are_opened(walk: str, most: int) -> None:
    assert 3 < len(set(_files(WALKS[walk]))) <= most


def test_few_files_are_opened_again_and_the_page_says_which() -> None:
    files = _files(WALK)
    again = [file for number, file in enumerate(files) if file in files[:number]]
    assert [file for said, file, _ in WALK if said.startswith("back")] == again
    assert len(again) <= 4


def test_a_round_runs_through_these_files_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is on the stack when a server is started is on the walk, but for the decorator that it names beside."""
    ran = dict[str, None]()

    def started(*_: object, **__: object) -> NoReturn:
        files = [Path(frame.filename) for frame in traceback.extract_stack()]
        ran.update((str(file.relative_to(ROOT)), None) for file in files if file.is_relative_to(ROOT))
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "started", started)
    monkeypatch.setattr(command, "prepare_available", lambda candidates, _: (candidates, {}))
    monkeypatch.setattr(command, "check_all", lambda *_: {NAME: None})
    monkeypatch.setattr(command, "cells_of", lambda *_: [cell(NAME)])
    monkeypatch.setattr(command, "with_ceiling", lambda setup: setup)
    line = ["loadtest", "--framework=raw_wsgi", "--runtime=process", "--rounds=1", f"--out={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["api-benchmark", *line])
    assert main() == INTERRUPTED
    ours = [file for file in ran if file.startswith(("common/", "loadtests/")) and file != DECORATOR]
    assert len(ours) > 5
    assert ours == [file for file in dict.fromkeys(_files(WALK)) if file in ours]
