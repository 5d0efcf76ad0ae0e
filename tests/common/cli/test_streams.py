"""What a command does with closed or full streams, and in a locale without UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.project import ROOT

LIST = f"{sys.executable} -m loadtests list"


def _run(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    done = _run(f"{LIST} --format=json | head -c 9; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.endswith("0\n")
    assert done.stderr == ""


def test_an_output_without_room_is_one_line() -> None:
    done = _run(f"{LIST} > /dev/full")
    assert done.returncode == 1
    said = "error: the standard output cannot be used: No space left on device. Mend that, then run the command again."
    assert done.stderr == f"{said}\n"


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">&- 2>&-"])
def test_a_closed_stream_is_no_error(closing: str) -> None:
    assert _run(f"{LIST} {closing}").returncode == 0


def test_a_locale_without_utf8_changes_no_output(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    report = f"{sys.executable} -m loadtests report --runs=loadtests/published/hello-docker --out={out}"
    done = _run(report, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\N{MICRO SIGN}" in out.read_text(encoding="utf-8")


def test_a_file_system_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    mounted = f"mount -t tmpfs -o ro tmpfs {tmp_path}"
    if os.geteuid() or _run(f"unshare --mount sh -c '{mounted}'").returncode:
        pytest.skip("mounting a read-only file system needs root and unshare")
    line = f"{sys.executable} -m loadtests site --out={tmp_path}/site"
    done = _run(f"unshare --mount sh -c '{mounted} && {line}'")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Read-only file system" in done.stderr
