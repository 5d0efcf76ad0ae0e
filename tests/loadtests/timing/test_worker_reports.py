"""The exact counts of all worker processes are written as one list at the end."""

import json
from pathlib import Path

import msgspec
import pytest

from common.records.window import Total
from common.runtimes.running_server import RunningServer
from loadtests.timing import worker_reports
from loadtests.users import histogram
from loadtests.users.tally import Tally
from tests.support.locust_runs import LOCUSTFILE, locust, port_of, sometimes_wrong, workers
from tests.support.servers import serving

SLOW_REPORTS = """
import time

from locust import events
from locust.runners import WorkerRunner


@events.init.add_listener
def slow_down(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        environment.events.report_to_master.add_listener(lambda **_: time.sleep(1))
"""
"""A locustfile that delays each report of a worker by a second."""


def test_a_tally_arrives_whole() -> None:
    tally = Tally(method="GET", name="/hello")
    tally.count_good(0.002, 13)
    tally.count_good(0.1, 13)
    tally.count_wrong("wrong body")
    tally.count_lost("timeout")
    sent = json.loads(json.dumps(worker_reports.pack([tally])))
    assert worker_reports.unpack(sent) == [tally]


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("scenario", ["Hello", "Rate"])
def test_exact_counts_of_all_workers_are_written_at_the_end(scenario: str, count: int, tmp_path: Path) -> None:
    with serving(sometimes_wrong) as server:
        file = tmp_path / "t.json"
        options = ("-t=2", "--rate=200", f"--tally-file={file}", f"--json-file={tmp_path / 'l'}", *workers(count))
        done = locust(server.address[1], *options, scenario=scenario)
        assert done.returncode == 1, done.stderr  # Locust's status for failures
        (total,) = msgspec.json.decode(file.read_bytes(), type=list[Total])
    assert total.workers == count
    assert (total.method, total.name) == ("GET", "/hello")
    assert server.requests - 4 <= total.requests + sum(total.failures.values()) <= server.requests
    assert sum(count for _, count in total.histogram) == total.requests
    (entry,) = json.loads((tmp_path / "l.json").read_text())
    assert entry["num_requests"] == total.requests + total.failures["wrong body"]
    seen = {round(float(time_ms) / 1000, 9): count for time_ms, count in entry["response_times"].items()}
    assert seen == {round(histogram.value_s(bucket), 9): count for bucket, count in total.histogram}


@pytest.mark.slow
@pytest.mark.parallel
def test_last_reports_that_are_late_are_waited_for(tmp_path: Path) -> None:
    slow, file = tmp_path / "slow.py", tmp_path / "t.json"
    slow.write_text(SLOW_REPORTS)
    with serving(sometimes_wrong) as server:
        options = ("-t=2", "--rate=200", f"--tally-file={file}", f"--json-file={tmp_path / 'l'}", *workers(2))
        done = locust(server.address[1], *options, scenario="Rate", locustfiles=f"{LOCUSTFILE},{slow}")
        assert done.returncode == 1, done.stderr
        (total,) = msgspec.json.decode(file.read_bytes(), type=list[Total])
    assert server.requests - 4 <= total.requests + sum(total.failures.values()) <= server.requests
    (entry,) = json.loads((tmp_path / "l.json").read_text())
    assert entry["num_requests"] == total.requests + total.failures["wrong body"]


@pytest.mark.slow
@pytest.mark.parallel
def test_workers_share_the_rate(known: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    locust(port_of(known), "-t=4", "--rate=200", *workers(2), f"--tally-file={file}", scenario="Rate")
    (total,) = msgspec.json.decode(file.read_bytes(), type=list[Total])
    assert 300 <= total.requests <= 820
