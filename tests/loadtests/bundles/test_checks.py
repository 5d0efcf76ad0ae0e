"""A bundle is whole only if every digest holds and everything in it follows from its records."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.json import decode, encode
from msgspec.structs import replace

from common.errors import BenchmarkError, FailedError, UsageError
from common.project import ROOT
from common.records.bundle import Bundle
from loadtests.bundles import contents
from loadtests.bundles.archive import pack
from loadtests.bundles.checks import CheckedBundle
from loadtests.bundles.contents import bundle_files, find_locks, lock_names, sha256
from loadtests.bundles.run_records import RunRecords
from loadtests.campaign.store import RunFolder, record_text
from tests.support.hostile import HOSTILE, Exchange, unprintable
from tests.support.pages import load_test, write_run
from tests.support.records import cell, run

PUBLISHED = ROOT / "loadtests" / "published" / "hello-docker"
REVISION = "0" * 12
WITHOUT_AVX512 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
}
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of the bundle of two runs, one of which used a lock that is here."""
    place = tmp_path_factory.mktemp("runs")
    runs = []
    for number, id_ in enumerate(("one", "two"), 1):
        source = load_test({"falcon+g": 10_000 * number, "b+g": 5_000}, id=id_)
        lock = sha256((ROOT / "frameworks" / "falcon" / "requirements.lock").read_bytes())
        cells = [replace(one, lock_sha256=lock if one.framework == "falcon" else "") for one in source.stacks]
        folder = write_run(place / id_, load_test({"falcon+g": 10_000, "b+g": 5_000}, id=id_))
        folder.describe(replace(source.run, cells=cells))
        runs.append(RunRecords.read(folder.folder, named=f"RUN={id_}"))
    return bundle_files(runs, find_locks(runs), written_by=REVISION)


def _check(place: Path, files: Files, *, revision: str = REVISION) -> CheckedBundle:
    (place / "a").write_bytes(pack(files))
    checked = CheckedBundle.read(place / "a", named="BUNDLE=a")
    checked.require_rebuilt(revision)
    return checked


def _listed(files: Files, **changes: object) -> Files:
    """Return files with a list that has their digests, as an attacker would write it."""
    listed = replace(
        decode(files["bundle.json"], type=Bundle),
        files={name: sha256(text) for name, text in sorted(files.items()) if name != "bundle.json"},
        **changes,
    )
    return files | {"bundle.json": record_text(listed)}


def test_a_whole_bundle_holds_records_locks_tables_and_pages(files: Files, tmp_path: Path) -> None:
    checked = _check(tmp_path, files)
    (lock,) = checked.locks
    assert lock.startswith("falcon-")
    kinds = {"run.json", "visits.jsonl", "table.md", "report.html"}
    assert {name.rpartition("/")[2] for name in files if name.startswith("runs/one/")} == kinds
    assert [records.run.id for records in checked.runs] == ["one", "two"]
    assert b"1 run on Toy, " in files["runs/one/report.html"]
    assert b"| rank | stack |" in files["runs/one/table.md"]


def test_any_change_of_a_byte_names_the_file(files: Files, tmp_path: Path) -> None:
    dice = random.Random(1)  # noqa: S311 -- no cryptography
    for name in sorted(files.keys() - {"bundle.json"}):
        for _ in range(5):
            text = bytearray(files[name])
            text[dice.randrange(len(text))] ^= 1 << dice.randrange(8)
            with pytest.raises(FailedError, match=f"^BUNDLE=a: {re.escape(name)} was altered: its SHA-256 is "):
                _check(tmp_path, files | {name: bytes(text)})


def test_any_change_of_a_byte_of_the_list_is_found(files: Files, tmp_path: Path) -> None:
    dice = random.Random(2)  # noqa: S311 -- no cryptography
    for _ in range(30):
        text = bytearray(files["bundle.json"])
        text[dice.randrange(len(text))] ^= 1 << dice.randrange(8)
        with pytest.raises(BenchmarkError, match="BUNDLE=a"):
            _check(tmp_path, files | {"bundle.json": bytes(text)})


GOLDEN = sorted(path.parent for path in (ROOT / "tests" / "golden").glob("*/visits.jsonl"))


