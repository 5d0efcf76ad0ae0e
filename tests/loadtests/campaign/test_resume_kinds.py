"""A run of any kind that needs no Docker engine is resumed on real servers: what is left is made, the rest kept.

Runs of starts, memory and sizes are resumed in the tests of their experiments.
"""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from common.catalog.sizes import Runtime, Size
from common.errors import GeneratorBoundError
from common.host.cores import split_cores
from common.records.load import LoadSpec, Rate, Tool
from common.records.run import CrosscheckRun, Design, Run, Stopping
from common.records.schema import Visit
from common.records.window import Window
from loadtests.campaign.catalog import experiment_of
from loadtests.campaign.manifest import setup_for
from loadtests.campaign.resume import resume
from loadtests.campaign.store import RunFolder
from loadtests.experiments.bench_generator.records import GeneratorCell, GeneratorRun, GeneratorVisit
from loadtests.experiments.latency.experiment import closed, opened, point
from loadtests.experiments.latency.records import LatencyRun, TrafficVisit, WorkersRun
from tests.support.here import NAME, real_cell, run_fields
from tests.support.records import NOON, RUN_ID, load, window
from tests.support.toy_experiment import printed, text_terminal

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

LOAD = LoadSpec(scenario="hello", users=16, delay_ms=0, warmup_s=0.2, window_s=0.5)
POINT = point(NAME, Size(worker_count=1), (closed(16, 0.5), opened(Rate(share=0.5), 0.5)), Runtime.PROCESS)


def _resumed(folder: Path, made: Run, command: str, *first: Visit) -> list[Visit]:
    """Resume a run that made the first visits; return those made since."""
    kept = RunFolder.create(folder / "run", made)
    for one in first:
        kept.add(one)
    terminal = text_terminal()
    with suppress(GeneratorBoundError):  # so short a window on a busy machine may be the generator's
        resume(str(kept.folder), command, experiment_of, terminal)
    visits = kept.visits()
    assert visits[: len(first)] == list(first)
    assert all(one.error is None for one in visits)
    assert (kept.folder / "summary.json").is_file()
    assert "completed: every visit is made" in printed(terminal.messages)
    assert printed(terminal.results)
    return visits[len(first) :]


def _traffic_visit() -> TrafficVisit:
    loads = {one.name: load(1000) for one in POINT.traffic}
    return TrafficVisit(run=RUN_ID, round=1, position=1, cell=POINT.name, started_at=NOON, loads=loads)


@pytest.mark.parametrize(("kind", "command"), [(LatencyRun, "latency"), (WorkersRun, "workers")])
def test_response_times(tmp_path: Path, kind: type[LatencyRun | WorkersRun], command: str) -> None:
    setup = setup_for(LOAD, Size(), Runtime.PROCESS)
    made = kind(**run_fields(rounds=2), setup=setup, cells=[real_cell()], points=[POINT])
    (visit,) = _resumed(tmp_path, made, command, _traffic_visit())
    assert isinstance(visit, TrafficVisit)
    assert visit.round == 2
    assert visit.loads.keys() == {one.name for one in POINT.traffic}
    assert all(one.requests > 10 for one in visit.loads.values())


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_two_tools(tmp_path: Path) -> None:
    cells = [replace(real_cell(), name=f"{NAME}, {tool}") for tool in Tool]
    made = CrosscheckRun(
        **run_fields(rounds=2),
        design=Design.ALTERNATION,
        stopping=Stopping(fewest_rounds=2),
        setup=setup_for(replace(LOAD, window_s=1.0), Size(), Runtime.PROCESS),
        cells=cells,
        turns=2,
    )
    first = [window(one.name, 1, load()) for one in cells * made.turns]
    visits = _resumed(tmp_path, made, "crosscheck", *first)
    assert sorted(one.cell for one in visits) == sorted(one.cell for one in first)
    for visit in visits:
        assert isinstance(visit, Window)
        assert visit.load is not None
        assert visit.load.requests > 100


@pytest.mark.skipif(split_cores(1).shared, reason="a generator needs a core of its own")
def test_generators(tmp_path: Path) -> None:
    first, second = (
        GeneratorCell(generator=name, connections=4, closing=False) for name in ("HttpUser", "Locust, ours")
    )
    made = GeneratorRun(**run_fields(rounds=1), server="a server", window_s=0.5, cells=[first, second])
    kept = GeneratorVisit(
        run=RUN_ID, round=1, position=1, cell=second.name, started_at=NOON, requests=10, generator_cpu_s=1, duration_s=1
    )
    (visit,) = _resumed(tmp_path, made, "bench-generator", kept)
    assert isinstance(visit, GeneratorVisit)
    assert visit.cell == first.name
    assert visit.requests > 10
