"""Tests that every server is set up by the same policy, so that stacks differ only in what is compared."""

import re
import shlex

import pytest
from packaging.requirements import Requirement

from common.catalog.frameworks import Framework, Interface, frameworks, locked_version
from common.catalog.servers import BACKLOG, GRACE_S, KEEP_ALIVE_S, SERVERS, Server, command
from common.catalog.stacks import Stack, compatible
from common.contract import MAX_DELAY_MS
from common.project import ROOT

KNOWN = frameworks()
STACKS = [Stack(framework=framework, server=server) for framework in KNOWN.values() for server in compatible(framework)]
NAMES = [stack.name for stack in STACKS]
COMMON = [stack for stack in STACKS if stack.framework.interface is not Interface.NATIVE]


def line(stack: Stack, *, workers: int = 3) -> str:
    """Return the stack's command line as one string."""
    return shlex.join(command(stack.framework, stack.server, host="127.0.0.9", port=4567, workers=workers))


@pytest.mark.parametrize("stack", STACKS, ids=NAMES)
def test_command_line_is_complete_and_names_host_and_port(stack: Stack) -> None:
    assert "{" not in line(stack)
    assert "127.0.0.9" in line(stack)
    assert "4567" in line(stack)


COMMON_NAMES = [stack.name for stack in COMMON]
WORKERS = {"uwsgi": "--processes=3"}
"""The option for three workers where it is not ``--workers=3``."""
KEEP_ALIVE = {
    "gunicorn-gthread": f"--keep-alive={KEEP_ALIVE_S}",
    "gunicorn-gevent": f"--keep-alive={KEEP_ALIVE_S}",
    "gunicorn-asgi": f"--keep-alive={KEEP_ALIVE_S}",
    "uvicorn-worker": f"--keep-alive={KEEP_ALIVE_S}",
    "uvicorn": f"--timeout-keep-alive={KEEP_ALIVE_S}",
    "uvicorn-h11": f"--timeout-keep-alive={KEEP_ALIVE_S}",
    "hypercorn": f"--keep-alive={KEEP_ALIVE_S}",
    "waitress": f"--channel-timeout={KEEP_ALIVE_S}",
    "cheroot": f"--timeout={KEEP_ALIVE_S}",
    "granian": "--http1-header-read-timeout=60000",
}
SILENCE = {
    "uvicorn": "--no-access-log",
    "uvicorn-h11": "--no-access-log",
    "granian": "--no-access-log",
    "uwsgi": "--disable-logging",
    "daphne": "--verbosity=0",
}
"""The option against an access log; the other servers write one only if they are given a file, or have none."""
QUIET = {"waitress", "cheroot", "uwsgi", "daphne"}
"""Servers without a log level: with what is set, they log errors only."""
GRACE = {
    "uvicorn": "--timeout-graceful-shutdown",
    "uvicorn-h11": "--timeout-graceful-shutdown",
    "granian": "--workers-kill-timeout",
    "cheroot": "--shutdown-timeout",
    "uwsgi": "--worker-reload-mercy",
}
"""The option for the graceful timeout where it is not ``--graceful-timeout``."""
WITHOUT_GRACE = {"waitress", "daphne"}


@pytest.mark.parametrize("stack", COMMON, ids=COMMON_NAMES)
def test_every_server_runs_the_given_workers_if_it_can_run_several(stack: Stack) -> None:
    option = WORKERS.get(stack.server.name, "--workers=3")
    assert (option in line(stack).split()) == stack.server.processes


@pytest.mark.parametrize("stack", COMMON, ids=COMMON_NAMES)
def test_every_server_serves_the_target_and_logs_only_warnings(stack: Stack) -> None:
    assert ("--log-level=warning" in line(stack).split()) == (stack.server.name not in QUIET)
    assert line(stack).endswith(stack.framework.target)


@pytest.mark.parametrize(
    "server", [one for one in SERVERS.values() if one.keep_alive and one.line], ids=lambda one: one.name
)
def test_every_server_that_keeps_connections_does_so_equally_long(server: Server) -> None:
    if server.name == "daphne":  # it never closes an idle connection
        assert "timeout" not in server.line
    else:
        assert KEEP_ALIVE[server.name] in server.line.split()


@pytest.mark.parametrize(
    ("server", "option"),
    [
        ("cheroot", f"--request-queue-size={BACKLOG}"),
        ("hypercorn", f"--backlog={BACKLOG}"),
        ("daphne", f"--endpoint=tcp:4567:interface=127.0.0.9:backlog={BACKLOG}"),
    ],
)
def test_servers_with_a_short_queue_of_new_connections_get_that_of_gunicorn(server: str, option: str) -> None:
    stack = next(stack for stack in COMMON if stack.server.name == server)
    assert option in line(stack).split()


