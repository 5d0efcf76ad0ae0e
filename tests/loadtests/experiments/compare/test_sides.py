"""Sides name stacks, what they are built from, or runs; unknown ones are refused with what is accepted."""

import platform
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from common.catalog.frameworks import FRAMEWORKS, frameworks
from common.catalog.sizes import Runtime
from common.errors import UsageError
from common.packages import variants
from common.packages.checkouts import wheel_of
from common.packages.commits import files_at
from common.project import ROOT
from common.records.run import Conformance, Design, Origin, Run
from loadtests.campaign import store
from loadtests.campaign.store import RunFolder
from loadtests.experiments.compare import sides
from loadtests.experiments.compare.sides import Side, both_candidates
from loadtests.experiments.loadtest.experiment import LoadTest
from tests.support.records import cell, compare_run, load, run, window
from tests.support.repositories import Repository
from tests.support.toy_packages import write_checkout, write_wheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("falcON", ("falcon", None, None, None, None)),
        ("fastapi+granian", ("fastapi", "granian", None, None, None)),
        ("falcon@4.2.0", ("falcon", None, "4.2.0", None, None)),
        ("falcon:alpine", ("falcon", None, None, "alpine", None)),
        ("falcon:py3.12", ("falcon", None, None, None, "3.12")),
        ("falcon@4.2.0+granian:slim-py3.12", ("falcon", "granian", "4.2.0", "slim", "3.12")),
        ("falcon+granian@2.0.0:slim", ("falcon", "granian@2.0.0", None, "slim", None)),
        ("falcon+granian@slim", ("falcon", "granian", None, "slim", None)),
        ("falcon+granian@2.0.0@slim-py3.12", ("falcon", "granian@2.0.0", None, "slim", "3.12")),
        ("falcon:pypy3.11", ("falcon", None, None, None, "pypy3.11")),
        ("falcon@4.2.0+granian@2.0.0", ("falcon", "granian@2.0.0", "4.2.0", None, None)),
    ],
)
def test_a_stack_is_named_by_framework_server_version_image_and_python(
    text: str, expected: tuple[str | None, ...]
) -> None:
    side = Side.parse(text, "A")
    assert (side.framework, side.server, side.version, side.image, side.python) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flacon", "A=flacon is unknown. Did you mean falcon?"),
        ("", r"A=\(empty\)"),
        ("falcon:slimmer", "A=slimmer is unknown. Did you mean slim?"),
        ("./nowhere", r"A=\./nowhere does not exist: must be FRAMEWORK"),
        ("falcon@./nowhere", r"A=\./nowhere does not exist"),
        ("falcon:py9", r"invalid A=\.\.\.py9: must be a version such as py3\.12"),
        ("./tests", r"A=\./tests holds neither pyproject\.toml nor setup\.py"),
        ("./" + "a" * 300, r"A=\./a+ does not exist"),
        ("./nowhere@main", r"A=\./nowhere@main does not exist"),
        ("./nowhere.whl", r"A=\./nowhere\.whl does not exist: must be .* a wheel, or a finished run"),
        ("falcon==four", r"invalid A=falcon==four: must be a requirement such as 'falcon==4\.1' or"),
        ("flacon==4.1", "A=flacon is unknown. Did you mean falcon?"),
        ("~nobody-of-this-name/x", r"A=~nobody-of-this-name/x does not exist"),
        ("falcon:pythree", "A=pythree is unknown"),
    ],
)
def test_what_is_unknown_is_named_with_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Side.parse(text, "A")


def test_a_requirement_may_be_followed_by_a_server_and_an_image() -> None:
    side = Side.parse("falcon>=4,<5+granian:slim", "A")
    assert (side.framework, str(side.requirement), side.server, side.image) == ("falcon", "<5,>=4", "granian", "slim")
    assert Side.parse("falcon==4.1", "A").version is None


@pytest.fixture
def checkout(tmp_path: Path) -> Repository:
    """A checkout of Falcon's package with two commits, and a branch that left it at the first."""
    made = Repository.create(tmp_path / "falcon")
    write_checkout(made.folder, "falcon", "9.0")
    made.commit("Release 9.0", {})
    made.git("checkout", "--quiet", "-b", "topic")
    made.commit("Be faster", {"faster.txt": "yes"})
    made.git("checkout", "--quiet", "main")
    made.commit("Be slower", {"slower.txt": "yes"})
    return made


