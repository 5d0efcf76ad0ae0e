"""Tests that ``make new`` writes a folder which can be read at once, and refuses names that it cannot use."""

import re
import tomllib
from pathlib import Path

import pytest

from common.catalog.frameworks import Framework, Interface
from common.catalog.new_framework import new_framework
from common.errors import UsageError


@pytest.mark.parametrize("interface", Interface)
def test_folder_is_a_framework_and_its_app_is_python(tmp_path: Path, interface: Interface) -> None:
    folder = new_framework("My-Framework", interface, distribution="", title="", root=tmp_path)
    framework = Framework.load(folder)
    assert (framework.name, framework.title, framework.interface) == ("my_framework", "My-Framework", interface)
    assert (framework.distribution, framework.dependencies) == ("my-framework", ("my-framework",))
    assert framework.command == ("python app.py {host} {port}" if interface is Interface.NATIVE else "")
    compile((folder / "app.py").read_text(), "app.py", "exec")


def test_package_and_title_may_differ_from_the_folder(tmp_path: Path) -> None:
    folder = new_framework("drf", Interface.WSGI, distribution="djangorestframework", title="DRF", root=tmp_path)
    assert tomllib.loads((folder / "pyproject.toml").read_text()) == {
        "project": {
            "name": "stack-drf",
            "version": "0",
            "requires-python": ">=3.11",
            "dependencies": ["djangorestframework"],
        },
        "tool": {"stack": {"title": "DRF", "interface": "wsgi", "distribution": "djangorestframework"}},
    }


@pytest.mark.parametrize("title", ['The "best" API', "back\\slash\\", "{braces}", "\N{SNOWMAN} \N{ROCKET}", "'''"])
def test_any_title_is_read_back_as_it_was_given(tmp_path: Path, title: str) -> None:
    """Otherwise the next command, whichever it is, could not read the folder."""
    folder = new_framework("toy", Interface.WSGI, distribution="", title=title, root=tmp_path)
    assert Framework.load(folder).title == title
    compile((folder / "app.py").read_text(), "app.py", "exec")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("toy", {"distribution": 'x"]', "title": ""}, "DISTRIBUTION=x"),
        ("toy", {"distribution": "falcon>=4", "title": ""}, "DISTRIBUTION=falcon>=4"),
        ("toy_", {"distribution": "", "title": ""}, "DISTRIBUTION=toy-"),
        ("toy", {"distribution": "", "title": "two\nlines"}, "TITLE=two\nlines"),
        ("toy", {"distribution": "", "title": "\x7f"}, "TITLE=\x7f"),
    ],
)
def test_invalid_package_or_title_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, values: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^invalid {re.escape(message)}.*: must be"):
        new_framework(name, Interface.WSGI, root=tmp_path, **values)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["", " ", "all", "Default", "../evil", "a b", "3d", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_name_that_cannot_be_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid FRAMEWORK=.*: must be at most 64 letters, digits, - and _"):
        new_framework(name, Interface.WSGI, distribution="", title="", root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_name_that_is_taken_is_refused_and_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = new_framework("toy_one", Interface.WSGI, distribution="", title="", root=tmp_path)
    (folder / "app.py").write_text("mine")
    with pytest.raises(UsageError, match=r"^FRAMEWORK=Toy-One exists already, in .*toy_one\.$"):
        new_framework("Toy-One", Interface.ASGI, distribution="", title="", root=tmp_path)
    assert (folder / "app.py").read_text() == "mine"
