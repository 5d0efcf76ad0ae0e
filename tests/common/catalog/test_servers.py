"""What is compared differs in one thing only, so every server is set up by the same policy."""

import shlex

import pytest
from packaging.requirements import Requirement

from common.catalog.frameworks import Framework, Interface, frameworks, locked_version
from common.catalog.servers import GRACE_S, KEEP_ALIVE_S, SERVERS, Server, command
from common.catalog.stacks import Stack, compatible

KNOWN = frameworks()
STACKS = [Stack(framework=framework, server=server) for framework in KNOWN.values() for server in compatible(framework)]
NAMES = [stack.name for stack in STACKS]
COMMON = [stack for stack in STACKS if stack.framework.interface is not Interface.NATIVE]


def line(stack: Stack, *, workers: int = 3) -> str:
    """The stack's command line as one text."""
    return shlex.join(command(stack.framework, stack.server, host="127.0.0.9", port=4567, workers=workers))


@pytest.mark.parametrize("stack", STACKS, ids=NAMES)
def test_a_command_line_is_filled_in_whole_and_names_where_it_serves(stack: Stack) -> None:
    assert "{" not in line(stack)
    assert "127.0.0.9" in line(stack)
    assert "4567" in line(stack)


@pytest.mark.parametrize("stack", COMMON, ids=lambda stack: stack.name)
def test_every_server_has_the_workers_asked_for_and_the_quiet_log(stack: Stack) -> None:
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
    """Gunicorn writes none unless it is told where."""
    silent = "--access-logfile" not in line(stack) if "gunicorn" in line(stack) else "--no-access-log" in line(stack)
    assert silent


@pytest.mark.parametrize("stack", COMMON, ids=lambda stack: stack.name)
def test_every_server_stops_in_the_same_time(stack: Stack) -> None:
    options = ("graceful-timeout", "timeout-graceful-shutdown", "workers-kill-timeout")
    assert sum(f"--{option}={GRACE_S}" in line(stack).split() for option in options) == 1


@pytest.mark.parametrize(
    ("server", "option"),
    [("gunicorn-gthread", "--threads=16"), ("granian", "--blocking-threads=16")],
)
def test_servers_with_threads_have_as_many_for_wsgi(server: str, option: str) -> None:
    assert option in line(Stack(framework=KNOWN["flask"], server=SERVERS[server])).split()


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_asgi_servers_run_the_same_event_loop_and_have_it_installed(server: str) -> None:
    assert "--loop=uvloop" in line(Stack(framework=KNOWN["fastapi"], server=SERVERS[server])).split()
    assert any(needed.startswith("uvloop==") for needed in SERVERS[server].needs(Interface.ASGI))


def test_a_wsgi_stack_carries_no_event_loop() -> None:
    assert not any(needed.startswith("uvloop") for needed in SERVERS["granian"].needs(Interface.WSGI))


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_a_server_pins_each_package_to_one_version(server: Server) -> None:
    for needed in server.requirements + server.loop_requirements:
        assert [specifier.operator for specifier in Requirement(needed).specifier] == ["=="], needed


def test_no_two_servers_pin_one_package_to_different_versions() -> None:
    pins = {needed for server in SERVERS.values() for needed in server.requirements + server.loop_requirements}
    assert len({Requirement(needed).name for needed in pins}) == len(pins)


@pytest.mark.parametrize("framework", KNOWN.values(), ids=KNOWN)
def test_every_lock_holds_the_servers_at_their_pins(framework: Framework) -> None:
    for server in compatible(framework):
        for needed in server.needs(framework.interface):
            name, _, version = needed.partition("==")
            assert locked_version(framework.lock.read_text(), name) == version
