"""The index returns the newest valid figure of a stack, whatever happens to run folders and to the index itself."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from common.catalog.pythons import OWN_PYTHON
from common.catalog.sizes import Runtime
from common.errors import FailedError
from common.project import ROOT
from common.records.figure import Conditions, Figure, Metric, Subject, machine_digest
from common.records.run import LoadRun, Machine, Run
from common.records.schema import decoder
from loadtests.board import index as module
from loadtests.board.index import FILE, FigureIndex
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.experiment import Experiment
from loadtests.campaign.store import RunFolder
from tests.support.records import NOON, cell, load, run, window

GOLDEN = ROOT / "tests" / "golden"
SUBJECT = Subject(framework="a", server="b", runtime=Runtime.PROCESS, python=OWN_PYTHON)
HELLO = Conditions(scenario="hello", vcpu=1.0, workers=1)
HERE = machine_digest(run([]).machine)
OTHER = Machine(cpu_model="Other", cores=64, memory_bytes=2**40, kernel="6.1", cgroup_version=2, python="3.13.2")


def _record(
    results: Path,
    name: str,
    *,
    requests: int = 20_000,
    rounds: int = 5,
    days: int = 0,
    changes: dict[str, Any] | None = None,
    **of_load: Any,  # noqa: ANN401 -- any field of a load
) -> RunFolder:
    """Write a load test of one stack, made this many days after the first, of a revision of its own."""
    started_at = NOON + timedelta(days=days)
    made = run(
        [cell("a+b")], **({"id": name, "revision": name, "started_at": started_at, "rounds": rounds} | (changes or {}))
    )
    folder = RunFolder.create(results / name, made)
    for number in range(1, rounds + 1):
        folder.add(window("a+b", number, load(requests, **of_load), run_id=made.id))
    return folder


def _rate(index: FigureIndex, machine: str = HERE) -> Figure | None:
    wanted = (SUBJECT, Metric.REQUESTS_PER_CPU_S, HELLO)
    found = index.all_newest(machine=machine)
    return next((one for one in found if (one.subject, one.metric, one.conditions) == wanted), None)


def _estimate(results: Path) -> float | None:
    found = _rate(FigureIndex(experiment_of, results))
    return None if found is None else round(found.value.estimate)


def test_a_figure_has_its_interval_its_verdict_its_run_and_its_date(tmp_path: Path) -> None:
    _record(tmp_path, "first")
    found = _rate(FigureIndex(experiment_of, tmp_path))
    assert found is not None
    assert (round(found.value.estimate), found.value.n) == (10_000, 5)
    assert (found.run, found.measured_at, found.verdict) == ("first", NOON, "valid")
    assert (found.version, found.machine) == ("1.2.3", HERE)


def test_of_several_the_newest_wins_whatever_its_folder_is_called(tmp_path: Path) -> None:
    _record(tmp_path, "c", requests=10_000, days=1)
    _record(tmp_path, "b", requests=30_000, days=2)
    _record(tmp_path, "d", requests=20_000, days=0)
    assert _estimate(tmp_path) == 15_000


def test_runs_that_repeat_each_other_give_one_figure_over_all(tmp_path: Path) -> None:
    for day, requests in enumerate((20_000, 22_000, 24_000)):
        _record(tmp_path, f"run-{day}", requests=requests, days=day, changes={"revision": "same"})
    found = _rate(FigureIndex(experiment_of, tmp_path))
    assert found is not None
    low, high = found.value.low or 0, found.value.high or 0
    assert (round(found.value.estimate), round(low), round(high)) == (10_970, 10_920, 11_019), (
        "as the README pools them"
    )
    assert found.pooled == ["run-0", "run-1", "run-2"]


def test_a_newer_figure_that_is_not_valid_does_not_hide_an_older_one(tmp_path: Path) -> None:
    _record(tmp_path, "old", requests=10_000)
    _record(tmp_path, "wrong", days=1, failures={"wrong body": 3})
    _record(tmp_path, "few", days=2, rounds=3)
    assert _estimate(tmp_path) == 5_000


def test_a_remark_is_no_reason_against_a_figure(tmp_path: Path) -> None:
    _record(tmp_path, "throttled", throttled_s=1.0, throttled_periods=10)
    found = _rate(FigureIndex(experiment_of, tmp_path))
    assert found is not None
    assert found.verdict == "throttled"


def test_only_invalid_figures_are_as_good_as_none(tmp_path: Path) -> None:
    _record(tmp_path, "few", rounds=3)
    index = FigureIndex(experiment_of, tmp_path)
    assert _rate(index) is None
    assert index.all_newest(machine=HERE) == []


def test_figures_of_other_machines_are_ignored(tmp_path: Path) -> None:
    _record(tmp_path, "here", requests=10_000)
    _record(tmp_path, "there", days=1, changes={"machine": OTHER})
    index = FigureIndex(experiment_of, tmp_path)
    assert _estimate(tmp_path) == 5_000
    there = _rate(index, machine_digest(OTHER))
    assert there is not None
    assert there.run == "there"
    assert _rate(index, "another digest") is None


def test_figures_under_other_conditions_are_others(tmp_path: Path) -> None:
    _record(tmp_path, "whole")
    _record(tmp_path, "half", requests=4_000, days=1, changes={"vcpu": 0.5})
    index = FigureIndex(experiment_of, tmp_path)
    assert _estimate(tmp_path) == 10_000
    assert {one.conditions.vcpu for one in index.all_newest(machine=HERE)} == {0.5, 1.0}


def test_all_newest_are_one_for_each_stack_metric_and_conditions(tmp_path: Path) -> None:
    for number in range(3):
        _record(tmp_path, f"run-{number}", requests=1000 * (number + 1), days=number)
    (found,) = FigureIndex(experiment_of, tmp_path).all_newest(machine=HERE)
    assert found.run == "run-2"


def test_a_run_that_grows_is_read_again(tmp_path: Path) -> None:
    folder = _record(tmp_path, "growing", rounds=4, changes={"rounds": 5})
    assert _estimate(tmp_path) is None
    folder.add(window("a+b", 5, load(), run_id="growing"))
    assert _estimate(tmp_path) == 10_000


def test_a_run_that_is_removed_is_forgotten(tmp_path: Path) -> None:
    _record(tmp_path, "old", requests=10_000)
    _record(tmp_path, "new", days=1)
    assert _estimate(tmp_path) == 10_000
    shutil.rmtree(tmp_path / "new")
    assert _estimate(tmp_path) == 5_000
    shutil.rmtree(tmp_path / "old")
    assert _estimate(tmp_path) is None


def test_a_run_that_is_published_below_a_folder_is_found(tmp_path: Path) -> None:
    _record(tmp_path / "kept", "one")
    assert _estimate(tmp_path) == 10_000


def _damage_manifest(folder: RunFolder) -> None:
    (folder.folder / "run.json").write_text("{")


def _damage_a_line(folder: RunFolder) -> None:
    (folder.folder / "visits.jsonl").write_text("{}\n{}\n")


def _mix_up(folder: RunFolder) -> None:
    """Write a manifest with inconsistent values."""
    was = folder.run()
    assert isinstance(was, LoadRun)
    folder.describe(replace(was, setup=replace(was.setup, generator_cores=[])))


def _make_a_folder_of_the_visits(folder: RunFolder) -> None:
    (folder.folder / "visits.jsonl").unlink()
    (folder.folder / "visits.jsonl").mkdir()


def _link_to_nowhere(folder: RunFolder) -> None:
    (folder.folder / "visits.jsonl").unlink()
    (folder.folder / "visits.jsonl").symlink_to("bad")
    (folder.folder / "run.json").write_text("{")


@pytest.mark.parametrize(
    "damage", [_damage_manifest, _damage_a_line, _mix_up, _make_a_folder_of_the_visits, _link_to_nowhere]
)
def test_a_damaged_run_is_passed_over_and_listed_with_what_is_wrong(
    tmp_path: Path, damage: Callable[[RunFolder], None]
) -> None:
    _record(tmp_path, "good", requests=10_000)
    damage(_record(tmp_path, "bad", days=1))
    index = FigureIndex(experiment_of, tmp_path)
    assert _estimate(tmp_path) == 5_000
    assert index.problems().keys() == {"bad"}
    assert "bad" in index.problems()["bad"]
    shutil.rmtree(tmp_path / "bad")
    assert index.problems() == {}


def test_a_run_that_is_under_way_is_no_problem(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "begun", run([cell("a+b")]))
    assert FigureIndex(experiment_of, tmp_path).problems() == {}


def test_runs_of_older_versions_are_read_too(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "golden")
    index = FigureIndex(experiment_of, tmp_path)
    assert index.problems() == {}
    with sqlite3.connect(tmp_path / FILE) as database:
        found = database.execute("SELECT figure FROM figures").fetchall()
    metrics = {decoder(Figure).decode(one).metric for (one,) in found}
    database.close()
    assert {Metric.REQUESTS_PER_CPU_S, Metric.START_S, Metric.IDLE_BYTES, Metric.LOADED_BYTES} <= metrics


def _unreadable(file: Path) -> None:
    file.write_bytes(b"this is no database, and never was one" * 100)


def _emptied(file: Path) -> None:
    file.write_bytes(b"")


def _cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def _scrambled(file: Path) -> None:
    """Keep only the first page, so that it is recognised as a database."""
    text = file.read_bytes()
    file.write_bytes(text[:4096] + os.urandom(len(text) - 4096))


def _scrambled_at_the_end(file: Path) -> None:
    """Keep all pages but those of the figures, so that it looks like a current index."""
    text = file.read_bytes()
    file.write_bytes(text[: 5 * 4096] + os.urandom(len(text) - 5 * 4096))


def _without_a_table(file: Path) -> None:
    database = sqlite3.connect(file)
    database.execute("DROP TABLE figures")
    database.close()


@pytest.mark.parametrize(
    "damage", [_unreadable, _emptied, _cut_off, _scrambled, _scrambled_at_the_end, _without_a_table]
)
def test_a_damaged_index_is_rebuilt(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    _record(tmp_path, "one")
    assert _estimate(tmp_path) == 10_000
    damage(tmp_path / FILE)
    assert _estimate(tmp_path) == 10_000
    _record(tmp_path, "two", requests=30_000, days=1)
    assert _estimate(tmp_path) == 15_000


def test_an_index_of_other_code_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _record(tmp_path, "one")
    assert _estimate(tmp_path) == 10_000
    read: list[Run] = []

    def counted_experiment(made: Run) -> Experiment[Any, Any]:
        read.append(made)
        return experiment_of(made)

    counted = FigureIndex(counted_experiment, tmp_path)
    _rate(counted)
    assert read == []
    monkeypatch.setattr(module, "_code", lambda: "other code")
    _rate(counted)
    assert len(read) == 1


@pytest.mark.parametrize(
    "file",
    [
        "common/catalog/sizes.py",
        "common/records/window.py",
        "loadtests/campaign/catalog.py",
        "loadtests/experiments/loadtest/report.py",
        "loadtests/users/histogram.py",
    ],
)
def test_a_module_that_figures_depend_on_makes_other_code_of_it(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in module.CODE:
        place = ROOT / name
        (shutil.copytree if place.is_dir() else _copy)(place, tmp_path / name)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    before = module._code.__wrapped__()
    (tmp_path / file).write_text("changed")
    assert module._code.__wrapped__() != before


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def test_an_index_that_cannot_be_written_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user may have created it in our folder."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def connect_read_only(database: Path | str, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 -- its own
        if isinstance(database, Path) and database.exists():
            return connect(f"file:{database}?mode=ro", uri=True, **options)
        return connect(database, **options)

    _record(tmp_path, "one")
    assert _estimate(tmp_path) == 10_000
    monkeypatch.setattr(sqlite3, "connect", connect_read_only)
    _record(tmp_path, "two", requests=30_000, days=1)
    assert _estimate(tmp_path) == 15_000


def test_an_index_that_can_never_be_written_is_kept_in_memory(tmp_path: Path) -> None:
    _record(tmp_path, "one")
    (tmp_path / FILE).mkdir()
    assert _estimate(tmp_path) == 10_000
    assert (tmp_path / FILE).is_dir()


def test_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _record(tmp_path, "one")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert _estimate(tmp_path) == 10_000
    assert not (tmp_path / FILE).exists()


def test_without_results_nothing_is_known_and_nothing_is_made(tmp_path: Path) -> None:
    index = FigureIndex(experiment_of, tmp_path / "results")
    assert _rate(index) is None
    assert index.problems() == {}
    assert not (tmp_path / "results").exists()


def test_an_error_of_ours_is_not_taken_for_a_damaged_run(tmp_path: Path) -> None:
    _record(tmp_path, "one")

    def broken(made: Run) -> Any:  # noqa: ANN401
        raise FailedError(made.id)

    with pytest.raises(FailedError):
        _rate(FigureIndex(broken, tmp_path))
    assert _estimate(tmp_path) == 10_000


@pytest.mark.usefixtures("untraced")
def test_a_thousand_runs_are_answered_for_at_once_when_they_are_known(tmp_path: Path) -> None:
    first = _record(tmp_path, "run-0")
    for number in range(1, 1000):
        shutil.copytree(first.folder, tmp_path / f"run-{number}")
    index = FigureIndex(experiment_of, tmp_path)
    _rate(index)
    began_s = time.process_time()
    assert _rate(index) is not None
    assert len(index.all_newest(machine=HERE)) == 1
    assert time.process_time() - began_s < 1.0
