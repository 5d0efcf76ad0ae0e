"""nginx answers from a static file in both runtimes, under the same limits as a stack."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from docker import DockerClient

from common.catalog.sizes import Size
from common.errors import FailedError
from common.runtimes import nginx
from common.runtimes.nginx import libraries, prepare_nginx, start_script
from tests.conftest import absent

CORES = sorted(os.sched_getaffinity(0))[:1]
LISTING = """\tlinux-vdso.so.1 (0x00007ffd)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f01)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)
"""


@pytest.fixture
def _nginx() -> None:
    if (why := nginx.why_no_nginx()) is not None:
        absent(why)


def test_libraries_are_those_that_ldd_finds_as_files() -> None:
    assert libraries(LISTING) == ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2")


def test_a_start_script_takes_the_port_and_the_workers_from_the_environment() -> None:
    script = start_script("/usr/sbin/nginx")
    assert re.findall(r"\$\w+", script) == ["$WORKERS", "$HOST", "$PORT"]
    assert "listen '$HOST':'$PORT';" in script


def test_without_nginx_the_reason_and_the_remedy_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert "apt-get install" in (nginx.why_no_nginx() or "")
    with pytest.raises(FailedError, match="nginx is not on this machine"):
        prepare_nginx(docker=False)


@pytest.mark.usefixtures("_nginx")
def test_a_process_answers_from_the_file_and_leaves_nothing_behind() -> None:
    with prepare_nginx(docker=False).serve(Size(), cores=CORES) as running:
        response = httpx.get(f"{running.url}/hello")
        assert (response.status_code, response.json()) == (200, "hello world")
        assert response.headers["content-type"] == "application/json"
        folder = Path(f"/proc/{_child(running.cpu_meter or '')}/cwd").resolve()
    assert not folder.exists()


@pytest.mark.usefixtures("_nginx")
def test_an_image_holds_only_nginx_and_answers_under_a_quota(engine: DockerClient) -> None:
    nginx_image = prepare_nginx(docker=True)
    assert prepare_nginx(docker=True).tag == nginx_image.tag
    assert sum(layer["Size"] for layer in engine.images.get(str(nginx_image.tag)).history()) < 50e6
    with nginx_image.serve(Size(vcpu=0.25), cores=CORES, inside=False) as running:
        assert httpx.get(f"{running.url}/hello").json() == "hello world"
        assert httpx.get(f"{running.url}/").status_code == 403


def _child(meter: str) -> str:
    supervisor = meter.partition(":")[2]
    return subprocess.run(["pgrep", "-P", supervisor], capture_output=True, text=True, check=True).stdout.split()[0]
