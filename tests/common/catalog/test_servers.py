"""Tests that every server is set up by the same policy, so that stacks differ only in what is compared."""

import shlex

import pytest
from packaging.requirements import Requirement

from common.catalog.frameworks import Framework, Interface, frameworks, locked_version
from common.catalog.servers import GRACE_S, KEEP_ALIVE_S, SERVERS, Server, command
from common.catalog.stacks import Stack, compatible
from common.contract import MAX_DELAY_MS

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


@pytest.mark.parametrize("stack", COMMON, ids=lambda stack: stack.name)
def test_every_server_runs_the_given_workers_and_logs_only_warnings(stack: Stack) -> None:
    assert " --workers=3 " in line(stack)
    assert " --log-level=warning " in line(stack)
    assert line(stack).endswith(f" {stack.framework.target}")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("gunicorn-gthread", f"--keep-alive={KEEP_ALIVE_S}"),
        ("gunicorn-gevent", f"--keep-alive={KEEP_ALIVE_S}"),
        ("uvicorn", f"--timeout-keep-alive={KEEP_ALIVE_S}"),
        ("granian", "--http1-keep-alive"),
    ],
)
def test_every_server_keeps_connections_alive(server: str, expected: str) -> None:
    assert expected in SERVERS[server].line.split()


@pytest.mark.parametrize("stack", COMMON, ids=lambda stack: stack.name)
def test_no_server_writes_an_access_log(stack: Stack) -> None:
    """Gunicorn writes one only if it is given a file."""
    silent = "--access-logfile" not in line(stack) if "gunicorn" in line(stack) else "--no-access-log" in line(stack)
    assert silent


@pytest.mark.parametrize("stack", COMMON, ids=lambda stack: stack.name)
def test_every_server_has_the_same_graceful_timeout(stack: Stack) -> None:
    options = ("graceful-timeout", "timeout-graceful-shutdown", "workers-kill-timeout")
    assert sum(f"--{option}={GRACE_S}" in line(stack).split() for option in options) == 1


@pytest.mark.parametrize("stack", [stack for stack in COMMON if "gunicorn" in stack.name], ids=lambda stack: stack.name)
def test_gunicorn_does_not_kill_a_worker_during_the_longest_sleep(stack: Stack) -> None:
    (timeout,) = [word for word in line(stack).split() if word.startswith("--timeout=")]
    assert int(timeout.removeprefix("--timeout=")) > MAX_DELAY_MS / 1000


@pytest.mark.parametrize(
    ("server", "option"),
    [("gunicorn-gthread", "--threads=16"), ("granian", "--blocking-threads=16")],
)
def test_servers_with_threads_run_the_same_number_for_wsgi(server: str, option: str) -> None:
    assert option in line(Stack(framework=KNOWN["flask"], server=SERVERS[server])).split()


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_asgi_servers_run_and_require_the_same_event_loop(server: str) -> None:
    assert "--loop=uvloop" in line(Stack(framework=KNOWN["fastapi"], server=SERVERS[server])).split()
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
