"""The comparison of load generators: server counts and CPU time while a generator runs."""

import io
import os
import shutil
import sys

import pytest
from rich.console import Console

from loadtests.campaign.manifest import RunIdentity
from loadtests.experiments.bench_generator import experiment as comparison
from loadtests.experiments.bench_generator.experiment import GENERATORS, GeneratorComparison, begin_comparison
from loadtests.experiments.bench_generator.records import GeneratorCell
from loadtests.targets.counting_server import counting_server
from tests.support.generator_records import CELLS, generator_run, generator_visit

CORES = sorted(os.sched_getaffinity(0))


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("generator", ["ours", "FastHttpUser", "HttpUser", "wrk", "h2load"])
def test_a_generator_is_measured_while_it_runs(generator: str, closing: bool) -> None:  # noqa: FBT001
    if generator in {"wrk", "h2load"} and shutil.which(generator) is None:
        pytest.skip(f"{generator} is not installed")
    cell = GeneratorCell(generator=generator, connections=2, closing=closing)
    with counting_server(CORES[:1]) as server:
        found = comparison._measure(generator_visit(cell, 1, 0), cell, server, CORES[-1:], 0.5)
    assert found.error is None
    assert found.requests > 10
    assert 0 < found.generator_cpu_s <= found.duration_s + 0.2
    assert 0.5 <= found.duration_s < 2


def test_a_generator_that_ends_is_the_visits_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GENERATORS, "wrk", lambda *_: ["sh", "-c", "echo no such option >&2; exit 1"])
    cell = GeneratorCell(generator="wrk", connections=2, closing=False)
    with counting_server(CORES[:1]) as server:
        found = comparison._measure(generator_visit(cell, 1, 0), cell, server, CORES[-1:], 0.5)
    assert found.error is not None
    assert "wrk ended before it was ready: exit status 1. no such option" in found.error
    assert found.requests == 0


ENDING = """
import sys, urllib.request
for _ in range(30):
    urllib.request.urlopen(sys.argv[1]).read()
sys.exit("no more memory")
"""


@pytest.mark.parametrize("warmup_s", [0.0, 0.5])
def test_a_generator_that_ends_while_it_is_measured_is_the_visits_error(
    warmup_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "WARMUP_S", warmup_s)
    monkeypatch.setitem(GENERATORS, "wrk", lambda url, _: [sys.executable, "-c", ENDING, f"{url}/hello"])
    cell = GeneratorCell(generator="wrk", connections=2, closing=False)
    with counting_server(CORES[:1]) as server:
        found = comparison._measure(generator_visit(cell, 1, 0), cell, server, CORES[-1:], 0.5)
    assert found.error == "exit status 1. no more memory"


def test_every_generator_that_is_installed_is_compared_in_all_four_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: "/here" if name == "wrk" else None)
    printed = io.StringIO()
    messages = Console(file=printed, width=150)
    if len(CORES) < 2:
        pytest.skip("one core cannot hold a server and a generator")
    experiment, subjects = begin_comparison(rounds=2, window_s=1.0, messages=messages)(RunIdentity.new("x", 1))
    assert subjects == {}
    names = [(cell.generator, cell.connections, cell.closing) for cell in experiment.run.cells]
    assert names == [
        (generator, connections, closing)
        for closing in (False, True)
        for connections in (16, 64)
        for generator in ("ours", "FastHttpUser", "HttpUser", "wrk")
    ]
    assert "h2load is not installed (Debian: apt-get install nghttp2-client) and is left out" in printed.getvalue()


def test_an_interrupted_comparison_continues_with_its_remaining_visits() -> None:
    experiment = GeneratorComparison(generator_run())
    made = [generator_visit(cell, 1, 1000) for cell in CELLS]
    left = experiment.remaining(made[:2])
    assert (left.count, left.batch[0].cell) == (5 * 3 - 2, CELLS[2].name)
    everything = [generator_visit(cell, number, 1) for cell in CELLS for number in range(1, 6)]
    assert experiment.remaining(everything).batch == ()
