"""A command is run to its end, and its CPU time is written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.windows.by_wrk import TIMED


@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_status_and_the_cpu_time_of_a_command_are_written(status: int, tmp_path: Path) -> None:
    file = tmp_path / "timed.json"
    burn = f"import time\nwhile time.process_time() < 0.2: pass\nraise SystemExit({status})"
    line = [sys.executable, "-P", str(TIMED), str(file), sys.executable, "-c", burn]
    done = subprocess.run(line, cwd=tmp_path, check=False)
    written = json.loads(file.read_text())
    assert done.returncode == written["exit_status"] == status
    assert 0.2 <= written["cpu_s"] < 1
