"""Tests that a framework at another version or from a wheel gets its own folder and lock, created once."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from packaging.specifiers import SpecifierSet

from common.catalog.frameworks import Framework, Interface
from common.catalog.servers import SERVERS, Server
from common.catalog.stacks import image_tag, images, stacks
from common.errors import FailedError, UsageError
from common.host.folders import make_folder
from common.packages import locks, variants
from common.packages.environments import environment
from common.packages.locks import lock, stack_requirements
from tests.support.toy_packages import native, only_wheels, write_framework, write_wheel


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Framework:
    """A framework locked at version 2.0 of its package."""
    wheels = only_wheels(tmp_path, monkeypatch)
    for version in ("1.0", "2.0"):
        write_wheel(wheels, "toy", version, "base")
    for version in ("1.0", "2.0"):
        write_wheel(wheels, "base", version)
    framework = write_framework(tmp_path / "frameworks" / "toy", "toy", "base<2")
    lock(framework)
    return framework


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of version 3.0 of the package, which no index has."""
    return write_wheel(make_folder(tmp_path / "dist"), "toy", "3.0", "base")


def test_other_version_is_locked_and_other_packages_keep_theirs(toy: Framework, tmp_path: Path) -> None:
    variant = variants.framework_at_version(toy, "1.0", root=tmp_path / "variants")
    assert (variant.version, toy.version) == ("1.0", "2.0")
    assert "base==1.0" in variant.lock.read_text()
    assert variant.name != toy.name
    assert environment(native(variant), root=tmp_path / "environments").is_dir()


def test_variant_is_locked_once(toy: Framework, tmp_path: Path) -> None:
    first = variants.framework_at_version(toy, "1.0", root=tmp_path / "variants")
    with mock.patch.object(variants, "lock", side_effect=AssertionError):
        assert variants.framework_at_version(toy, "1.0", root=tmp_path / "variants") == first


def test_drivers_keep_their_versions_in_a_variant_which_is_locked_once(toy: Framework, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "driver", "1.0")
    ordering = replace(toy, drivers=("driver",))
    lock(ordering)
    write_wheel(tmp_path / "wheels", "driver", "2.0")
    variant = variants.framework_at_version(ordering, "1.0", root=tmp_path / "variants")
    text = variant.orders_lock.read_text()
    assert all(pin in text for pin in ("driver==1.0", "toy==1.0", "base==1.0"))
    assert "toy==2.0" in ordering.orders_lock.read_text()
    with mock.patch.object(variants, "lock", side_effect=AssertionError):
        assert variants.framework_at_version(ordering, "1.0", root=tmp_path / "variants") == variant


def test_version_that_does_not_exist_fails_with_uvs_output(toy: Framework, tmp_path: Path) -> None:
    with pytest.raises(FailedError, match=r"lock of toy-9\.9 could not be created.*toy==9\.9"):
        variants.framework_at_version(toy, "9.9", root=tmp_path / "variants")


