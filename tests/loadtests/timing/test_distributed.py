"""A master and its workers on one machine measure one window."""

from pathlib import Path

import pytest

from common.records.window import Load
from common.runtimes.running_server import RunningServer
from loadtests.users import histogram
from tests.support.locust_runs import USERS, keep_alive, port_of, sometimes_wrong, window, workers
from tests.support.servers import serving

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("count", [1, 2])
def test_the_workers_of_one_machine_share_one_window(count: int, tmp_path: Path) -> None:
    with serving(sometimes_wrong) as server:
        seen = window(tmp_path / "w.json", server.address[1], f"--processes={count}", *_ports(server.address[1]))
        assert 0 < seen.requests < server.requests
    assert (seen.server_gone, seen.workers_lost, len(seen.workers)) == (None, 0, count)
    assert all(abs(worker.duration_s - 1) < 0.2 and worker.requests for worker in seen.workers)
    assert seen.window_skew_s is not None
    assert seen.window_skew_s < 0.2
    assert (seen.users, seen.connections_open_min) == (USERS, USERS)
    assert seen.answered == seen.requests + seen.failures["wrong body"]
    assert abs(seen.sent - seen.answered) <= USERS
    assert seen.littles_law_ratio == pytest.approx(seen.requests / seen.answered, rel=0.1)
    assert seen.server_cpu_s is not None
    _adds_up(seen)


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_workers_together_send_at_the_given_rate_and_their_arrivals_add_up(
    arrivals: str, known: RunningServer, tmp_path: Path
) -> None:
    """Workers share the rate in proportion to their connections, of which there is an odd number."""
    options = ("--rate=400", f"--arrivals={arrivals}", "--arrival-seed=3", "--window-s=3", *workers(2))
    seen = window(tmp_path / "w.json", port_of(known), *options, meter=known.cpu_meter or "", scenario="Rate", users=33)
    assert (seen.server_gone, seen.failures, seen.workers_lost) == (None, {}, 0)
    assert sorted(worker.users for worker in seen.workers) == [16, 17]
    opened = seen.open_loop
    assert opened is not None
    assert opened.rate_rps == 400
    assert opened.planned / seen.duration_s == pytest.approx(400, rel=0.03 if arrivals == "constant" else 0.15)
    assert opened.never_sent == 0
    assert abs(opened.planned - seen.sent) <= opened.waiting + 2
    assert abs(seen.sent - seen.requests) <= 33
    assert sum(count for _, count in opened.from_send_histogram) == seen.requests


@pytest.mark.parallel
def test_workers_without_a_server_record_the_reason(tmp_path: Path) -> None:
    with serving(keep_alive) as server:
        port = server.address[1]
        server.vanish()
        seen = window(tmp_path / "w.json", port, "--processes=2", *_ports(port))
    assert seen.server_gone is not None
    assert "0 of 2 connections were open after 1 s (connection refused " in seen.server_gone
    assert seen.requests == 0


def _adds_up(load: Load) -> None:
    assert sum(worker.requests for worker in load.workers) == load.requests == sum(histogram.dense(load.histogram))


def _ports(port: int) -> tuple[str, ...]:
    """Return options for a master on the server's port at another address, which nothing else here uses."""
    return (
        f"--master-bind-port={port}",
        f"--master-port={port}",
        "--master-bind-host=127.0.0.2",
        "--master-host=127.0.0.2",
    )
