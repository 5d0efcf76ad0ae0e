"""The process runtime takes no quota, and says what a server has printed that does not come up."""

import dataclasses
import sys
from pathlib import Path

import pytest

from common.catalog.frameworks import App
from common.catalog.sizes import Size
from common.errors import FailedError, UsageError
from common.host import readiness
from common.runtimes import process
from common.runtimes.process import refuse_quota, started
from common.runtimes.running_server import once_ready
from tests.support.toy_stacks import toy_stack
from tests.support.waiting import wait_until

WAITING = """\
import pathlib, time
print("waiting for the database", flush=True)
pathlib.Path("printed").touch()
time.sleep(60)
"""

SERVICE = """\
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.BaseHTTPRequestHandler).serve_forever()
"""
"""A server that answers every request with 501, as one without ``/hello`` does."""


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (Size(vcpu=0.5), "VCPU=0.5 needs RUNTIME=docker; RUNTIME=process takes whole vCPUs only."),
        (Size(vcpu=1.5), "VCPU=1.5 needs RUNTIME=docker; RUNTIME=process takes whole vCPUs only."),
    ],
)
def test_a_quota_is_refused_by_the_variable_that_asks_for_it(size: Size, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        refuse_quota(size)
    assert str(refusal.value) == message


def test_whole_vcpus_are_no_quota() -> None:
    refuse_quota(Size(vcpu=2))


def test_a_server_that_does_not_answer_is_reported_with_the_end_of_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = toy_stack(tmp_path, "waiting", app=WAITING)

    def responds(_: str) -> bool:
        wait_until((stack.framework.folder / "printed").exists)
        return False

    monkeypatch.setattr(readiness, "READY_DEADLINE_S", 0.0)
    monkeypatch.setattr(process, "responds", responds)
    monkeypatch.setattr(process, "environment", lambda *_: Path(sys.prefix))
    with (
        pytest.raises(FailedError, match=r"^waiting\+native was not .* output: waiting for the database$"),
        once_ready(started(stack, Size(), cores=[0])),
    ):
        pytest.fail("served a stack that does not answer")


def test_the_module_of_the_service_is_started_and_is_ready_once_it_answers_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = toy_stack(tmp_path, "toy", app="raise SystemExit('the wrong module')")
    framework = dataclasses.replace(toy.framework, command="python3 {module}.py {port}")
    (framework.folder / "service.py").write_text(SERVICE)
    monkeypatch.setattr(process, "environment", lambda *_: Path(sys.prefix))
    stack = dataclasses.replace(toy, framework=framework)
    with once_ready(started(stack, Size(), cores=[0], app=App.SERVICE)) as running:
        assert running.exit_reason() is None
