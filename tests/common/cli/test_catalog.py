"""Tests of the commands that list, lock and upgrade frameworks."""

from pathlib import Path

import pytest

from common.cli import catalog
from common.cli.parameters import StackParameters
from common.errors import FailedError, UsageError
from common.packages.interpreters import Interpreter
from common.packages.locks import lock
from tests.support.toy_packages import only_wheels, write_framework, write_wheel


def test_what_an_upgrade_affects_is_printed_even_if_conformance_cannot_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise FailedError("the environment could not be created")

    wheels = only_wheels(tmp_path, monkeypatch)
    write_wheel(wheels, "toy", "1.0")
    toy = write_framework(tmp_path / "toy", "toy")
    lock(toy)
    write_wheel(wheels, "toy", "2.0")
    monkeypatch.setattr(catalog, "frameworks", lambda: {"toy": toy})
    monkeypatch.setattr(StackParameters, "candidates", lambda *_: ())
    monkeypatch.setattr(catalog, "conform_all", fail)
    with pytest.raises(FailedError, match="environment"):
        catalog.upgrade_(framework="toy", runtime="process")
    printed = capsys.readouterr().out
    assert "make compare A=toy@1.0 B=toy" in printed
    assert "CHANGELOG, Results affected: Toy 1.0 to 2.0." in printed


@pytest.mark.parametrize("present", [False, True])
def test_interpreters_are_listed_with_their_builds_and_the_command_for_each_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, present: bool
) -> None:
    options: dict[str, str | None] = {"CONFIG_ARGS": "'--disable-gil'", "PGO_PROF_USE_FLAG": "-fprofile-use"}
    here = Interpreter(name="3.14.8t", path="/opt/python3.14t", variables=options, jit=False)
    monkeypatch.setattr(catalog, "installed_interpreters", lambda: [here])
    monkeypatch.setattr(catalog, "find_image", lambda reference: reference if present else None)
    monkeypatch.setattr(catalog, "is_stand_in", lambda _: True)
    catalog.interpreters()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines()}
    image = "python:3.14t-slim (a stand-in)" if present else "make bases PYTHON=3.14t IMAGE=slim"
    assert rows["3.14.8t"] == f"/opt/python3.14t no GIL, no PGO, no LTO {image}"
    image = "pypy:3.11-slim (a stand-in)" if present else "make bases PYTHON=pypy3.11 IMAGE=slim"
    assert rows["pypy3.11"] == f".venv/bin/uv python install pypy3.11 - {image}"
    if not present:
        assert rows["3.12"] == ".venv/bin/uv python install 3.12 - docker pull python:3.12-slim"


def test_missing_lock_is_named_before_any_package_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {name: write_framework(tmp_path / "frameworks" / name, "toy") for name in ("locked", "new")}
    made["locked"].lock.touch()
    monkeypatch.setattr(catalog, "frameworks", lambda: made)
    monkeypatch.setattr(catalog, "outdated_in_lock", lambda *_: pytest.fail("packages were looked up"))
    with pytest.raises(UsageError, match=r"^requirements\.lock of new is missing\. Run make lock FRAMEWORK=new\.$"):
        catalog.outdated(framework="all")
