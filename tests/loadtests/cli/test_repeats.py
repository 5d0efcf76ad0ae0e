"""``REPEAT=`` makes whole runs, each with a folder and a seed of its own, and ends in what they say together."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.cli.app import run
from common.errors import BenchmarkError, GeneratorBoundError
from common.records.summary import Summary
from loadtests.__main__ import command_line
from loadtests.campaign.parameters import RunParameters
from loadtests.experiments.loadtest import command
from loadtests.experiments.loadtest.report import summarise
from tests.support import records
from tests.support.given import by_make


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The seed and the folder of each run, and the pauses. Nothing is measured."""
    done: list[Any] = []

    def start(name: str, _: object, run: RunParameters, __: object, **options: object) -> Summary:
        assert (name, sorted(options)) == ("loadtest", ["on_failure"])
        done.append((run.seed, run.out))
        windows = [records.window("a+b", number, records.load(4000 + len(done))) for number in range(1, 6)]
        return summarise(records.run([records.cell("a+b")], id=f"r{len(done)}"), windows)

    monkeypatch.setattr(command, "start", start)
    monkeypatch.setattr(time, "sleep", done.append)
    return done


def _loadtest(**variables: str) -> int:
    return run(command_line(), ["loadtest"], by_make(variables))


def test_every_run_has_a_seed_and_a_folder_of_its_own(made: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert _loadtest(RUNTIME="process", FRAMEWORK="falcon", REPEAT="3", PAUSE="2m", SEED="7", OUT="runs") == 0
    assert made == [(7, Path("runs/1")), 120.0, (8, Path("runs/2")), 120.0, (9, Path("runs/3"))]
    printed = capsys.readouterr()
    assert "3 runs together" in printed.out
    assert "run 3 of 3" in printed.err


def test_a_run_with_numbers_that_are_not_valid_is_followed_by_the_others(
    made: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded: Callable[..., Summary] = vars(command)["start"]

    def start(*given: object, on_failure: Callable[[BenchmarkError], None], **options: object) -> Summary:
        if not made:
            on_failure(GeneratorBoundError("the generator was the limit for a+b: those numbers may be its own."))
        return recorded(*given, on_failure=on_failure, **options)

    monkeypatch.setattr(command, "start", start)
    assert _loadtest(RUNTIME="process", FRAMEWORK="falcon", REPEAT="2") == GeneratorBoundError.exit_status
    assert len([one for one in made if isinstance(one, tuple)]) == 2
    printed = capsys.readouterr()
    assert "2 runs together" in printed.out
    assert printed.err.count("error: the generator was the limit for a+b") == 1


def test_json_is_one_record_more(made: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert _loadtest(RUNTIME="process", FRAMEWORK="falcon", REPEAT="2", FORMAT="json") == 0
    assert made == [(None, None), 0.0, (None, None)]
    (row,) = msgspec.json.decode(capsys.readouterr().out)
    assert row["cell"] == "a+b"
    assert row["requests_per_cpu_s"]["n"] == 2


def test_a_pause_needs_a_second_run(made: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert _loadtest(RUNTIME="process", FRAMEWORK="falcon", PAUSE="2m") == 2
    assert "PAUSE=2m is the time between repeated runs: needs REPEAT=" in capsys.readouterr().err
    assert made == []
