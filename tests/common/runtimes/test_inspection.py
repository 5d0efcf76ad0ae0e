"""What a server's interpreters say of themselves, and what its output says of them."""

import sys
from pathlib import Path

import pytest

from common.records.run import WorkerState
from common.runtimes.inspection import modules_that_enable_the_gil, worker_states

WARNING = """\
<frozen importlib._bootstrap>:491: RuntimeWarning: The global interpreter lock (GIL) has been enabled to load module \
'httptools.parser.parser', which has not declared that it can run safely without the GIL. To override this behavior \
and keep the GIL disabled (at your own risk), run with PYTHON_GIL=0 or -Xgil=0.
"""


def _python_that_prints(tmp_path: Path, printed: bytes) -> list[str]:
    """Return the command line of a program that keeps its arguments in a file and prints this."""
    (tmp_path / "printed").write_bytes(printed)
    return ["sh", "-c", f'printf "%s\\n" "$@" > {tmp_path}/arguments; cat {tmp_path}/printed', "python"]


def test_states_are_read_as_they_are_printed(tmp_path: Path) -> None:
    python = _python_that_prints(tmp_path, b'[{"gil": false, "jit": false}, {"gil": true, "jit": false}]')
    assert worker_states(python, [12, 13]) == [WorkerState(gil=False, jit=False), WorkerState(gil=True, jit=False)]
    assert (tmp_path / "arguments").read_text().splitlines()[-2:] == ["12", "13"]


@pytest.mark.parametrize("printed", [b"", b"OCI runtime exec failed", b"{}"])
def test_a_server_that_cannot_be_asked_has_no_states(tmp_path: Path, printed: bytes) -> None:
    assert worker_states(_python_that_prints(tmp_path, printed)) == []


def test_a_python_that_is_gone_or_hangs_has_no_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.runtimes.inspection.TIMEOUT_S", 0.1)
    assert worker_states(["/no/such/python"]) == []
    assert worker_states([sys.executable, "-c", "import time; time.sleep(5)"]) == []


@pytest.mark.skipif(hasattr(sys, "remote_exec"), reason="this Python can ask others")
def test_a_python_that_cannot_ask_others_asks_none() -> None:
    assert worker_states([sys.executable], [1]) == []


def test_each_module_that_switches_the_gil_on_is_named_once() -> None:
    other = WARNING.replace("httptools.parser.parser", "uvloop.loop")
    assert modules_that_enable_the_gil(f"started\n{WARNING}{WARNING}{other}") == [
        "httptools.parser.parser",
        "uvloop.loop",
    ]
    assert modules_that_enable_the_gil("started\n") == []
