"""Records for tests, valid unless a test says otherwise."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from common.catalog.sizes import Runtime, Size
from common.records.load import LoadSpec, Setup
from common.records.run import Cell, CompareRun, HistoryRun, LoadRun, Machine, Run, Slicing, Stopping
from common.records.window import Latency, Load, Slice, Warmup, Window, WorkerLoad

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RUN_ID = "20260102T120000Z"
SLICING = Slicing(passes=24, most_passes=36, slice_s=0.08, skipped_s=0.04)

_SIZE = frozenset({"vcpu", "memory_bytes", "worker_count", "period_s"})
_OF_SETUP = frozenset({*Setup.__struct_fields__, *LoadSpec.__struct_fields__, *_SIZE})
_FLATTENED = _OF_SETUP | set(Stopping.__struct_fields__)


def cell(name: str, **changes: Any) -> Cell:  # noqa: ANN401 -- any field
    fields: dict[str, Any] = {
        "name": name,
        "framework": name.partition("+")[0],
        "title": name.title(),
        "version": "1.2.3",
        "interface": "wsgi",
        "server": name.partition("+")[2],
        "server_packages": [],
        "lock_sha256": "0" * 64,
        "keep_alive": True,
        "python": "3.13.2" if changes.get("image") else platform.python_version(),
    }
    return Cell(**fields | changes)


def run(cells: list[Cell], **changes: Any) -> LoadRun:  # noqa: ANN401
    """Return a load test; ``changes`` are fields of it, of its stopping rule, its setup, its size or its load."""
    return LoadRun(**_fields(cells, changes))


def compare_run(cells: list[Cell], **changes: Any) -> CompareRun:  # noqa: ANN401
    """Return a comparison; ``changes`` as for ``run``."""
    return CompareRun(**_fields(cells, changes))


def history_run(versions: Mapping[str, str], **changes: Any) -> HistoryRun:  # noqa: ANN401
    """Return a history of versions by the names of their cells, the oldest first; ``changes`` as for ``run``."""
    cells = [cell(name, version=version) for name, version in versions.items()]
    return HistoryRun(**_fields(cells, changes), title="Toy", versions=dict(versions))


def _fields(cells: list[Cell], changes: dict[str, Any]) -> dict[str, Any]:
    stopping = {name: value for name, value in changes.items() if name in Stopping.__struct_fields__}
    others = {name: value for name, value in changes.items() if name not in _FLATTENED}
    fields: dict[str, Any] = {
        "id": RUN_ID,
        "started_at": NOON,
        "revision": "abc123",
        "command_line": ["make", "loadtest"],
        "seed": 1,
        "rounds": 5,
        "runtime": Runtime.PROCESS,
        "machine": Machine(
            cpu_model="Toy", cores=2, memory_bytes=2**30, kernel="6.1", cgroup_version=2, python="3.11.7"
        ),
        "stopping": Stopping(**stopping),
        "setup": setup(**{name: value for name, value in changes.items() if name in _OF_SETUP}),
        "cells": cells,
    }
    return fields | others


def setup(**changes: Any) -> Setup:  # noqa: ANN401
    """Return a setup; ``changes`` are fields of it, of its size or of its load."""
    size = {name: value for name, value in changes.items() if name in _SIZE}
    load_changes = {name: value for name, value in changes.items() if name in LoadSpec.__struct_fields__}
    others = {name: value for name, value in changes.items() if name not in {*size, *load_changes}}
    load_fields: dict[str, Any] = {
        "scenario": "hello",
        "users": 16,
        "delay_ms": 100,
        "warmup_s": 1.0,
        "window_s": 2.0,
    }
    fields: dict[str, Any] = {
        "size": Size(**size),
        "server_cores": [0],
        "generator_cores": [1],
        "load_path": "loopback",
        "load": LoadSpec(**load_fields | load_changes),
    }
    return Setup(**fields | others)


def load(requests: int = 20_000, server_cpu_s: float | None = 2.0, **changes: Any) -> Load:  # noqa: ANN401
    fields: dict[str, Any] = {
        "duration_s": 2.0,
        "users": 16,
        "connections_open_min": 16,
        "reconnects": 0,
        "sent": requests,
        "answered": requests,
        "requests": requests,
        "failures": {},
        "latency_s": Latency(p50=0.001, p90=0.002, p99=0.004, p999=0.005, max=0.006, mean=0.0011),
        "in_flight": 16,
        "histogram": [(1000, requests)],
        "server_cpu_s": server_cpu_s,
        "throttled_s": None,
        "throttled_periods": None,
        "generator_cpu_s": 0.5,
        "generator_run_delay_s": 0.0,
        "steal_s": 0.0,
        "steal_all_s": 0.0,
        "littles_law_ratio": 1.0,
    }
    return Load(**fields | changes)


def slices(count: int = 24, disturbed: int = 0) -> list[Slice]:
    """Return slices of one server, the first of which were disturbed."""
    return [
        Slice(
            number=number,
            start_s=float(number),
            duration_s=0.08,
            requests=800,
            server_cpu_s=0.08,
            generator_cpu_s=0.02,
            others_s=0.0,
            generator_others_s=0.0,
            steal_s=0.0,
            disturbed=number <= disturbed,
        )
        for number in range(1, count + 1)
    ]


def warmup(until_warm_s: float | None = 0.32, **changes: Any) -> Warmup:  # noqa: ANN401
    """Return the warm-up of a server that answers 10,000 requests a second; it never got warm without a time."""
    duration_s = 41.0 if until_warm_s is None else 2 * until_warm_s
    fields: dict[str, Any] = {
        "duration_s": duration_s,
        "requests": round(10_000 * duration_s),
        "until_warm_s": until_warm_s,
        "until_warm_requests": None if until_warm_s is None else round(10_000 * until_warm_s),
        "warm": until_warm_s is not None,
    }
    return Warmup(**fields | changes)


def worker(**changes: Any) -> WorkerLoad:  # noqa: ANN401
    fields: dict[str, Any] = {
        "name": "one",
        "duration_s": 2.0,
        "users": 16,
        "requests": 20_000,
        "connections_open_min": 16,
        "generator_cpu_s": 0.5,
        "generator_run_delay_s": 0.0,
    }
    return WorkerLoad(**fields | changes)


def window(name: str, number: int, found: Load | None, error: str | None = None, *, run_id: str = RUN_ID) -> Window:
    return Window(run=run_id, round=number, position=1, cell=name, started_at=NOON, load=found, error=error)


def run_head(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields that every run's manifest begins with."""
    load_test = run([])
    return {name: getattr(load_test, name) for name in Run.__struct_fields__} | changes
