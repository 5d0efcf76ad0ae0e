"""Load tests in which each part of a request costs what is planted."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from common.records.run import Design
from loadtests.analysis.across_runs import RecordedRun
from loadtests.campaign.store import VISITS, RunFolder
from loadtests.experiments.loadtest.report import summarise
from tests.support.pages import cell_of
from tests.support.records import SLICING, load, run, slices, window

FLOOR_S, DRIVER_S, FRAMEWORK_S, DATABASE_S = 30e-6, 50e-6, 40e-6, 60e-6
HELLO = {"raw_asgi+u": FLOOR_S, "fast+u": FLOOR_S + FRAMEWORK_S}
ORDER = {"raw_asgi+u": FLOOR_S + DRIVER_S, "fast+u": FLOOR_S + DRIVER_S + FRAMEWORK_S}
ROUNDS = 8


def planted(
    costs: Mapping[str, float],
    scenario: str,
    *,
    moved: float = 1.0,
    spread: float = 0.0,
    seed: int = 1,
    **changes: Any,  # noqa: ANN401
) -> RecordedRun:
    """Return a load test whose stacks cost this many seconds a request, by a factor that is that of its run."""
    rng = np.random.default_rng(seed)
    made = run(
        [cell_of(name) for name in costs],
        **{"scenario": scenario, "id": scenario, "rounds": ROUNDS, "design": Design.SLICED, "slicing": SLICING}
        | changes,
    )
    database_s = None if scenario == "hello" else DATABASE_S
    windows = []
    for number in range(1, ROUNDS + 1):
        shared = moved * math.exp(rng.normal(0, 10 * spread))
        for name, cost_s in costs.items():
            requests = round(2 / (cost_s * shared * math.exp(rng.normal(0, spread))))
            beside = {} if database_s is None else {"database_cpu_s": database_s * requests}
            found = load(requests, generator_cpu_s=0.1, slices=slices(), **beside)
            windows.append(window(name, number, found, run_id=made.id))
    return RecordedRun(made, windows, summarise(made, windows))


def write_planted(place: Path, test: RecordedRun) -> RunFolder:
    """Write a planted load test into a folder."""
    folder = RunFolder.create(place, test.run)
    lines = b"\n".join(msgspec.json.encode(made) for made in test.windows)
    (folder.folder / VISITS).write_bytes(lines + b"\n")
    return folder