@pytest.mark.parametrize("stack", COMMON, ids=COMMON_NAMES)
def test_no_server_writes_an_access_log(stack: Stack) -> None:
    words = line(stack).split()
    option = SILENCE.get(stack.server.name)
    assert option in words if option else not any(word.startswith("--access-log") for word in words)


@pytest.mark.parametrize("stack", COMMON, ids=COMMON_NAMES)
def test_every_server_that_has_a_graceful_timeout_has_the_same(stack: Stack) -> None:
    option = GRACE.get(stack.server.name, "--graceful-timeout")
    assert (f"{option}={GRACE_S}" in line(stack).split()) == (stack.server.name not in WITHOUT_GRACE)


@pytest.mark.parametrize(
    "stack", [stack for stack in COMMON if line(stack).startswith("gunicorn ")], ids=lambda stack: stack.name
)
def test_gunicorn_does_not_kill_a_worker_during_the_longest_sleep(stack: Stack) -> None:
    (timeout,) = [word for word in line(stack).split() if word.startswith("--timeout=")]
    assert int(timeout.removeprefix("--timeout=")) > MAX_DELAY_MS / 1000


@pytest.mark.parametrize(
    ("server", "option"),
    [
        ("gunicorn-gthread", "--threads=16"),
        ("granian", "--blocking-threads=16"),
        ("waitress", "--threads=16"),
        ("cheroot", "--max-threads=16"),
        ("uwsgi", "--threads=16"),
    ],
)
def test_servers_with_threads_run_the_same_number_for_wsgi(server: str, option: str) -> None:
    assert option in line(Stack(framework=KNOWN["flask"], server=SERVERS[server])).split()


@pytest.mark.parametrize(
    ("server", "option"),
    [
        ("uvicorn", "--loop=uvloop"),
        ("granian", "--loop=uvloop"),
        ("gunicorn-asgi", "--asgi-loop=uvloop"),
        ("hypercorn", "--worker-class=uvloop"),
        ("uvicorn-worker", "--worker-class=uvicorn_worker.UvicornWorker"),  # it takes uvloop where that is installed
    ],
)
def test_asgi_servers_run_and_require_the_same_event_loop(server: str, option: str) -> None:
    assert option in line(Stack(framework=KNOWN["fastapi"], server=SERVERS[server])).split()
    assert any(needed.startswith("uvloop==") for needed in SERVERS[server].needs(Interface.ASGI))


def test_wsgi_stack_requires_no_event_loop() -> None:
    assert not any(needed.startswith("uvloop") for needed in SERVERS["granian"].needs(Interface.WSGI))


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_every_server_pins_its_packages_to_one_version(server: Server) -> None:
    for needed in server.requirements + server.loop_requirements:
        assert [specifier.operator for specifier in Requirement(needed).specifier] == ["=="], needed


def test_no_two_servers_pin_a_package_to_different_versions() -> None:
    pins = {needed for server in SERVERS.values() for needed in server.requirements + server.loop_requirements}
    assert len({Requirement(needed).name for needed in pins}) == len(pins)


@pytest.mark.parametrize("framework", KNOWN.values(), ids=KNOWN)
def test_every_lock_contains_the_servers_at_their_pinned_versions(framework: Framework) -> None:
    for server in compatible(framework):
        for needed in server.needs(framework.interface):
            name, _, version = needed.partition("==")
            assert locked_version(framework.lock.read_text(), name) == version


def test_page_about_servers_says_which_frameworks_run_one_process_on_their_own() -> None:
    page = (ROOT / "docs" / "servers.md").read_text().partition("## Servers of frameworks")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (1 at any size|1, set per vCPU) \|", page, re.MULTILINE))
    assert set(rows.values()) == {"1 at any size", "1, set per vCPU"}
    for name, words in rows.items():
        stack = Stack(framework=KNOWN[name], server=SERVERS["native"])
        assert words == ("1, set per vCPU" if stack.processes else "1 at any size"), name


def test_page_about_servers_has_a_row_for_each() -> None:
    page = (ROOT / "docs" / "servers.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([A-Z, ]+) \|", page, re.MULTILINE)
    assert {name: words.lower().split(", ") for name, words in rows} == {
        server.name: [one for one in Interface if one in server.interfaces]
        for server in SERVERS.values()
        if server.line
    }
