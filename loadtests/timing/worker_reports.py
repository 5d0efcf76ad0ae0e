"""Exact counts across Locust workers, which send their tallies with their reports, as sparse histograms.

A report holds everything that the worker has counted since it started, so that only the loss of the last one matters.
Locust's master waits only half a second for it, which is too short on a busy machine: exact counts and Locust's own
statistics would lack the end of the test, and the exit status would not reflect failures in it. So before Locust ends
the workers, our master asks them for their last reports and waits for them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from locust import events
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from common.records.window import Total
from loadtests.timing.parts import latency_of
from loadtests.timing.window import wait_until
from loadtests.users import histogram
from loadtests.users.loops import all_tallies, tallies_of
from loadtests.users.tally import Tally, added_up

KEY = "tallies"
"""The key of our counts in a report."""
LAST_REPORT = "last-report"
"""The type of two messages: the master's request to stop and report, and a worker's answer once it has reported."""
LONGEST_WAIT_S = 10.0

_received: dict[str, list[Tally]] = {}


def pack(tallies: Iterable[Tally]) -> list[dict[str, Any]]:
    """Return tallies in the form that a report can hold."""
    return [msgspec.to_builtins(tally) | {"counts": histogram.sparse(tally.counts)} for tally in tallies]


def unpack(packed: Iterable[Mapping[str, Any]]) -> list[Tally]:
    """Return the tallies that ``pack`` was given."""
    return [
        Tally(**{**entry, "counts": histogram.dense(entry["counts"]), "failures": Counter(entry["failures"])})
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


def exchange_last_reports(environment: Environment, **_: object) -> None:
    """Have a master ask for its workers' last reports at the end of a test, and a worker answer with its own."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        runner.register_message(LAST_REPORT, partial(_send_last_report, runner))
    elif isinstance(runner, MasterRunner):
        sent = set[str]()
        runner.register_message(LAST_REPORT, lambda msg, **_: sent.add(msg.node_id))
        ended: Any = environment.events.test_stop
        ended.add_listener(partial(_wait_for_last_reports, runner, sent))


def _send_last_report(runner: WorkerRunner, **_: object) -> None:
    runner.stop()
    report: dict[str, Any] = {}
    reported: Any = runner.environment.events.report_to_master
    reported.fire(client_id=runner.client_id, data=report)
    runner.send_message("stats", report)
    runner.send_message(LAST_REPORT)


def _wait_for_last_reports(runner: MasterRunner, sent: set[str], **_: object) -> None:
    """Ask all workers, and wait for those whose heartbeats Locust still receives."""
    sent.clear()
    runner.send_message(LAST_REPORT)
    workers = runner.clients.all
    wait_until(lambda: all(worker.state == STATE_MISSING or worker.id in sent for worker in workers), LONGEST_WAIT_S)


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
events.init.add_listener(exchange_last_reports)  # type: ignore[no-untyped-call]
