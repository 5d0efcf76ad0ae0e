"""Tests that the copy of a folder holds what is in the folder, and nothing from elsewhere."""

import os
from pathlib import Path

import pytest

from common.errors import UsageError
from common.packages.copies import copy_folder


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder beside one with a secret."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("a secret")
    folder = tmp_path / "app"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "one").write_text("1")
    return folder


@pytest.mark.parametrize(
    ("place", "to"),
    [
        ("key", "{root}/secret/key"),
        ("key", "../secret/key"),
        ("data/key", "../../secret/key"),
        ("folder", "../secret"),
        ("folder", "/"),
        ("key", "{root}/app/data/one"),
        ("key", "../app/data/one"),
        ("gone", "../nowhere"),
        ("up", ".."),
    ],
)
def test_a_link_that_leads_out_is_refused(app: Path, place: str, to: str) -> None:
    to = to.format(root=app.parent)
    (app / place).symlink_to(to)
    with pytest.raises(UsageError) as caught:
        copy_folder(app, app.parent / "copy")
    assert f"{app / place} links to {to}" in str(caught.value)
    assert not (app.parent / "copy").exists()


def test_a_link_through_another_one_that_leads_out_is_refused(app: Path) -> None:
    (app / "a").symlink_to("b/key")
    (app / "b").symlink_to("../secret")
    with pytest.raises(UsageError, match="must be a relative link within it"):
        copy_folder(app, app.parent / "copy")


def test_a_link_within_stays_a_link_also_in_a_second_copy(app: Path) -> None:
    (app / "data" / "two").symlink_to("one")
    (app / "here").symlink_to(".")
    copy = app.parent / "copy"
    for text in ("1", "2"):
        (app / "data" / "one").write_text(text)
        copy_folder(app, copy)
        assert (copy / "here" / "data" / "two").read_text() == text
        assert os.readlink(copy / "data" / "two") == "one"  # noqa: PTH115 -- as it is written


def test_what_is_no_file_is_refused(app: Path) -> None:
    os.mkfifo(app / "pipe")
    with pytest.raises(UsageError, match="pipe is no file, folder or link"):
        copy_folder(app, app.parent / "copy")


def test_environments_hidden_files_and_what_is_left_out_are_not_copied(app: Path) -> None:
    for name in (".env", "venv/pyvenv.cfg", "venv/x", "__pycache__/y.pyc", "lock"):
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).touch()
    (app / "venv" / "python").symlink_to("/usr/bin/python3")
    (app / ".key").symlink_to("/etc/shadow")
    copy_folder(app, copy := app.parent / "copy", "lock")
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == ["data", "data/one"]
