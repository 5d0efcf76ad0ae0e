"""Tests that locks contain hashes and no addresses, are recognised as stale, and can be cut to what one stack needs."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from common.catalog.frameworks import Framework, frameworks, locked_version
from common.catalog.pythons import DEFAULT_PYTHON
from common.catalog.servers import SERVERS
from common.catalog.sizes import Runtime
from common.catalog.stacks import Stack, compatible, stacks
from common.errors import FailedError, UsageError
from common.packages.indexes import run_uv, uv_environment
from common.packages.locks import lock, read_lock, requirements, stack_requirements, subset, why_stale
from common.project import ROOT
from tests.support.toy_index import toy_index
from tests.support.toy_packages import native, only_wheels, write_framework, write_wheel

KNOWN = frameworks()
STACKS = {
    stack.name: stack
    for framework, server in (("flask_restful,fastapi,litestar", "all"), ("aiohttp,raw_wsgi", "default"))
    for stack in stacks(framework, server, KNOWN)
}
TOY_LOCK = """\
base==1 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via
    #   framework
    #   server-b
framework==2 ; python_version < '4' \\
    --hash=sha256:bb
left-loop==1 \\
    --hash=sha256:cc
    # via right-loop
right-loop==1 \\
    --hash=sha256:dd
    # via
    #   left-loop
    #   server-b
server-a==3 \\
    --hash=sha256:ee
server-b==4 \\
    --hash=sha256:ff
