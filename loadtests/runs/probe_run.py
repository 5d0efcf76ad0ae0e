"""What the probes' runs have in common: their head, their folder, which candidates are held to the contract first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from common.conformance.candidates import conform_all
from common.host.machine import machine, revision
from common.records.run import Conformance
from common.runtimes.candidates import Candidate, Runtime
from loadtests.runs.manifest import Identity, called, engine_name, new_seed
from loadtests.runs.results import RESULTS


def head(*, runtime: Runtime, rounds: int, seed: int | None) -> dict[str, Any]:
    """The fields of ``ProbeRun`` for a run that begins now."""
    seed = new_seed() if seed is None else seed
    identity = Identity.of(seed)
    return {
        "id": identity.id,
        "started_at": identity.started_at,
        "revision": revision(),
        "command_line": [called()],
        "seed": seed,
        "rounds": rounds,
        "runtime": runtime,
        "machine": machine(engine_name() if runtime is Runtime.DOCKER else None),
    }


def new_folder(out: Path | None, probe: str, run: str) -> Path:
    """Where the run is written: apart from load tests, whose folders are all of one kind."""
    folder = out or RESULTS / probe / run
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def conforming(
    candidates: Sequence[Candidate], console: Console
) -> tuple[dict[str, Candidate], Mapping[str, Conformance]]:
    """The candidates that can be had, by name, and what the suite says of each; its start also warms the page cache."""
    outcomes = conform_all(candidates, console)
    return {one.name: one for one in candidates if one.name in outcomes}, outcomes
