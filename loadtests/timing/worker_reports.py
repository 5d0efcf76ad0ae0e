"""Exact counts across Locust workers, which send their tallies with their reports, as sparse histograms.

A report holds everything that the worker has counted since it started, so a lost report loses nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from locust import events
from locust.env import Environment

from common.records.window import Total
from loadtests.timing.snapshot import latency_of
from loadtests.users import histogram
from loadtests.users.loops import all_tallies, tallies_of
from loadtests.users.tally import Tally, added_up

KEY = "tallies"
"""The key of our counts in a report."""

_received: dict[str, list[Tally]] = {}


def pack(tallies: Iterable[Tally]) -> list[dict[str, Any]]:
    """Return tallies in the form that a report can hold."""
    return [
        {
            "method": tally.method,
            "name": tally.name,
            "counts": histogram.sparse(tally.counts),
            "total_s": tally.total_s,
            "longest_s": tally.longest_s,
            "body_bytes": tally.body_bytes,
            "wrong": tally.wrong,
            "lost": tally.lost,
            "failures": dict(tally.failures),
        }
        for tally in tallies
    ]


def unpack(packed: Iterable[Mapping[str, Any]]) -> list[Tally]:
    """Return the tallies that ``pack`` was given."""
    return [
        Tally(
            method=entry["method"],
            name=entry["name"],
            counts=histogram.dense(entry["counts"]),
            total_s=entry["total_s"],
            longest_s=entry["longest_s"],
            body_bytes=entry["body_bytes"],
            wrong=entry["wrong"],
            lost=entry["lost"],
            failures=Counter(entry["failures"]),
        )
        for entry in packed
    ]


def totals(environment: Environment) -> list[Total]:
    """Return what this process and its workers have counted, by name."""
    by_name: dict[tuple[str, str], list[Tally]] = defaultdict(list)
    for tally in (*tallies_of(environment), *(tally for tallies in _received.values() for tally in tallies)):
        by_name[tally.method, tally.name].append(tally)
    return [_total(*key, added_up(tallies)) for key, tallies in by_name.items()]


def write_totals(environment: Environment, file: Path, **_: object) -> None:
    """Write ``totals`` to a file."""
    file.write_bytes(msgspec.json.encode(totals(environment)))


def send(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 -- Locust's signature
    """Add a worker's counts to its report."""
    data[KEY] = pack(all_tallies())


def receive(client_id: str, data: Mapping[str, Any]) -> None:
    """Keep the latest counts of a worker, in the master."""
    if KEY in data:
        _received[client_id] = unpack(data[KEY])


def _total(method: str, name: str, tally: Tally) -> Total:
    return Total(
        method=method,
        name=name,
        requests=tally.good,
        failures=dict(tally.failures),
        latency_s=latency_of(tally),
        histogram=histogram.sparse(tally.counts),
        workers=len(_received),
    )


events.report_to_master.add_listener(send)  # type: ignore[no-untyped-call]
events.worker_report.add_listener(receive)  # type: ignore[no-untyped-call]
