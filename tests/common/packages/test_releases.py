"""Tests of which releases of a package there are, and which of them stand for their minor versions."""

from pathlib import Path

import pytest
from packaging.version import Version

from common.errors import FailedError
from common.packages.releases import newest_of_each_minor, releases
from tests.support.toy_packages import write_wheel


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
