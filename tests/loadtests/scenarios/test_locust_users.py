"""Scenarios as Locust's users: each task of a scenario is sent and checked."""

import itertools
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from scipy import stats

from common.contract import BAD_DELAY
from common.records.window import Total
from loadtests.scenarios.workloads import SCENARIOS
from tests.support.locust_runs import locust
from tests.support.servers import Client, serving

CHANCE = 1e-4
"""How seldom this test may fail by chance, however few requests a busy machine sends in its second."""


def answer(client: Client, status: bytes, body: bytes) -> bool:
    """Answer, and keep the connection open."""
    head = b"HTTP/1.1 %s\r\nAllow: GET\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return client.send(head + body)


def by_the_contract(client: Client, _: int) -> bool:
    """Answer as the contract says."""
    match client.head.split(b" ")[:2]:
        case [b"GET", path] if path.startswith(b"/sleep/"):
            return answer(client, b"400 Bad Request", b'{"error": "%s"}' % BAD_DELAY.encode())
        case [b"DELETE", b"/hello"]:
            return answer(client, b"405 Method Not Allowed", b"")
        case _:
            return answer(client, b"404 Not Found", b"")


def always_well(client: Client, _: int) -> bool:
    """Answer every request with 200."""
    return answer(client, b"200 OK", b'"hello world"')


def totals(
    behaviour: Callable[[Client, int], bool], folder: Path, *, scenario: str, users: int = 1
) -> tuple[list[str], dict[str, Total]]:
    """Return the requests received, in order, and Locust's counts by name."""
    asked: list[str] = []

    def noting(client: Client, number: int) -> bool:
        asked.append(" ".join(client.head.decode().split(" ")[:2]))
        return behaviour(client, number)

    file = folder / "totals.json"
    with serving(noting) as server:
        locust(server.address[1], "-t=1", f"--tally-file={file}", scenario=scenario, users=users)
    found = msgspec.json.decode(file.read_bytes(), type=list[Total])
    return asked, {total.name: total for total in found}


def test_errors_sends_a_bad_delay_an_unknown_path_and_a_wrong_method_in_turn(tmp_path: Path) -> None:
    asked, found = totals(by_the_contract, tmp_path, scenario="Errors")
    cycle = ["GET /sleep/forever", "GET /nothing", "DELETE /hello"]
    assert asked == list(islice(itertools.cycle(cycle), len(asked)))
    assert set(found) == {"400", "404", "405"}
    assert {name: total.failures for name, total in found.items()} == {"400": {}, "404": {}, "405": {}}
    counts = [total.requests for total in found.values()]
    assert max(counts) - min(counts) <= 1


def test_errors_fails_on_other_answers(tmp_path: Path) -> None:
    _, found = totals(always_well, tmp_path, scenario="Errors")
    assert {name: (total.requests, *total.failures) for name, total in found.items()} == dict.fromkeys(
        ("400", "404", "405"), (0, "status 200")
    )


@pytest.mark.parametrize("scenario", ["Mixed", "TlsMixed"])
def test_tasks_are_drawn_by_their_weights(scenario: str, tmp_path: Path) -> None:
    asked, _ = totals(always_well, tmp_path, scenario=scenario, users=4)
    assert {"GET /hello"} <= set(asked) <= {"GET /hello", "GET /sleep/100"}
    assert stats.binomtest(asked.count("GET /sleep/100"), len(asked), 0.1).pvalue > CHANCE


def test_every_scenario_has_a_class_and_steady_closed_loops_also_one_over_tls() -> None:
    done = locust(9, "--list")
    names = {scenario.__name__ for scenario in SCENARIOS.values()}
    assert {line.strip() for line in done.stdout.splitlines() if line.startswith("    ")} == names | {
        "TlsHello",
        "TlsMixed",
        "TlsOrder",
        "TlsOrders",
        "TlsPlace",
        "TlsQuotes",
        "TlsShop",
        "TlsSleep",
    }


@pytest.mark.parametrize(("options", "name"), [((), "/hello"), (("--scenario=errors",), "404")])
def test_without_a_class_the_scenario_decides_what_runs(options: tuple[str, ...], name: str, tmp_path: Path) -> None:
    file = tmp_path / "totals.json"
    with serving(by_the_contract) as server:
        done = locust(server.address[1], "-t=1", f"--tally-file={file}", *options, scenario="")
    assert "runs alone" not in done.stderr
    assert name in {total.name for total in msgspec.json.decode(file.read_bytes(), type=list[Total])}
