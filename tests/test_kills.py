"""A command that is killed leaves nothing once the next one has run, and loses nothing that was measured."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.host.ownership import owner_id
from common.host.run_lock import VARIABLE, hold_run_lock
from common.project import ROOT
from tests.kills.commands import filled_in
from tests.kills.leftovers import elsewhere, processes
from tests.kills.running import try_kills
from tests.support.waiting import wait_until

COUNT, COMMANDS = 6, 5
ITSELF_GUARDS_AND_SERVER = 1 + 2 + 2
SERVE = ("serve", "--framework=raw_wsgi", "--runtime=process", "--port={port}")


@pytest.mark.slow
def test_the_processes_of_a_command_are_seen_also_those_of_its_server(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    line = [sys.executable, "-m", "loadtests", *filled_in(SERVE, tmp_path)]
    with subprocess.Popen(line, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path / "tmp")}) as process:
        try:
            wait_until(lambda: len(list(processes(tmp_path))) >= ITSELF_GUARDS_AND_SERVER)
        finally:
            process.kill()
    wait_until(lambda: list(processes(tmp_path)) == [])


def test_what_is_left_elsewhere_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp" / "folder").mkdir(parents=True)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "run.lock"))
    with hold_run_lock("mine"):
        found = list(elsewhere(owner_id(os.getpid()), tmp_path))
    assert found == ["temporary file folder", "the run lock"]


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.timeout(900)
@pytest.mark.long
def test_kills_at_random_moments_leave_nothing_and_lose_nothing(tmp_path: Path) -> None:
    kills = try_kills(tmp_path, COUNT, seed=1, most_commands=COMMANDS)
    assert len(kills) == COUNT
    assert [str(one) for one in kills if one.problems] == []
    assert sum(not one.ended_before for one in kills) > COUNT / 2
