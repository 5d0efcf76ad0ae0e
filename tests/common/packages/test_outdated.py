"""Tests that newer versions are found without a change of the lock, and that an upgrade writes them."""

from pathlib import Path

import pytest

from common.catalog.frameworks import Framework
from common.errors import FailedError
from common.packages.locks import lock
from common.packages.releases import Change, changes, outdated_in_lock, pins, upgrade
from tests.support.toy_packages import only_wheels, write_framework, write_wheel

TOY = Change(package="toy", before="1.0", after="2.0")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only ones that uv finds."""
    return only_wheels(tmp_path, monkeypatch)


@pytest.fixture
def toy(tmp_path: Path, wheels: Path) -> Framework:
    """A framework that was locked before version 2.0 of its package came out."""
    write_wheel(wheels, "toy", "1.0")
    framework = write_framework(tmp_path / "frameworks" / "toy", "toy")
    lock(framework)
    write_wheel(wheels, "toy", "2.0", "base")
    write_wheel(wheels, "base", "3.0")
    return framework


def test_changes_are_packages_that_differ_appear_or_disappear() -> None:
    before = "Alpha==1.0 \\\n    --hash=sha256:0\nbeta==2 ; python_version < '4' \\\n    --hash=sha256:1\ngone==1\n"
    after = "alpha==1.1 \\\n    --hash=sha256:2\nbeta==2 \\\n    --hash=sha256:1\nnew==3\n"
    assert pins(before) == {"alpha": "1.0", "beta": "2", "gone": "1"}
    assert changes(before, after) == (
        Change(package="alpha", before="1.0", after="1.1"),
        Change(package="gone", before="1", after=None),
        Change(package="new", before=None, after="3"),
    )


def test_newer_version_is_found_and_the_lock_stays(toy: Framework) -> None:
    before = toy.lock.read_text()
    assert outdated_in_lock(toy, before) == (Change(package="base", before=None, after="3.0"), TOY)
    assert toy.lock.read_text() == before


def test_upgrade_writes_the_newest_versions_once(toy: Framework) -> None:
    assert TOY in upgrade([toy])["toy"]
    assert toy.version == "2.0"
    assert upgrade([toy]) == {"toy": ()}


def test_upgrade_that_fails_leaves_every_lock_as_it_was(toy: Framework, tmp_path: Path) -> None:
    before = toy.lock.read_text()
    with pytest.raises(FailedError, match="nothing-of-the-kind"):
        upgrade([toy, write_framework(tmp_path / "frameworks" / "other", "nothing-of-the-kind")])
    assert toy.lock.read_text() == before
    assert sorted(file.name for file in toy.folder.iterdir()) == ["pyproject.toml", "requirements.lock"]


def test_lock_alone_keeps_the_locked_version(toy: Framework) -> None:
    lock(toy)
    assert toy.version == "1.0"