@pytest.fixture(autouse=True)
def caches_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is built for a test does not stay."""
    monkeypatch.setattr(sides, "files_at", partial(files_at, root=tmp_path / "commits"))
    monkeypatch.setattr(sides, "wheel_of", partial(wheel_of, root=tmp_path / "wheels"))


@pytest.mark.parametrize(
    ("reference", "subject", "files"),
    [
        ("@topic", "Be faster", {"faster.txt"}),
        ("@main...topic", "Release 9.0", set()),
        ("@topic...", "Release 9.0", set()),
        ("@main@{0}", "Be slower", {"slower.txt"}),
        ("", "Be slower", {"slower.txt"}),
    ],
)
@pytest.mark.parametrize("form", ["{}{}", "falcon@{}{}"])
def test_a_checkout_may_be_followed_by_a_git_reference(
    checkout: Repository, form: str, reference: str, subject: str, files: set[str]
) -> None:
    source = Side.parse(form.format(checkout.folder, reference), "B").source
    assert source is not None
    assert {path.name for path in source.path.glob("*er.txt")} == files
    origin = source.origin(frameworks()["falcon"])
    assert (origin.commit or "").endswith(f" {subject}")
    assert not origin.dirty


def test_a_folder_may_have_an_at_in_its_name(checkout: Repository) -> None:
    folder = checkout.folder.rename(checkout.folder.parent / "job@2")
    source = Side.parse(f"{folder}@topic", "B").source
    assert source is not None
    assert (source.path.name, (source.path / "faster.txt").exists()) == ("job@2", True)
    assert Side.parse(str(folder), "B").source is not None


def test_changes_that_are_not_committed_are_measured_and_recorded(checkout: Repository) -> None:
    (checkout.folder / "new.txt").touch()
    source = Side.parse(str(checkout.folder), "B").source
    assert source is not None
    assert source.origin(frameworks()["falcon"]).dirty


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("@nowhere", r"nowhere is no commit of .*falcon: must be a branch, a tag, a commit, or main\.\.\.my-branch"),
        ("@", r"\(empty\) is no commit of "),
    ],
)
def test_an_unknown_reference_is_refused(checkout: Repository, reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Side.parse(f"{checkout.folder}{reference}", "B")


def test_a_reference_of_what_is_no_repository_is_refused(tmp_path: Path) -> None:
    folder = write_checkout(tmp_path / "plain", "falcon", "9.0")
    with pytest.raises(UsageError, match=r"plain is no git repository in which main could be found"):
        Side.parse(f"{folder}@main", "B")


@pytest.mark.parametrize("runtime", [Runtime.PROCESS, Runtime.DOCKER])
@pytest.mark.parametrize("tag", ["cp27-cp27m-manylinux_2_17_{machine}", "cp36-cp36m-{any}", "py3-none-win_amd64"])
def test_a_wheel_for_another_platform_or_python_is_refused(tmp_path: Path, runtime: Runtime, tag: str) -> None:
    tag = tag.format(machine=platform.machine(), any="manylinux_2_17_any")
    wheel = tmp_path / f"falcon-9.0-{tag}.whl"
    wheel.touch()
    side = Side.parse(str(wheel), "B")
    with pytest.raises(UsageError, match=rf"B=.*\.whl is built for {tag}, and cannot be installed on Python 3\."):
        side.candidate(Side.parse("falcon", "A"), runtime, "default")


def test_a_wheel_whose_name_is_not_that_of_a_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "falcon.whl").touch()
    with pytest.raises(UsageError, match=r"falcon\.whl is not named like a wheel: must be NAME-VERSION"):
        Side.parse(str(tmp_path / "falcon.whl"), "B")


def test_a_wheel_is_for_the_framework_of_the_other_side(tmp_path: Path) -> None:
    """Several frameworks here are of the package falcon."""
    side = Side.parse(str(write_wheel(tmp_path, "falcon", "9.0")), "B")
    with mock.patch.object(variants, "framework_from_wheel", side_effect=lambda framework, _: framework):
        assert side.candidate(Side.parse("falcon_asgi", "A"), Runtime.PROCESS, "default").stack.framework.name == (
            "falcon_asgi"
        )
        with pytest.raises(UsageError, match="package of falcon, falcon_asgi, falcon_pure: name one, as in falcon@"):
            side.candidate(Side.parse("flask", "A"), Runtime.PROCESS, "default")
    assert side.origin(Side.parse("falcon", "A").candidate(side, Runtime.PROCESS, "default")) == Origin()


def test_a_checkout_is_built_in_the_image_that_it_runs_in(checkout: Repository) -> None:
    """Compiled code fits only the Python and the C library that it was built for."""
    side, other = Side.parse(str(checkout.folder), "B"), Side.parse("falcon:alpine-py3.12", "A")
    wheel = checkout.folder / "falcon-9.0-py3-none-any.whl"
    with (
        mock.patch.object(sides, "wheel_in_image", return_value=wheel) as built,
        mock.patch.object(variants, "framework_from_wheel", side_effect=lambda framework, _: framework),
    ):
        candidate = side.candidate(other, Runtime.DOCKER, "default")
    assert (candidate.image and candidate.image.name, candidate.python) == ("alpine", "3.12")
    ((source, image, python), _) = built.call_args
    assert (source, image.name, python) == (checkout.folder, "alpine", "3.12")


CHECKED = cell("a+b", conformance=Conformance(passed=40, duration_s=1.0))


def _run_of_one_round(folder: Path) -> RunFolder:
    made = RunFolder.create(folder, run([CHECKED], rounds=1))
    made.add(window("a+b", 1, load()))
    return made


def test_a_finished_run_is_found_by_its_folder(tmp_path: Path) -> None:
    folder = _run_of_one_round(tmp_path)
    assert Side.parse(str(tmp_path), "B").run == folder


def test_a_finished_run_is_found_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    folder = _run_of_one_round(tmp_path / "20260102-loadtest-1")
    assert Side.parse("20260102-loadtest-1", "B").run == folder


def test_an_interrupted_run_is_refused_with_the_command_that_completes_it(tmp_path: Path) -> None:
    """It has a summary as well, of the rounds that it made."""
    made = run([CHECKED], rounds=2)
    folder = RunFolder.create(tmp_path, made)
    folder.add(window("a+b", 1, load()))
    folder.finish(LoadTest(made).summarise(folder.visits()))
    with pytest.raises(
        UsageError, match=r"B=.* is not a finished load test: it was interrupted\. Run: make loadtest RESUME="
    ):
        Side.parse(str(tmp_path), "B")


@pytest.mark.parametrize(
    ("made", "command"),
    [
        (compare_run([cell("a+b")], design=Design.DUET), "make compare"),
        (RunFolder(folder=ROOT / "tests" / "golden" / "startup").run(), "make startup"),
    ],
)
def test_only_a_load_test_is_compared_with_another(tmp_path: Path, made: Run, command: str) -> None:
    RunFolder.create(tmp_path, made)
    with pytest.raises(UsageError, match=f"A=.* was written by {command}: must be a finished load test or a stack"):
        Side.parse(str(tmp_path), "A")


def test_a_run_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"run\.json is not a valid run"):
        Side.parse(str(tmp_path), "A")


@pytest.mark.parametrize(("where", "needs"), [("falcon", False), ("falcon:slim", True), ("falcon:py3.13", False)])
def test_an_image_needs_docker(where: str, *, needs: bool) -> None:
    assert Side.parse(where, "A").needs_docker() is needs


def test_a_stack_against_itself_has_two_names() -> None:
    side = Side.parse("raw_wsgi", "A")
    assert [one.name for one in both_candidates(side, side, Runtime.PROCESS, "default")] == ["raw_wsgi", "raw_wsgi#2"]


def test_a_folder_like_those_under_frameworks_is_a_framework_on_the_other_sides_server(tmp_path: Path) -> None:
    folder = tmp_path / "raw_wsgi"
    folder.mkdir()
    for file in (FRAMEWORKS / "raw_wsgi").glob("*.*"):
        (folder / file.name).write_bytes(file.read_bytes())
    a, b = Side.parse("raw_wsgi+gunicorn-sync", "A"), Side.parse(str(folder), "B")
    ours, theirs = both_candidates(a, b, Runtime.PROCESS, "default")
    assert theirs.stack.framework.folder == folder
    assert theirs.stack.framework.name not in frameworks()
    assert theirs.stack.server == ours.stack.server


def test_a_python_is_found_by_its_version() -> None:
    side = Side.parse(f"raw_wsgi:py{PYTHON}", "A")
    assert side.candidate(side, Runtime.PROCESS, "default").interpreter is not None
    missing = Side.parse("raw_wsgi:py3.2", "A")
    with pytest.raises(UsageError, match=r"Python 3\.2 is not installed here"):
        missing.candidate(missing, Runtime.PROCESS, "default")


def test_an_image_has_the_python_that_a_side_names() -> None:
    side = Side.parse("falcon+granian@pypy3.11", "A")
    assert side.candidate(side, Runtime.DOCKER, "default").python == "pypy3.11"


def test_several_servers_are_refused() -> None:
    side = Side.parse("falcon", "A")
    with pytest.raises(UsageError, match="A=falcon selects 7 stacks"):
        side.candidate(side, Runtime.PROCESS, "all")


def test_a_checkout_of_an_unknown_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "left-pad"\n')
    side = Side.parse(str(tmp_path), "B")
    with pytest.raises(UsageError, match="holds left-pad, which is not a framework here"):
        side.candidate(Side.parse("falcon", "A"), Runtime.PROCESS, "default")