@pytest.mark.parametrize("version", ["newest", "4.x", ">=4"])
def test_malformed_version_is_refused(toy: Framework, tmp_path: Path, version: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid toy@.*: must be a version such as 2\.0"):
        variants.framework_at_version(toy, version, root=tmp_path / "variants")


def test_name_with_a_version_is_a_framework_of_its_own(toy: Framework, tmp_path: Path) -> None:
    known = variants.with_named_variants("toy, TOY@1.0", {"toy": toy}, root=tmp_path / "variants")
    assert {name: framework.version for name, framework in known.items()} == {"toy": "2.0", "toy@1.0": "1.0"}
    assert known["toy@1.0"].name == "toy@1.0"
    assert [stack.name for stack in stacks("toy,TOY@1.0", "default", known)] == ["toy+native", "toy@1.0+native"]
    assert "/toy-1.0:" in image_tag(native(known["toy@1.0"]), images()["slim"])


def test_version_of_a_framework_without_a_lock_is_refused(toy: Framework, tmp_path: Path) -> None:
    toy.lock.unlink()
    with pytest.raises(UsageError, match=r"^requirements\.lock of toy is missing\. Run make lock FRAMEWORK=toy\.$"):
        variants.framework_at_version(toy, "1.0", root=tmp_path / "variants")


def test_unknown_name_with_a_version_is_refused_like_any_other(toy: Framework, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^FRAMEWORK=tox is unknown\. Did you mean toy\?"):
        variants.with_named_variants("tox@1.0", {"toy": toy}, root=tmp_path / "variants")


@pytest.fixture
def served(toy: Framework, tmp_path: Path) -> Iterator[Framework]:
    """The framework, and a server for it whose package is pinned at version 2.0."""
    for version in ("1.0", "2.0"):
        write_wheel(tmp_path / "wheels", "toyserve", version)
    server = Server(
        name="toyserve", interfaces=frozenset({Interface.NATIVE}), requirements=("toyserve==2.0",), line="toyserve"
    )
    with mock.patch.dict(SERVERS, {"toyserve": server}):
        lock(toy)
        yield toy


def test_server_at_another_version_is_a_stack_with_a_lock_of_its_own(served: Framework, tmp_path: Path) -> None:
    plain, other = variants.named_stacks("toy", "TOYSERVE@1.0,toyserve", {"toy": served}, root=tmp_path / "variants")
    assert (plain.name, other.name) == ("toy+toyserve", "toy+toyserve@1.0")
    assert plain.framework == served
    assert other.framework.lock.read_text().count("==") == 3
    for pin in ("toy==2.0", "base==1.0", "toyserve==1.0"):
        assert pin in other.framework.lock.read_text()
    assert environment(other, root=tmp_path / "environments").is_dir()
    assert image_tag(other, images()["slim"]).endswith("/toy:toyserve-1.0-slim-py3.13")


def test_server_variant_is_locked_once(served: Framework, tmp_path: Path) -> None:
    first = variants.named_stacks("toy", "toyserve@1.0", {"toy": served}, root=tmp_path / "variants")
    with mock.patch.object(variants, "lock", side_effect=AssertionError):
        assert variants.named_stacks("toy", "toyserve@1.0", {"toy": served}, root=tmp_path / "variants") == first


@pytest.mark.parametrize(
    ("version", "has_option"), [("23.0.0", False), ("25.0.3", False), ("25.1.0", True), ("27.0.0", True)]
)
def test_older_server_is_not_given_options_that_it_does_not_have(version: str, *, has_option: bool) -> None:
    server = variants.server_at_version(SERVERS["gunicorn-gevent"], version)
    assert (server.name, server.kind) == (f"gunicorn-gevent@{version}", "gunicorn-gevent")
    assert server.requirements[0] == f"gunicorn=={version}"
    assert server.requirements[1:] == SERVERS["gunicorn-gevent"].requirements[1:]
    assert ("--no-control-socket" in server.line.split()) is has_option


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gunicorn-sync@new", r"^invalid SERVER=gunicorn-sync@new: must be a version such as \d+\.\d+\.\d+\.$"),
        ("native@1.0", r"^SERVER=native@1\.0 is part of its framework"),
        ("gunicron-sync@1.0", r"^SERVER=gunicron-sync is unknown\. Did you mean gunicorn-sync\?"),
    ],
)
def test_server_version_that_cannot_be_had_is_named(toy: Framework, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        variants.named_stacks("toy", text, {"toy": toy})


def test_folder_of_ones_own_is_a_framework_and_gets_a_lock(toy: Framework, tmp_path: Path) -> None:
    own = write_framework(tmp_path / "elsewhere" / "my-app", "toy<2")
    known = variants.with_named_variants(f"toy,{own.folder}", {"toy": toy})
    (first, second) = stacks(f"toy,{own.folder}", "default", known)
    assert (first.name, second.name) == ("toy+native", "my-app-local+native")
    assert second.framework.version == "1.0"
    assert (first.framework.own_folder, second.framework.own_folder) == (None, own.folder)


@pytest.mark.usefixtures("toy")
def test_stale_lock_of_a_folder_of_ones_own_is_written_anew_once_it_is_needed(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / "my-app"
    write_framework(folder, "toy<2")
    variants.framework_from_folder(folder)
    write_framework(folder, "toy>=2")
    own = variants.framework_from_folder(folder)
    assert own.version == "1.0"
    assert "toy==2.0 " in stack_requirements(native(own))
    assert own.version == "2.0"
    with mock.patch.object(locks, "run_uv", side_effect=AssertionError):
        stack_requirements(native(variants.framework_from_folder(folder)))


def test_a_lock_that_cannot_be_written_is_named(toy: Framework) -> None:
    toy.lock.unlink()
    toy.lock.symlink_to("/proc/nowhere/requirements.lock")
    with pytest.raises(UsageError, match=r"requirements\.lock cannot be written: No such file or directory"):
        lock(toy)


@pytest.mark.parametrize("folder", ["{tmp_path}/nothing", "~nosuchuser/nothing"])
def test_folder_that_is_no_framework_is_refused(toy: Framework, tmp_path: Path, folder: str) -> None:
    with pytest.raises(UsageError, match=r"^FRAMEWORK=.*/nothing is not a framework: must be a folder with app\.py"):
        variants.with_named_variants(folder.format(tmp_path=tmp_path), {"toy": toy})


def test_a_wheel_is_installed_in_place_of_the_locked_version(toy: Framework, wheel: Path, tmp_path: Path) -> None:
    variant = variants.framework_from_wheel(toy, wheel, root=tmp_path / "variants")
    folder = environment(native(variant), root=tmp_path / "environments")
    assert list(folder.glob("lib/python*/site-packages/toy-3.0.dist-info"))
    assert "base==1.0" in variant.lock.read_text()
    assert (variants.wheel_in(variant), variants.wheel_in(toy)) == (wheel, None)


def test_a_wheel_may_have_a_local_version_as_commits_after_a_release_do(toy: Framework, tmp_path: Path) -> None:
    wheel = write_wheel(make_folder(tmp_path / "dist"), "toy", "3.0.dev1+g1a2b3c", "base")
    variant = variants.framework_from_wheel(toy, wheel, root=tmp_path / "variants")
    folder = environment(native(variant), root=tmp_path / "environments")
    assert list(folder.glob("lib/python*/site-packages/toy-3.0.dev1+g1a2b3c.dist-info"))
    assert variants.wheel_in(variant) == wheel


def test_a_compiled_wheel_is_refused_for_a_framework_that_is_measured_without(
    toy: Framework, wheel: Path, tmp_path: Path
) -> None:
    pure = replace(toy, pure_python=("toy",))
    assert variants.framework_from_wheel(pure, wheel, root=tmp_path / "variants").pure_python == ()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("toy/more.so", "")
    with pytest.raises(UsageError, match=r"holds compiled code, and toy is measured without\. Build it as pure Python"):
        variants.framework_from_wheel(pure, wheel, root=tmp_path / "variants")


def test_a_wheel_with_other_content_is_another_variant(toy: Framework, wheel: Path, tmp_path: Path) -> None:
    first = variants.framework_from_wheel(toy, wheel, root=tmp_path / "variants")
    with mock.patch.object(variants, "lock", side_effect=AssertionError):
        assert variants.framework_from_wheel(toy, wheel, root=tmp_path / "variants") == first
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("toy/more.py", "")
    assert variants.framework_from_wheel(toy, wheel, root=tmp_path / "variants").folder != first.folder


def test_a_wheel_may_have_the_version_to_which_the_framework_is_locked(toy: Framework, tmp_path: Path) -> None:
    """The lock must contain the hash of that wheel, not of the one on the index."""
    wheel = write_wheel(make_folder(tmp_path / "dist"), "toy", "2.0", "base", code="more = 1")
    variant = variants.framework_from_wheel(toy, wheel, root=tmp_path / "variants")
    folder = environment(native(variant), root=tmp_path / "environments")
    assert list(folder.glob("lib/python*/site-packages/toy-2.0.dist-info"))


def test_a_wheel_of_another_package_is_refused(toy: Framework, wheel: Path, tmp_path: Path) -> None:
    other = write_framework(tmp_path / "frameworks" / "other", "base")
    with pytest.raises(UsageError, match="contains the package toy, which is not that of other"):
        variants.framework_from_wheel(replace(other, distribution="base"), wheel, root=tmp_path / "variants")
    assert variants.is_framework_folder(toy.folder)
    assert not variants.is_framework_folder(wheel.parent)


def test_a_requirement_gives_the_newest_version_that_it_allows(toy: Framework, tmp_path: Path) -> None:
    def version(specifier: str) -> str | None:
        return variants.framework_within(toy, SpecifierSet(specifier), root=tmp_path / "variants").version

    assert [version(text) for text in ("<2", ">=1", "==1.0", "==1.*")] == ["1.0", "2.0", "1.0", "1.0"]
    with pytest.raises(FailedError, match=r"^A lock of toy<1 could not be created: .* toy<1"):
        version("<1")
    write_wheel(tmp_path / "wheels", "toy", "1.5", "base")
    assert version("<2") == "1.5"


def test_a_name_longer_than_file_systems_take_is_no_framework() -> None:
    assert not variants.is_framework_folder(Path("a/" * 3000))
