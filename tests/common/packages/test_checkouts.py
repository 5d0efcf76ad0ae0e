"""A checkout is built once for each content and Python, by the backend that it names."""

from pathlib import Path
from typing import NoReturn
from unittest import mock

import pytest

from common.errors import FailedError
from common.packages import checkouts
from common.packages.checkouts import built_once, project_name, source_digest, wheel_of
from tests.support.toy_packages import only_wheels, write_checkout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the package toy, which builds version 3.0."""
    only_wheels(tmp_path, monkeypatch)
    return write_checkout(tmp_path / "checkout", "toy", "3.0")


def test_a_checkout_is_built_once_for_each_content(checkout: Path, tmp_path: Path) -> None:
    first = wheel_of(checkout, root=tmp_path / "built")
    assert first.name == "toy-3.0-py3-none-any.whl"
    with mock.patch.object(checkouts, "run_uv", side_effect=AssertionError):
        assert wheel_of(checkout, root=tmp_path / "built") == first
    (checkout / "more.py").write_text("# changed\n")
    assert wheel_of(checkout, root=tmp_path / "built").parent != first.parent


def test_a_checkout_is_built_for_each_python(checkout: Path, tmp_path: Path) -> None:
    """Compiled code fits only the Python that it was built for."""
    targets = ("py3.12", "py3.13")
    first, second = (built_once(checkout, target, _build_nothing, root=tmp_path / "built") for target in targets)
    assert first.parent != second.parent


def _build_nothing(folder: Path) -> None:
    (folder / "toy-3.0-py3-none-any.whl").touch()


def test_a_build_leaves_the_checkout_as_it_is(checkout: Path, tmp_path: Path) -> None:
    """Compilers put what they generate beside the sources, and another digest would be another variant."""
    backend = checkout / "backend.py"
    backend.write_text(backend.read_text().replace("shutil.copy", "open('toy.c', 'w').close(); shutil.copy"))
    before = source_digest(checkout)
    wheel_of(checkout, root=tmp_path / "built")
    assert source_digest(checkout) == before


def test_what_a_build_left_when_it_ended_early_is_not_used(checkout: Path, tmp_path: Path) -> None:
    def end_early(folder: Path) -> NoReturn:
        _build_nothing(folder)
        raise FailedError("killed")

    with pytest.raises(FailedError, match="killed"):
        built_once(checkout, "py3.12", end_early, root=tmp_path / "built")
    assert not [*(tmp_path / "built").iterdir()]


def test_a_checkout_of_several_packages_is_refused(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(FailedError, match=r"produced 0 wheels; a checkout must contain exactly one package"):
        built_once(checkout, "py3.12", lambda _: None, root=tmp_path / "built")


def test_the_project_of_a_checkout_is_read_from_its_file(checkout: Path, tmp_path: Path) -> None:
    assert project_name(checkout) == "toy"
    assert project_name(tmp_path) is None


def test_files_of_git_and_of_tools_do_not_change_the_digest_of_a_checkout(checkout: Path) -> None:
    before = source_digest(checkout)
    for name in (".git", "__pycache__", "build", "dist", "node_modules", "venv", "src/toy.egg-info", "src/__pycache__",
                 "docs/node_modules", "examples/env"):  # fmt: skip
        (checkout / name).mkdir(parents=True)
        (checkout / name / "file").touch()
    (checkout / "examples" / "env" / "pyvenv.cfg").touch()
    assert source_digest(checkout) == before


def test_a_file_that_is_left_out_does_not_change_the_digest(checkout: Path) -> None:
    before = source_digest(checkout, left_out=["service.py"])
    (checkout / "service.py").write_text("app = None")
    assert source_digest(checkout, left_out=["service.py"]) == before
    assert source_digest(checkout) != before


def test_links_that_lead_in_circles_are_not_followed(checkout: Path) -> None:
    before = source_digest(checkout)
    for name in ("a", "b"):
        (checkout / name).symlink_to(".")
    assert source_digest(checkout) == before


def test_a_package_that_is_a_link_changes_the_digest_of_a_checkout(checkout: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "x.py"
    file.parent.mkdir()
    (file.parent / "back").symlink_to(checkout)
    (checkout / "linked").symlink_to(file.parent)
    file.write_text("before = 1\n")
    before = source_digest(checkout)
    file.write_text("after = 1\n")
    assert source_digest(checkout) != before


@pytest.mark.parametrize("name", ["build", "dist", "venv"])
def test_packages_that_are_named_like_what_tools_leave_change_the_digest_of_a_checkout(
    checkout: Path, name: str
) -> None:
    (checkout / "src" / "toy" / name).mkdir(parents=True)
    file = checkout / "src" / "toy" / name / "x.py"
    file.write_text("before = 1\n")
    before = source_digest(checkout)
    file.write_text("after = 1\n")
    assert source_digest(checkout) != before
