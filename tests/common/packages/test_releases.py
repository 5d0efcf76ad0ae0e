"""Tests of which releases of a package there are, and which of them stand for their minor versions."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from packaging.version import Version

from common.catalog.frameworks import RELEASED, frameworks
from common.errors import FailedError, UsageError
from common.packages.locks import lock
from common.packages.releases import newest_of_each_minor, pins, record_release_dates, releases
from tests.support.toy_index import Index, toy_index
from tests.support.toy_packages import write_framework, write_wheel


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only ones that pip finds."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path


def test_releases_are_listed_newest_first_without_prereleases(wheels: Path) -> None:
    for version in ("1.2", "1.10", "2.0rc1"):
        write_wheel(wheels, "toy", version)
    assert releases("toy") == (Version("1.10"), Version("1.2"))


@pytest.mark.usefixtures("wheels")
def test_package_that_no_index_has_is_named_with_pips_reason() -> None:
    with pytest.raises(FailedError, match=r"^pip listed no versions of nothing-of-the-kind: .*nothing-of-the-kind"):
        releases("nothing-of-the-kind")


def test_newest_release_stands_for_its_minor_version_and_the_oldest_comes_first() -> None:
    versions = [Version(text) for text in ("2.0.3", "1.9.1", "1.10.0", "2.0.10", "1.9.0", "2.1")]
    assert [str(one) for one in newest_of_each_minor(versions, 3)] == ["1.10.0", "2.0.10", "2.1"]
    assert [str(one) for one in newest_of_each_minor(versions, 20)] == ["1.9.1", "1.10.0", "2.0.10", "2.1"]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of wheels that an index serves, the only one that uv knows."""
    with toy_index(tmp_path, monkeypatch) as folder:
        yield folder


def test_the_release_date_of_each_locked_version_is_written_beside_the_lock(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in (("toy", "1.0"), ("undated", "2.0")):
        write_wheel(index, name, version)
    monkeypatch.setattr(Index, "days", {"toy-1.0-py3-none-any.whl": "2026-03-04"})
    framework = write_framework(tmp_path / "frameworks" / "toy", "toy", "undated")
    assert framework.release_dates == {}
    lock(framework)
    record_release_dates(framework)
    assert framework.release_dates == {"toy==1.0": date(2026, 3, 4)}


def test_release_dates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    framework = write_framework(tmp_path / "frameworks" / "toy", "toy")
    (framework.folder / RELEASED).write_text("toy==1.0 = ")
    with pytest.raises(UsageError, match=r"released\.toml: .*make lock FRAMEWORK=toy"):
        _ = framework.release_dates


def test_every_version_in_the_locks_of_this_project_has_a_release_date() -> None:
    for framework in frameworks().values():
        pinned = {f"{name}=={version}" for name, version in pins(framework.lock.read_text()).items()}
        assert framework.release_dates.keys() == pinned, f"run: make lock FRAMEWORK={framework.name}"
