"""The commands that list, lock and upgrade frameworks."""

from pathlib import Path

import pytest

from common.cli import catalog
from common.errors import UsageError
from tests.support.toy_packages import write_framework


def test_missing_lock_is_named_before_any_package_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {name: write_framework(tmp_path / "frameworks" / name, "toy") for name in ("locked", "new")}
    made["locked"].lock.touch()
    monkeypatch.setattr(catalog, "frameworks", lambda: made)
    monkeypatch.setattr(catalog, "outdated_in_lock", lambda _: pytest.fail("packages were looked up"))
    with pytest.raises(UsageError, match=r"^requirements\.lock of new is missing\. Run make lock FRAMEWORK=new\.$"):
        catalog.outdated(framework="all")
