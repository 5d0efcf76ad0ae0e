"""What a server's interpreters say of themselves, and what its output says of them."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from common.records.run import WorkerState
from common.runtimes.inspection import modules_that_enable_the_gil, worker_states

WARNING = """\
<frozen importlib._bootstrap>:491: RuntimeWarning: The global interpreter lock (GIL) has been enabled to load module \
'httptools.parser.parser', which has not declared that it can run safely without the GIL. To override this behavior \
and keep the GIL disabled (at your own risk), run with PYTHON_GIL=0 or -Xgil=0.
"""


def test_states_are_read_as_they_are_printed() -> None:
    def run(arguments: Sequence[str]) -> bytes:
        assert arguments[-2:] == ["12", "13"]
        return b'[{"gil": false, "jit": false}, {"gil": true, "jit": false}]'

    assert worker_states(run, [12, 13]) == [WorkerState(gil=False, jit=False), WorkerState(gil=True, jit=False)]


@pytest.mark.parametrize("printed", [b"", b"OCI runtime exec failed", b"{}"])
def test_a_server_that_cannot_be_asked_has_no_states(printed: bytes) -> None:
    assert worker_states(lambda _: printed) == []


@pytest.mark.skipif(hasattr(sys, "remote_exec"), reason="this Python can ask others")
def test_a_python_that_cannot_ask_others_asks_none() -> None:
    def run(arguments: Sequence[str]) -> bytes:
        return subprocess.run([sys.executable, *arguments], capture_output=True, check=False).stdout

    assert worker_states(run, [1]) == []


def test_each_module_that_switches_the_gil_on_is_named_once() -> None:
    other = WARNING.replace("httptools.parser.parser", "uvloop.loop")
    assert modules_that_enable_the_gil(f"started\n{WARNING}{WARNING}{other}") == [
        "httptools.parser.parser",
        "uvloop.loop",
    ]
    assert modules_that_enable_the_gil("started\n") == []
