"""The bench of generators: what the server counts, what it costs, against a server that only counts."""

import os
import shutil
import subprocess
import sys
import urllib.request

import pytest

from common.project import ROOT
from loadtests.generator import bench_generator, null_target
from loadtests.generator.bench_generator import Cell, Sample
from loadtests.runs.plan import Step

CORES = sorted(os.sched_getaffinity(0))


def sample(number: int, generator: str, requests: int) -> Sample:
    return Sample(
        round=number, cell=f"keep-alive, 16, {generator}", requests=requests, generator_cpu_s=0.5, duration_s=1
    )


def test_the_table_compares_within_rounds() -> None:
    cells = [Cell(generator=name, connections=16, closing=False) for name in ("ours", "wrk", "FastHttpUser")]
    samples = [
        sample(number, generator, requests * number)
        for number in (1, 2)
        for generator, requests in (("ours", 9000), ("wrk", 10_000), ("FastHttpUser", 1000))
    ]
    found = bench_generator.table(cells, samples)
    columns = {str(column.header): list(column.cells) for column in found.columns}
    assert columns["to wrk"] == ["0.90 (0.90 to 0.90)", "1.00 (1.00 to 1.00)", "0.10 (0.10 to 0.10)"]
    assert columns["to FastHttpUser"][0] == "9.00 (9.00 to 9.00)"
    assert columns["core used"] == ["50%"] * 3


@pytest.mark.parametrize("nginx", [True, False])
def test_the_server_counts_all_requests_but_the_question(nginx: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    if not nginx:
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with null_target.serving(CORES[:1]) as target:
        first = target.answered()
        for path in ("/hello", "/hello", f"{null_target.CLOSING}/hello"):
            with urllib.request.urlopen(target.url + path) as answer:  # noqa: S310 -- our own server
                assert answer.read() == b'"hello world"'
                assert answer.headers["Connection"] == "close" or not path.startswith(null_target.CLOSING)
        assert target.answered() - first == 3
    assert ("nginx" in target.name) in {nginx, False}


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("generator", ["ours", "FastHttpUser"])
def test_a_generator_is_measured_in_mid_life(generator: str, closing: bool) -> None:  # noqa: FBT001
    cell = Cell(generator=generator, connections=2, closing=closing)
    with null_target.serving(CORES[:1]) as target:
        found, said = bench_generator._sample(Step(round=1, position=1, cell=cell.name), cell, target, CORES[-1:], 0.5)
    assert found is not None, said
    assert found.requests > 10
    assert 0 < found.generator_cpu_s <= 0.7
    assert 0.5 <= found.duration_s < 0.8


def test_the_trivial_server_needs_nothing_but_python() -> None:
    line = [sys.executable, "-I", "-S", "-c", "import runpy; runpy.run_path('loadtests/generator/trivial_server.py')"]
    assert subprocess.run(line, cwd=ROOT, check=False).returncode == 0