"""


def names(lock_text: str) -> set[str]:
    """Return the packages that a lock pins, with their versions."""
    return set(re.findall(r"^[^\s#;\\]+", lock_text, re.MULTILINE))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Framework:
    """A framework that requires ``toy``, which requires ``base``; neither is on any index."""
    wheels = only_wheels(tmp_path, monkeypatch)
    write_wheel(wheels, "toy", "1.0", "base>=1")
    write_wheel(wheels, "base", "1.0")
    return write_framework(tmp_path / "frameworks" / "toy", "toy>=1")


@pytest.mark.parametrize(
    ("roots", "expected"),
    [
        (["framework>=2", "server-a==3"], {"base==1", "framework==2", "server-a==3"}),
        (["Server_B==4"], {"base==1", "left-loop==1", "right-loop==1", "server-b==4"}),
        (["base"], {"base==1"}),
        ([], set()),
    ],
)
def test_subset_contains_the_roots_and_all_their_dependencies(roots: list[str], expected: set[str]) -> None:
    assert names(subset(TOY_LOCK, roots)) == expected


def test_subset_leaves_blocks_unchanged() -> None:
    assert subset(TOY_LOCK, ["framework"]) == TOY_LOCK[: TOY_LOCK.index("left-loop==1")]
    assert subset(TOY_LOCK, ["framework", "server-a", "server-b"]) == TOY_LOCK


def test_root_that_is_not_locked_is_an_error() -> None:
    with pytest.raises(UsageError, match="server-c is not in the lock"):
        subset(TOY_LOCK, ["server-c==1"])


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_subset_is_what_uv_resolves_for_the_stack(stack: Stack) -> None:
    roots = "\n".join((*stack.framework.dependencies, *stack.server.needs(stack.framework.interface)))
    arguments = ("--universal", "--python-version=3.11", "--quiet", "--no-header", "--no-annotate")
    uv = [sys.executable, "-m", "uv", "pip", "compile", "-", f"--constraints={stack.framework.lock}", *arguments]
    resolved = subprocess.run(uv, input=roots, capture_output=True, text=True, check=True, env=uv_environment()).stdout
    assert names(stack_requirements(stack)) == names(resolved)


@pytest.mark.parametrize("framework", KNOWN.values(), ids=KNOWN)
def test_committed_lock_is_up_to_date(framework: Framework) -> None:
    assert why_stale(framework) is None


@pytest.mark.parametrize("framework", KNOWN.values(), ids=KNOWN)
def test_committed_locks_have_hashes_and_no_address(framework: Framework) -> None:
    for file in (framework.lock, *([framework.orders_lock] if framework.drivers else [])):
        text = file.read_text()
        blocks = re.split(r"^(?=[^\s#])", text, flags=re.MULTILINE)[1:]
        assert len(blocks) == len(names(text)) > 0
        assert all("--hash=sha256:" in block for block in blocks)
        assert not re.search(r"//|index|file:|find-links", text)


def test_page_about_the_method_names_the_versions_of_django_that_are_locked() -> None:
    page = " ".join((ROOT / "docs" / "method.md").read_text().split())
    measured = re.search(
        r"Django is therefore measured as (\S+),.* lock of Django-Bolt, .* holds Django (\S+)\. ", page
    )
    versions = [locked_version(KNOWN[name].lock.read_text(), "django") or "" for name in ("django", "django_bolt")]
    assert measured is not None
    assert [version.rpartition(".")[0] for version in versions] == list(measured.groups())


def test_lock_pins_the_framework_and_every_server_that_can_serve_it() -> None:
    required = requirements(KNOWN["flask"])
    assert set(KNOWN["flask"].dependencies) < set(required)
    assert {"gunicorn", "gevent", "granian"} <= {needed.partition("==")[0] for needed in required}


def test_new_lock_is_not_stale(toy: Framework) -> None:
    assert why_stale(toy) == "requirements.lock of toy is missing. Run make lock FRAMEWORK=toy."
    assert lock(toy) == toy.lock
    assert names(toy.lock.read_text()) == {"base==1.0", "toy==1.0"}
    assert why_stale(toy) is None
    assert toy.version == "1.0"


def test_missing_lock_is_named_with_the_command_that_writes_it(toy: Framework) -> None:
    with pytest.raises(UsageError, match=r"^requirements\.lock of toy is missing\. Run make lock FRAMEWORK=toy\.$"):
        read_lock(toy)


def test_locking_again_keeps_versions_unless_an_upgrade_is_requested(toy: Framework, tmp_path: Path) -> None:
    before = lock(toy).read_text()
    write_wheel(tmp_path / "wheels", "base", "2.0")
    assert lock(toy).read_text() == before
    assert names(lock(toy, upgrade=True).read_text()) == {"base==2.0", "toy==1.0"}


@pytest.fixture
def ordering(toy: Framework, tmp_path: Path) -> Framework:
    """The same framework with a driver that requires ``base`` as well."""
    write_wheel(tmp_path / "wheels", "driver", "1.0", "base>=1")
    return replace(toy, drivers=("driver>=1",))


def test_drivers_are_locked_beside_what_the_other_apps_have(ordering: Framework) -> None:
    text = lock(ordering).read_text()
    assert names(text) == {"base==1.0", "toy==1.0"}
    assert names(ordering.orders_lock.read_text()) == {"base==1.0", "driver==1.0", "toy==1.0"}
    assert why_stale(ordering) is None
    assert names(stack_requirements(native(ordering))) == {"base==1.0", "toy==1.0"}
    with_drivers = replace(native(ordering), drivers=True)
    assert names(stack_requirements(with_drivers)) == {"base==1.0", "driver==1.0", "toy==1.0"}


def test_drivers_keep_their_versions_unless_an_upgrade_is_requested(ordering: Framework, tmp_path: Path) -> None:
    lock(ordering)
    before = ordering.orders_lock.read_text()
    write_wheel(tmp_path / "wheels", "driver", "2.0", "base>=1")
    write_wheel(tmp_path / "wheels", "base", "2.0")
    lock(ordering)
    assert ordering.orders_lock.read_text() == before
    lock(ordering, upgrade=True)
    assert names(ordering.orders_lock.read_text()) == {"base==2.0", "driver==2.0", "toy==1.0"}


def test_lock_without_a_driver_or_behind_the_other_is_stale(ordering: Framework, tmp_path: Path) -> None:
    lock(replace(ordering, drivers=()))
    assert (
        why_stale(ordering)
        == "orders.lock of toy lacks driver, but driver>=1 is required. Run make lock FRAMEWORK=toy."
    )
    lock(ordering)
    write_wheel(tmp_path / "wheels", "base", "2.0")
    lock(replace(ordering, drivers=()), upgrade=True)
    assert why_stale(ordering) == "orders.lock of toy lacks base==2.0. Run make lock FRAMEWORK=toy."
    lock(ordering)
    assert why_stale(ordering) is None


COMPILED = "toy-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"


def test_of_a_pure_package_only_wheels_without_compiled_code_are_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with toy_index(tmp_path, monkeypatch) as index:
        pure, other = write_wheel(index, "toy", "1.0", "base>=1"), write_wheel(index, "base", "1.0")
        (index / COMPILED).write_bytes(pure.read_bytes() + b"compiled")
        toy = write_framework(tmp_path / "frameworks" / "toy", "toy>=1")
        both = lock(toy).read_text()
        assert both.count("--hash") == 3
        text = lock(replace(toy, pure_python=("toy",))).read_text()
    assert names(text) == names(both)
    hashes = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (other, pure)]
    assert re.findall(r"--hash=sha256:(\S+)", text) == hashes


def test_a_pure_package_without_such_a_wheel_fails_and_keeps_the_old_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with toy_index(tmp_path, monkeypatch) as index:
        write_wheel(index, "toy", "1.0").rename(index / COMPILED)
        toy = write_framework(tmp_path / "frameworks" / "toy", "toy>=1")
        before = lock(toy).read_text()
        with pytest.raises(FailedError, match=r"toy 1\.0 has no wheel without compiled code"):
            lock(replace(toy, pure_python=("toy",)))
    assert toy.lock.read_text() == before


def test_falcon_without_cython_is_falcon_but_for_its_wheel() -> None:
    compiled, pure = KNOWN["falcon"].lock.read_text(), KNOWN["falcon_pure"].lock.read_text()
    assert names(pure) == names(compiled)
    assert subset(pure, ["falcon"]).count("--hash") == 1 < subset(compiled, ["falcon"]).count("--hash")
    assert (KNOWN["falcon_pure"].folder / "app.py").read_text() == (KNOWN["falcon"].folder / "app.py").read_text()


@pytest.mark.parametrize(
    ("dependencies", "reason"),
    [
        (("toy>=2",), "contains toy 1.0, but toy>=2 is required"),
        (("toy>=1", "base>=1", "extra"), "lacks extra, but extra is required"),
        (("base>=1",), "contains toy, which nothing requires"),
    ],
)
def test_lock_that_does_not_match_its_framework_is_stale_and_not_used(
    toy: Framework, dependencies: tuple[str, ...], reason: str
) -> None:
    lock(toy)
    changed = replace(toy, dependencies=dependencies)
    assert why_stale(changed) == f"requirements.lock of toy {reason}. Run make lock FRAMEWORK=toy."
    with pytest.raises(UsageError, match="Run make lock FRAMEWORK=toy"):
        stack_requirements(native(changed))


def test_changed_pin_of_a_server_makes_locks_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SERVERS, "granian", replace(SERVERS["granian"], requirements=("granian==0.1",)))
    assert "but granian==0.1 is required. Run make lock FRAMEWORK=flask." in (why_stale(KNOWN["flask"]) or "")


def test_lock_without_a_solution_fails_with_uvs_output_and_keeps_the_old_lock(toy: Framework) -> None:
    before = lock(toy).read_text()
    with pytest.raises(FailedError, match=r"(?s)lock of toy could not be created: uv exited with status 1.*toy>=9"):
        lock(replace(toy, dependencies=("toy>=9",)))
    assert toy.lock.read_text() == before


@pytest.mark.slow
@pytest.mark.parallel
def test_stacks_that_cannot_be_installed_on_alpine_are_those_that_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reason in ``unavailable`` goes out of date when somebody publishes a wheel."""
    monkeypatch.chdir(tmp_path)  # uv creates the target even where it installs nothing
    wrong: list[str] = []
    for framework in KNOWN.values():
        if {Runtime.PROCESS, Runtime.DOCKER} & set(framework.unavailable):
            continue
        known = [Stack(framework=framework, server=server) for server in compatible(framework)]
        possible = [stack for stack in known if stack.unavailable("alpine") is None]
        if possible and not _have_wheels_for_musl(possible):
            wrong.append(f"not all can be installed: {', '.join(stack.name for stack in possible)}")
        impossible = (stack for stack in known if stack not in possible)
        wrong.extend(f"can be installed: {stack.name}" for stack in impossible if _have_wheels_for_musl([stack]))
    assert wrong == []


def _have_wheels_for_musl(together: Sequence[Stack]) -> bool:
    """Return whether stacks of one framework can be installed together on musl, from wheels alone."""
    install = ("pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--only-binary=:all:", "--target=unused")
    platform = ("--python-platform=x86_64-unknown-linux-musl", f"--python-version={DEFAULT_PYTHON}")
    pinned = "".join(dict.fromkeys(stack_requirements(stack) for stack in together))
    try:
        run_uv(*install, *platform, "--requirements=-", stdin=pinned, what=together[0].name, local=False)
    except FailedError as error:
        if "no usable wheels" in str(error) or "musllinux" in str(error):
            return False
        raise
    return True