@pytest.mark.parametrize("folder", [*GOLDEN, PUBLISHED], ids=lambda folder: folder.name)
def test_recorded_runs_of_every_kind_are_rebuilt_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    try:
        records = RunRecords.read(folder, named="RUN=x")
    except UsageError as error:
        assert "was interrupted: must be a finished run" in str(error)  # noqa: PT017 -- a record of an unfinished run
        return
    made = bundle_files([records], find_locks([records]), written_by=REVISION)
    assert _check(tmp_path, made).runs[0].visits == records.visits


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("run.json", (b'"seed": 1', b'"seed": 2'), "runs/two/run.json was changed after it was written"),
        ("visits.jsonl", (b'"requests":2', b'"requests":3'), "runs/two/report.html does not follow from its records"),
        ("table.md", (b"valid", b"great"), "runs/two/table.md does not follow from its records"),
        ("report.html", (b"<h1>", b"<h1>Buy! "), "runs/two/report.html does not follow from its records"),
    ],
)  # fmt: skip
def test_a_file_that_was_altered_with_its_digest_is_named(
    name: str, change: tuple[bytes, bytes], named: str, files: Files, tmp_path: Path
) -> None:
    (old, new), text = change, files[f"runs/two/{name}"]
    assert old in text
    with pytest.raises(FailedError, match=named):
        _check(tmp_path, _listed(files | {f"runs/two/{name}": text.replace(old, new, 1)}))


@pytest.mark.parametrize("text", HOSTILE[::7])
def test_a_record_of_hostile_strings_is_only_text(text: str, tmp_path: Path) -> None:
    recorded, exchange = RunFolder(folder=ROOT / "tests" / "golden" / "published-docker"), Exchange(text)
    changed = replace(exchange.of(recorded.run()), id="one")
    folder = RunFolder.create(tmp_path / "one", changed)
    for visit in recorded.visits():
        folder.add(replace(exchange.of(visit), run="one"))
    records = RunRecords.read(folder.folder, named="RUN=one")
    checked = _check(tmp_path, bundle_files([records], find_locks([records]), written_by=REVISION))
    made = ("report.html", "run.json", "table.md", "visits.jsonl")
    assert sorted(checked.files) == ["bundle.json", *(f"runs/one/{name}" for name in made)]
    assert unprintable(checked.files["runs/one/table.md"].decode()) == []


def test_a_lock_that_was_exchanged_is_named(files: Files, tmp_path: Path) -> None:
    (lock,) = (name for name in files if name.startswith("locks/"))
    with pytest.raises(FailedError, match=f"{lock} is not the lock of any of its 2 runs"):
        _check(tmp_path, _listed(files | {lock: b"evil==1\n"}))


def test_a_bundle_may_lack_a_lock_that_could_not_be_found(files: Files, tmp_path: Path) -> None:
    runs = _check(tmp_path, files).runs
    assert _check(tmp_path, bundle_files(runs, {}, written_by=REVISION)).locks == {}


def test_an_earlier_lock_is_found_in_the_history(monkeypatch: pytest.MonkeyPatch, files: Files, tmp_path: Path) -> None:
    checked = _check(tmp_path, files)
    (name,) = lock_names(checked.runs)
    (text,) = find_locks(checked.runs).values()
    monkeypatch.setattr(contents, "frameworks", lambda: {"falcon": _Moved()})
    monkeypatch.setattr(contents, "file_at", lambda commit, _: text if commit == "abc123" else None)
    assert find_locks(checked.runs) == {name: text}


class _Moved:
    lock = ROOT / "frameworks" / "falcon" / "app.py"


def test_an_alteration_is_told_from_other_code(files: Files, tmp_path: Path) -> None:
    altered = _listed(files | {"runs/two/table.md": b"x"})
    with pytest.raises(FailedError, match=r"It, or a record that it is computed from, was altered\."):
        _check(tmp_path, altered)
    with pytest.raises(FailedError, match=rf"or other code wrote it: revision {REVISION} there, 123456789abc here"):
        _check(tmp_path, altered, revision="123456789abc")


