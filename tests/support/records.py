"""Records for tests, valid unless a test says otherwise."""

from datetime import UTC, datetime
from typing import Any

from common.records.run import Cell, Machine, Run
from common.records.window import Latency, Load, Window, WorkerLoad

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


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
        "python": "3.13.2",
    }
    return Cell(**fields | changes)


def run(cells: list[Cell], **changes: Any) -> Run:  # noqa: ANN401
    fields: dict[str, Any] = {
        "id": "20260102T120000Z",
        "started_at": NOON,
        "revision": "abc123",
        "command_line": ["make", "loadtest"],
        "seed": 1,
        "rounds": 5,
        "runtime": "process",
        "scenario": "hello",
        "users": 16,
        "delay_ms": 100,
        "vcpu": 1.0,
        "memory_bytes": None,
        "server_cores": [0],
        "generator_cores": [1],
        "warmup_s": 1.0,
        "window_s": 2.0,
        "load_path": "loopback",
        "machine": Machine(
            cpu_model="Toy", cores=2, memory_bytes=2**30, kernel="6.1", cgroup_version=2, python="3.11.7"
        ),
        "cells": cells,
    }
    return Run(**fields | changes)


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


def window(name: str, number: int, found: Load | None, error: str | None = None) -> Window:
    return Window(run="20260102T120000Z", round=number, position=1, cell=name, started_at=NOON, load=found, error=error)
