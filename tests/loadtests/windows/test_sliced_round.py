"""All servers of a round take turns: each window has its own load, and what goes wrong is that of its window."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import pytest

from common.catalog.sizes import Size
from common.errors import FailedError
from common.records.load import Setup
from common.records.run import Slicing
from common.records.window import Load, Window
from common.runtimes.candidates import Candidate
from common.runtimes.running_server import RunningServer
from loadtests.windows import sliced
from loadtests.windows.sliced import measure_in_turn
from loadtests.windows.tools import GeneratorError
from tests.support import records

CORES = sorted(os.sched_getaffinity(0))
SETUP = records.setup(server_cores=CORES[:1], generator_cores=CORES[-1:])
SLICING = Slicing(passes=4, most_passes=6, slice_s=0.1, skipped_s=0.02)
BLANK = [records.window(name, 1, None) for name in ("a", "b", "c")]


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A server that is not there; what keeps it from starting or from answering, and how it ended."""

    name: str
    error: str | None = None
    silent: str | None = None
    end: str | None = None

    @contextmanager
    def start(self, _: Size, *, cores: Sequence[int]) -> Iterator[RunningServer]:
        """Bring it up."""
        assert list(cores) == CORES[:1]
        if self.error is not None:
            raise FailedError(self.error)
        yield RunningServer(
            url=self.name, client_prefix=(), cpu_meter=None, wait_until_ready=self.wait, exit_reason=lambda: self.end
        )

    def wait(self) -> None:
        """Fail unless it answers."""
        if self.silent is not None:
            raise FailedError(self.silent)


def in_turn(monkeypatch: pytest.MonkeyPatch, *toys: Toy, loads: Mapping[str, Load] | None = None) -> list[Window]:
    """Measure the toys; ``loads`` are what some of them get instead of a plain one."""

    def measure(running: Sequence[RunningServer], setup: Setup, slicing: Slicing, *, seed: str) -> list[Load]:
        assert (setup, slicing, seed) == (SETUP, SLICING, "7/1")
        return [(loads or {}).get(server.url, records.load(1000)) for server in running]

    monkeypatch.setattr(sliced, "measure_round", measure)
    candidates = cast("Mapping[str, Candidate]", {toy.name: toy for toy in toys})
    return measure_in_turn(BLANK, SETUP, SLICING, candidates, seed="7/1")


def test_each_window_has_the_load_of_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = {name: records.load(count) for name, count in (("a", 1), ("b", 2), ("c", 3))}
    made = in_turn(monkeypatch, *(Toy(name=name) for name in "abc"), loads=loads)
    assert [(one.cell, one.load, one.error) for one in made] == [(name, loads[name], None) for name in "abc"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Toy(name="b", error="no port"), "no port"),
        (Toy(name="b", silent="it never answered"), "it never answered"),
    ],
)
def test_a_server_that_does_not_come_up_leaves_the_others_their_windows(
    monkeypatch: pytest.MonkeyPatch, broken: Toy, reason: str
) -> None:
    made = in_turn(monkeypatch, Toy(name="a"), broken, Toy(name="c"))
    assert [(one.load is None, one.error) for one in made] == [(False, None), (True, reason), (False, None)]


def test_a_server_that_ends_under_load_says_so_in_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = {"c": records.load(0, server_gone="the connection was refused", latency_s=None)}
    made = in_turn(monkeypatch, Toy(name="a"), Toy(name="b", end="exit status 3"), Toy(name="c"), loads=loads)
    assert [one.error for one in made] == [None, "exit status 3", "the connection was refused"]


def test_nothing_is_loaded_where_no_server_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = in_turn(monkeypatch, *(Toy(name=name, error="no port") for name in "abc"))
    assert [one.load for one in made] == [None, None, None]


def test_a_generator_that_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[Load]:
        raise GeneratorError("it ended")

    monkeypatch.setattr(sliced, "measure_round", fail)
    with pytest.raises(GeneratorError):
        measure_in_turn(BLANK[:1], SETUP, SLICING, cast("Mapping[str, Candidate]", {"a": Toy(name="a")}), seed="7/1")
