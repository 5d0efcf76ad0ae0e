"""A function belongs to whoever installed its file."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.catalog.frameworks import frameworks
from common.catalog.servers import SERVERS
from common.catalog.stacks import Stack
from loadtests.profiles.owners import CallStack, Frame, Owner, Owners


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with a server that needs two packages, one of them only as an extra, and a framework."""
    packages = tmp_path / "environment" / "lib" / "python3.11" / "site-packages"
    for name, requires, files in (
        ("Gunicorn", "packaging>=1", "gunicorn/app.py"),
        ("packaging", 'h2; extra == "fast"', "packaging.py"),
        ("h2", "", "h2/__init__.py"),
        ("Falcon", "", "falcon/app.py"),
        ("psycopg", 'packaging>=1\nRequires-Dist: psycopg-pool; extra == "pool"', "psycopg/cursor.py"),
        ("psycopg-pool", "", "psycopg_pool/pool.py"),
    ):
        (packages / files).parent.mkdir(parents=True, exist_ok=True)
        (packages / files).touch()  # from Python 3.12 on, metadata leaves out files that do not exist
        metadata = packages / f"{name.lower()}-1.0.dist-info"
        metadata.mkdir(parents=True)
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
        (metadata / "RECORD").write_text(f"{files},,\n../../../bin/{name},,\n{metadata.name}/METADATA,,\n")
    return tmp_path / "environment"


@pytest.fixture
def owners(environment: Path) -> Owners:
    """The owners in that environment, under Gunicorn."""
    return Owners.of_stack(Stack(framework=frameworks()["falcon"], server=SERVERS["gunicorn-gthread"]), environment)


def test_what_the_server_needs_is_the_servers(owners: Owners, tmp_path: Path) -> None:
    def owner(file: str) -> Owner:
        return owners.owner(Frame("f", str(owners.packages / file), 1))

    assert owner("gunicorn/app.py") is Owner.SERVER
    assert owner("packaging.py") is Owner.SERVER
    assert owner("h2/__init__.py") is Owner.FRAMEWORK
    assert owner("falcon/app.py") is Owner.FRAMEWORK
    assert owners.owner(Frame("f", str(owners.app[0] / "app.py"), 1)) is Owner.APP
    assert owners.owner(Frame("f", "/usr/lib/python3.11/json/__init__.py", 1)) is Owner.INTERPRETER
    assert owners.owner(Frame("f", "<frozen importlib._bootstrap>", 1)) is Owner.INTERPRETER
    assert tmp_path in owners.packages.parents


def test_of_an_app_with_a_database_its_driver_is_told_from_the_framework(environment: Path) -> None:
    falcon = replace(frameworks()["falcon"], drivers=("psycopg[pool]>=3",))
    stack = Stack(framework=falcon, server=SERVERS["gunicorn-gthread"], drivers=True)
    with_driver = Owners.of_stack(stack, environment)
    without = Owners.of_stack(replace(stack, drivers=False), environment)

    def owner(owners: Owners, file: str) -> Owner:
        return owners.owner(Frame("f", str(owners.packages / file), 1))

    files = ["psycopg/cursor.py", "psycopg_pool/pool.py", "packaging.py", "falcon/app.py"]
    assert [owner(with_driver, file) for file in files] == [Owner.DRIVER, Owner.DRIVER, Owner.SERVER, Owner.FRAMEWORK]
    assert [owner(without, file) for file in files] == [Owner.FRAMEWORK, Owner.FRAMEWORK, Owner.SERVER, Owner.FRAMEWORK]
    assert Owner.DRIVER in with_driver.shares([])
    assert Owner.DRIVER not in without.shares([])


def test_shares_are_those_of_the_innermost_functions(owners: Owners) -> None:
    server = Frame("run", str(owners.packages / "gunicorn/app.py"), 1)
    app = Frame("hello", str(owners.app[0] / "app.py"), 1)
    shares = owners.shares([CallStack((server,), 3), CallStack((server, app), 1)])
    assert shares == {Owner.SERVER: 0.75, Owner.FRAMEWORK: 0.0, Owner.APP: 0.25, Owner.INTERPRETER: 0.0}
    assert set(owners.shares([]).values()) == {0.0}


def test_places_do_not_tell_where_the_project_is(owners: Owners) -> None:
    assert owners.place(Frame("f", str(owners.packages / "falcon/app.py"), 7)) == "falcon/app.py:7"
    assert owners.place(Frame("f", "/home/somebody/secret/thing.py", 7)) == "thing.py:7"
