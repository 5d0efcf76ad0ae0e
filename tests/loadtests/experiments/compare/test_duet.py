"""Two servers at once: each window has its own load and its own server's failure."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import pytest

from common.catalog.sizes import Size
from common.errors import FailedError
from common.records.load import Setup
from common.records.window import Load, Window
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from loadtests.experiments.loadtest.visit import measure_together
from loadtests.targets.ceiling import null_server
from loadtests.windows import by_locust
from loadtests.windows.by_locust import Gate
from loadtests.windows.tools import GeneratorError
from tests.support import records

CORES = sorted(os.sched_getaffinity(0))
SETUP = records.setup(users=4, warmup_s=0.2, window_s=0.5, server_cores=CORES[:1], generator_cores=CORES[-1:])
BLANK = [records.window(name, 1, None) for name in ("a", "b")]


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A pretended server, with how it starts and how it ended."""

    name: str
    error: FailedError | None = None
    end: str | None = None

    @contextmanager
    def serve(self, _: Size, *, cores: Sequence[int]) -> Iterator[RunningServer]:
        """Bring it up."""
        assert list(cores) == CORES[:1]
        if self.error is not None:
            raise self.error
        yield RunningServer(url=self.name, client_prefix=(), cpu_meter=None, exit_reason=lambda: self.end)


def together(
    a: Toy, b: Toy, monkeypatch: pytest.MonkeyPatch, made: Callable[[str], Load] = lambda _: records.load(1000)
) -> list[Window]:
    """Measure both; ``made`` returns the load of each."""
    gates: list[Gate] = []

    def measure(server: RunningServer, setup: Setup, *, gate: Gate) -> Load:
        assert setup == SETUP
        gates.append(gate)
        return made(server.url)

    monkeypatch.setattr(by_locust, "measure", measure)
    windows = measure_together(BLANK, SETUP, cast("Mapping[str, Candidate]", {"a": a, "b": b}))
    assert len({gate.folder for gate in gates}) <= 1
    assert {gate.count for gate in gates} <= {2}
    return windows


def test_each_window_has_its_own_load(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = together(Toy(name="a"), Toy(name="b"), monkeypatch, lambda name: records.load({"a": 1000, "b": 2000}[name]))
    assert (a.cell, a.load, a.error) == ("a", records.load(1000), None)
    assert (b.cell, b.load, b.error) == ("b", records.load(2000), None)
    assert a.load_average == b.load_average is not None


def test_where_one_does_not_come_up_the_other_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = together(Toy(name="a"), Toy(name="b", error=FailedError("no such module")), monkeypatch)
    assert (a.load, a.error) == (None, "b, which runs at the same time, did not start")
    assert (b.load, b.error) == (None, "no such module")


def test_a_server_that_ended_is_its_own_windows_error(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = together(Toy(name="a", end="killed for memory"), Toy(name="b"), monkeypatch)
    assert a.error == "killed for memory"
    assert b.error is None


def _fail_for(name: str) -> Callable[[str], Load]:
    def made(of: str) -> Load:
        if of == name:
            raise GeneratorError("1 of 2 generators were ready")
        return records.load(1000)

    return made


def test_a_generator_that_gives_no_result_since_its_server_ended_is_that_windows_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = together(Toy(name="a", end="killed for memory"), Toy(name="b"), monkeypatch, _fail_for("a"))
    assert a.error == "killed for memory (1 of 2 generators were ready)"
    assert b.load == records.load(1000)


def test_a_generator_failure_with_a_healthy_server_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GeneratorError):
        together(Toy(name="a"), Toy(name="b"), monkeypatch, _fail_for("a"))


@dataclass(frozen=True, kw_only=True)
class Null:
    """A candidate whose server only answers."""

    @contextmanager
    def serve(self, _: Size, *, cores: Sequence[int]) -> Iterator[RunningServer]:
        """Bring it up."""
        with null_server(cores, 0.002) as running:
            yield running


@pytest.mark.slow
def test_two_real_servers_are_loaded_at_the_same_time() -> None:
    a, b = measure_together(BLANK, SETUP, cast("Mapping[str, Candidate]", {"a": Null(), "b": Null()}))
    for window in (a, b):
        assert window.error is None
        assert window.load is not None
        assert window.load.requests > 100
