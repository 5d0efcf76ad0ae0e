"""A run of another machine is checked, kept apart from those made here, and taken in whole or not at all."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.json import decode
from msgspec.structs import replace

from common.errors import BenchmarkError, FailedError, UsageError
from common.host.folders import remove_folder
from common.project import ROOT
from common.records.bundle import Bundle
from common.records.figure import machine_digest
from loadtests.board.index import FigureIndex
from loadtests.bundles.archive import pack
from loadtests.bundles.contents import LIST, bundle_files, sha256
from loadtests.bundles.imports import checked_runs, import_runs
from loadtests.bundles.run_records import MOST_PLANNED, RunRecords
from loadtests.campaign import store
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.store import RunFolder, imported_folders, record_text, run_folder, run_folders
from tests.loadtests.campaign.test_damaged_records import CHANGES
from tests.support.fuzzing import EXAMPLES
from tests.support.pages import load_test, write_run
from tests.support.records import cell, run

REVISION = "0" * 12
FEW = 150
Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of results, empty."""
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a bundle of two runs."""
    place, runs = tmp_path_factory.mktemp("runs"), []
    for id_ in ("one", "two"):
        folder = write_run(place / id_, load_test({"a+g": 10_000, "b+g": 5_000}, id=id_))
        runs.append(RunRecords.read(folder.folder, named=f"RUN={id_}"))
    return bundle_files(runs, {}, written_by=REVISION)


def _import(place: Path) -> list[Path]:
    return import_runs(checked_runs(place, named="RUN=x", revision=lambda: REVISION), named="RUN=x")


def _written(place: Path, files: Files) -> Path:
    place.write_bytes(pack(files))
    return place


def _listed(files: Files, **changes: object) -> Files:
    """Return files with a list of their digests, as somebody who alters them would write it."""
    digests = {name: sha256(text) for name, text in sorted(files.items()) if name != LIST}
    return files | {LIST: record_text(replace(decode(files[LIST], type=Bundle), files=digests, **changes))}


def test_runs_of_an_archive_are_kept_apart_from_those_made_here(tmp_path: Path, files: Files, results: Path) -> None:
    folders = _import(_written(tmp_path / "a", files))
    assert folders == [results / "imported" / "one", results / "imported" / "two"]
    assert [one.folder for one in imported_folders()] == folders[::-1]
    assert run_folders() == []
    assert run_folder("one") == RunFolder(folder=folders[0])
    for folder in folders:
        assert sorted(file.name for file in folder.iterdir()) == ["run.json", "summary.json", "visits.jsonl"]
        assert (folder / "visits.jsonl").read_bytes() == files[f"runs/{folder.name}/visits.jsonl"]
    assert [file.name for file in (results / "imported").iterdir() if file.name.startswith(".")] == []


def test_a_folder_gives_only_its_records(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "one", load_test({"a+g": 10_000, "b+g": 5_000}, id="one")).folder
    for name, text in (("evil.py", "raise SystemExit"), ("summary.json", "{}"), (".hidden.json", "{}")):
        (folder / name).write_text(text)
    (taken,) = _import(folder)
    assert sorted(file.name for file in taken.iterdir()) == ["run.json", "summary.json", "visits.jsonl"]
    recorded = RunFolder(folder=taken)
    summary = experiment_of(recorded.run()).summarise(recorded.visits())
    assert (taken / "summary.json").read_bytes() == record_text(summary)


def test_figures_of_imported_runs_are_never_this_machines(tmp_path: Path, files: Files, results: Path) -> None:
    made = load_test({"a+g": 10_000, "b+g": 5_000}, id="mine")
    write_run(results / "mine", made)
    _import(_written(tmp_path / "a", files))
    found = FigureIndex(experiment_of, results).all_newest(machine=machine_digest(made.run.machine))
    assert {one.run for one in found} == {"mine"}


@pytest.mark.parametrize("known", ["two", "survey/two", "imported/two"])
def test_a_run_that_is_already_here_is_not_imported_again(
    known: str, tmp_path: Path, files: Files, results: Path
) -> None:
    place = results / known
    write_run(place, load_test({"a+g": 10_000}, id="two"))
    with pytest.raises(UsageError, match=rf"^RUN=x: run two is already in {place}\. Remove it to import it again\.$"):
        _import(_written(tmp_path / "a", files))
    assert not (results / "imported" / "one").exists()


def test_nothing_is_imported_if_one_of_several_cannot_be(tmp_path: Path, files: Files, results: Path) -> None:
    (results / "imported" / "two").mkdir(parents=True)
    (results / "imported" / "two" / "mine").touch()
    with pytest.raises(UsageError, match="imported cannot be written: Directory not empty"):
        _import(_written(tmp_path / "a", files))
    assert [file.relative_to(results) for file in results.rglob("*")] == [
        Path("imported"), Path("imported/two"), Path("imported/two/mine"),
    ]  # fmt: skip


def test_what_a_kill_left_is_gone_with_the_next_import(tmp_path: Path, files: Files, results: Path) -> None:
    left = results / "imported" / ".part" / "three"
    write_run(left, load_test({"a+g": 10_000}, id="three"))
    assert [*run_folders(), *imported_folders()] == []
    _import(_written(tmp_path / "a", files))
    assert not left.parent.exists()


@pytest.mark.parametrize("make", [lambda _: None, Path.touch, Path.mkdir])
def test_what_holds_no_run_is_refused(make: Callable[[Path], None], tmp_path: Path, results: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(UsageError, match=r"^RUN=x (does not exist: must be a run's folder|is cut off|has no file run)"):
        _import(tmp_path / "a")
    assert not results.exists()


def test_a_table_that_this_code_did_not_write_is_an_alteration(tmp_path: Path, files: Files, results: Path) -> None:
    altered = _written(tmp_path / "a", _listed(files | {"runs/two/table.md": b"# I win\n"}))
    with pytest.raises(
        FailedError,
        match=r"RUN=x: runs/two/table\.md does not follow from its records\. It, or a record that it is computed from",
    ):
        _import(altered)
    assert not results.exists()


def test_records_are_taken_whatever_tables_other_code_has_written(tmp_path: Path, files: Files) -> None:
    other = _listed(files | {"runs/two/table.md": b"# of other code\n"}, written_by="1" * 12)
    assert [folder.name for folder in _import(_written(tmp_path / "a", other))] == ["one", "two"]


def test_a_folder_in_the_current_one_is_not_taken_for_a_run_that_is_already_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "one", load_test({"a+g": 10_000}, id="one"))
    monkeypatch.chdir(tmp_path)
    (taken,) = _import(Path("one"))
    assert taken.parent.name == "imported"


def test_a_manifest_that_was_changed_is_refused(tmp_path: Path, results: Path) -> None:
    folder = write_run(tmp_path / "one", load_test({"a+g": 10_000, "b+g": 5_000}, id="one")).folder
    text = (folder / "run.json").read_bytes()
    (folder / "run.json").write_bytes(text.replace(b'"cpu_model": "Toy"', b'"cpu_model": "Toy 2"'))
    with pytest.raises(FailedError, match=r"^RUN=x/run\.json was changed after it was written: its SHA-256 is"):
        _import(folder)
    assert not results.exists()


@pytest.mark.parametrize("id_", ["../two", "/tmp/two", ".part", "a/b", "", "x" * 101, "\x1b[2J", "a\nb"])  # noqa: S108
def test_an_id_that_would_lead_elsewhere_is_refused(id_: str, tmp_path: Path, results: Path) -> None:
    folder = write_run(tmp_path / "one", load_test({"a+g": 10_000}, id=id_)).folder
    with pytest.raises(UsageError, match=r"^RUN=x/run\.json has the id '.*': must be") as refused:
        _import(folder)
    assert str(refused.value).isprintable()
    assert not results.exists()


def test_a_run_that_plans_more_than_can_be_computed_with_is_refused(tmp_path: Path) -> None:
    made = run([cell(f"a{number}+g") for number in range(101)], rounds=1000)
    (RunFolder.create(tmp_path / "one", made).folder / "visits.jsonl").touch()
    with pytest.raises(UsageError, match=f"RUN=x plans 101,000 visits: must plan at most {MOST_PLANNED:,}"):
        _import(tmp_path / "one")


def _altered(files: Files, dice: random.Random) -> bytes:
    """Return the archive of files of which one was changed somewhere, with or without its digest."""
    name = dice.choice(sorted(files))
    changed = files | {name: dice.choice(CHANGES)(files[name], dice)}
    if dice.random() < 0.7 and name != LIST:
        changed = _listed(changed, written_by=dice.choice([REVISION, "1" * 12]))
    packed = pack(changed)
    match dice.randrange(6):
        case 0:
            at = dice.randrange(len(packed))
            return packed[:at] + dice.randbytes(dice.randrange(1, 9)) + packed[at + dice.randrange(9) :]
        case 1:
            raw = bytearray(gzip.decompress(packed))
            for _ in range(dice.randint(1, 3)):
                raw[dice.randrange(len(raw))] = dice.randrange(256)
            return gzip.compress(bytes(raw))
        case _:
            return packed


def _try(place: Path, files: Files, count: int, seed: int) -> int:
    """Import so many altered archives; return how many were refused. Anything but a refusal in one line fails."""
    refusals, archive = list[str](), place / "a"
    for number in range(count):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 -- no cryptography
        archive.write_bytes(_altered(files, dice))
        try:
            folders = _import(archive)
        except BenchmarkError as error:
            refusals.append(str(error))
            left = [file for file in place.rglob("*") if file not in {archive, place / "results"}]
        except Exception as error:
            error.add_note(f"seed {seed}, example {number}")
            raise
        else:
            written = {file.relative_to(place) for file in place.rglob("*") if file.is_file() and file != archive}
            assert {file.parent for file in written} == {folder.relative_to(place) for folder in folders}
            left = []
            remove_folder(place / "results")
        assert left == []
    assert [text for text in refusals if "\n" in text] == []
    return len(refusals)


def test_altered_archives_are_refused_in_one_line_or_taken_in_whole(tmp_path: Path, files: Files) -> None:
    assert FEW / 2 < _try(tmp_path, files, FEW, seed=1) < FEW


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.timeout(3600)
@pytest.mark.long
def test_many_altered_archives_are_refused_in_one_line_or_taken_in_whole(tmp_path: Path, files: Files) -> None:
    assert EXAMPLES / 2 < _try(tmp_path, files, EXAMPLES, seed=2) < EXAMPLES


def test_published_runs_can_be_imported(tmp_path: Path) -> None:
    place = ROOT / "loadtests" / "published" / "hello-docker-2"
    (taken,) = _import(place)
    assert (taken / "visits.jsonl").read_bytes() == (place / "visits.jsonl").read_bytes()
    assert tmp_path in taken.parents
