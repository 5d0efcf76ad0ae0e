"""Containers of ours have no more rights than they need, and limits that stop them before the machine suffers."""

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docker import DockerClient

from common.catalog.stacks import DEFAULT_PYTHON, images
from common.engine.confinement import NOBODY, Confinement, confine, confine_guest
from common.engine.ownership import watched_containers

BASE = images()["slim"].base(DEFAULT_PYTHON)
MB = 1024**2

THREADS = """
import threading
started = 0
stop = threading.Event()
try:
    for _ in range(200):
        threading.Thread(target=stop.wait).start()
        started += 1
except RuntimeError:
    pass
stop.set()
print(started)
"""
RIGHTS = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def may_write(path):
    try:
        open(path, "w").close()
    except OSError:
        return False
    return True
capabilities, new_privileges = int(status["CapBnd"], 16), status["NoNewPrivs"].strip()
print(json.dumps([os.getuid(), capabilities, new_privileges, may_write("/x"), may_write("/tmp/x")]))
"""


@contextmanager
def _confined(engine: DockerClient, options: dict[str, Any], code: str) -> Iterator[str]:
    """Run code in a container and yield what it prints."""
    with watched_containers() as labels:
        container = engine.containers.create(BASE, ["python3", "-c", code], labels=labels, **options)
        try:
            container.start()
            container.wait(timeout=30)
            yield container.logs().decode().strip()
        finally:
            container.remove(force=True, v=True)


def test_number_of_threads_is_limited(engine: DockerClient) -> None:
    small = dataclasses.replace(confine(), pids=50)
    with _confined(engine, small.options(), THREADS) as output:
        assert int(output) == 49


def test_container_has_no_rights_that_it_does_not_need(engine: DockerClient) -> None:
    with _confined(engine, confine(user=NOBODY).options(), RIGHTS) as output:
        assert json.loads(output) == [65534, 0, "1", False, True]


def test_memory_is_limited_to_half_of_the_machine_unless_a_limit_is_chosen() -> None:
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert (confine().memory_bytes, confine().memory_chosen) == (machine_bytes // 2, False)
    assert (confine(64 * MB).memory_bytes, confine(64 * MB).memory_chosen) == (64 * MB, True)


def test_guest_has_the_rights_that_docker_run_gives() -> None:
    options = confine_guest(64 * MB).options()
    assert (options["read_only"], options["tmpfs"], options["security_opt"]) == (False, {}, [])
    assert "SETUID" in options["cap_add"]
    assert (options["mem_limit"], options["pids_limit"]) == (64 * MB, 4096)


def test_record_of_a_confinement_is_plain_data() -> None:
    confinement = confine(64 * MB, user=NOBODY)
    fields = json.loads(json.dumps(dataclasses.asdict(confinement)))
    assert Confinement(**fields | {"writable": ("/tmp",), "capabilities": ()}) == confinement  # noqa: S108
