"""An addition counts only if it does its work: empty middlewares are called as often as there are any."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from common.catalog.frameworks import App, frameworks
from common.catalog.stacks import stacks
from common.conformance import additions
from common.conformance.additions import CALLS, REQUESTS, calls_a_request, conform_with_additions
from common.contract.extras import CALLED, EMPTY_MIDDLEWARES
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer

KNOWN = frameworks()
HAVING = [name for name, framework in KNOWN.items() if framework.has(App.EXTRAS)]


def _bare(name: str) -> Candidate:
    (stack,) = stacks(name, "default", KNOWN)
    return Candidate(stack=stack).serving(App.EXTRAS)


@pytest.mark.parametrize(("printed", "expected"), [(0, 0), (3, 3), (2, 3), (6, 3)])
def test_calls_are_counted_by_what_the_server_prints_for_each_request(
    printed: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [CALLED]  # of the suite's own requests
    monkeypatch.setattr(additions, "PATIENCE_S", 0.1)
    monkeypatch.setattr(additions, "fetch_body", lambda *_: lines.extend([CALLED] * printed))
    running = RunningServer(
        url="", client_prefix=(), cpu_meter=None, exit_reason=lambda: None, output=lambda: "\n".join(lines)
    )
    assert calls_a_request(running, expected=expected) == printed
    assert len(lines) == 1 + printed * REQUESTS


def test_every_default_framework_to_begin_with_has_additions() -> None:
    assert set(HAVING) >= {"raw_asgi", "raw_wsgi", "fastapi", "starlette", "flask", "falcon", "django"}


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("names", [(), *((name,) for name in EMPTY_MIDDLEWARES)])
@pytest.mark.parametrize("framework", HAVING)
def test_each_addition_does_its_work(framework: str, names: tuple[str, ...]) -> None:
    outcome = conform_with_additions(_bare(framework).serving(App.EXTRAS, names))
    assert outcome.failed == {}
    assert outcome.passed > 1


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("framework", HAVING)
def test_additions_that_are_not_made_are_found_out(framework: str, tmp_path: Path) -> None:
    idle = tmp_path / framework
    shutil.copytree(KNOWN[framework].folder, idle)
    text = (idle / "extras.py").read_text()
    assert "empty_middlewares()" in text
    (idle / "extras.py").write_text(text.replace("empty_middlewares()", "(empty_middlewares() - 1)"))
    bare = _bare(framework)
    lazy = replace(bare, stack=replace(bare.stack, framework=replace(bare.stack.framework, folder=idle)))
    outcome = conform_with_additions(lazy.serving(App.EXTRAS, ("middleware-3",)))
    assert outcome.failed == {CALLS: "GET /hello calls 2 empty middlewares; expected 3"}