WRONG: dict[str, tuple[Callable[[Files], Files], str]] = {
    "no list": (lambda _: {"a": b""}, "holds no bundle.json"),
    "not JSON": (lambda _: {"bundle.json": b"{"}, "bundle.json of BUNDLE=a is not a valid bundle"),
    "not UTF-8": (lambda _: {"bundle.json": b"\xff"}, "bundle.json of BUNDLE=a is not a valid bundle"),
    "deep JSON": (lambda _: {"bundle.json": b"[" * 100_000}, "bundle.json of BUNDLE=a is not a valid bundle"),
    "another schema": (
        lambda files: {"bundle.json": encode(json.loads(files["bundle.json"]) | {"schema_version": 4})},
        "bundle.json of BUNDLE=a has schema version 4: must be 3",
    ),
    "no digests": (
        lambda files: {"bundle.json": encode(json.loads(files["bundle.json"]) | {"files": {"a": "0"}})},
        "bundle.json of BUNDLE=a is not a valid bundle",
    ),
    "a revision that is an option": (
        lambda files: {"bundle.json": encode(json.loads(files["bundle.json"]) | {"written_by": "--output=x"})},
        "bundle.json of BUNDLE=a is not a valid bundle",
    ),
    "an unlisted file": (lambda files: files | {"runs/one/x": b""}, "'runs/one/x' is not in bundle.json"),
    "a missing file": (
        lambda files: {name: text for name, text in files.items() if name != "runs/one/visits.jsonl"},
        "'runs/one/visits.jsonl' is missing",
    ),
    "a listed file that nothing gives": (
        lambda files: _listed(files | {"runs/one/x.sh": b""}), "runs/one/x.sh does not follow from its records",
    ),
    "no run": (lambda files: _listed({"bundle.json": files["bundle.json"]}), "holds no run: must be a file that"),
    "a run without records": (
        lambda files: _listed(files | {"runs/three/table.md": b""}), "runs/three/run.json is missing",
    ),
    "a listed name that moves the cursor": (
        lambda files: {"bundle.json": encode(json.loads(files["bundle.json"]) | {"files": {"\x1b[2Jx": "0" * 64}})},
        r"'\\x1b\[2Jx' is missing",
    ),
    "a run under another name": (
        lambda files: _listed(files | {"runs/one/run.json": files["runs/two/run.json"],
                                       "runs/one/visits.jsonl": files["runs/two/visits.jsonl"]}),
        "runs/one/run.json is of run two",
    ),
    "a manifest that is a list": (
        lambda files: _listed(files | {"runs/one/run.json": b"[]"}), "runs/one/run.json is not a valid run",
    ),
    "a visit without fields": (
        lambda files: _listed(files | {"runs/one/visits.jsonl": b"{}\n"}), "visits.jsonl, line 1, is not a valid visit",
    ),
    "visits of another run": (
        lambda files: _listed(files | {"runs/one/visits.jsonl": files["runs/two/visits.jsonl"]}),
        "holds a visit of the run two, not of one",
    ),
    "visits that are cut off": (
        lambda files: _listed(files | {"runs/one/visits.jsonl": files["runs/one/visits.jsonl"][:-9]}),
        "runs/one/visits.jsonl is cut off in its last line",
    ),
    "an interrupted run": (
        lambda files: _listed(files | {"runs/one/visits.jsonl": files["runs/one/visits.jsonl"].partition(b"\n")[0]
                                       + b"\n"}),
        "runs/one was interrupted: must be a finished run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_anything_but_a_bundle_is_refused_in_one_line(kind: str, files: Files, tmp_path: Path) -> None:
    change, reason = WRONG[kind]
    with pytest.raises(BenchmarkError, match=reason) as refused:
        _check(tmp_path, change(files))
    assert str(refused.value).isprintable()
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_run_with_more_stacks_than_can_be_compared_is_refused(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", run([cell(f"a{n}+g") for n in range(501)]))
    (folder.folder / "visits.jsonl").touch()
    with pytest.raises(UsageError, match="RUN=x has 501 stacks: must have at most 500"):
        RunRecords.read(folder.folder, named="RUN=x")


@pytest.mark.slow
@pytest.mark.parallel
def test_every_processor_writes_the_same_bundle() -> None:
    program = (
        "import sys; from pathlib import Path; from loadtests.bundles.contents import *\n"
        "runs = [RunRecords.read(Path(sys.argv[1]), named='RUN=x')]\n"
        "print(sha256(b''.join(bundle_files(runs, {}, written_by=None).values())))"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", program, PUBLISHED], env=os.environ | changes, cwd=ROOT, check=True,
                       capture_output=True, text=True).stdout
        for changes in ({}, WITHOUT_AVX512)
    )  # fmt: skip
    assert first == second
