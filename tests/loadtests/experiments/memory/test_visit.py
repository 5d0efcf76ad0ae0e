"""Memory is read once it is stable, wrong answers fail, and the smallest limit passed every time that it was tried."""

import random

import pytest

from common.errors import FailedError
from common.host.meters import MemoryReading
from common.runtimes.running_server import RunningServer
from loadtests.experiments.memory import visit as memory
from loadtests.experiments.memory.records import LimitVisit
from loadtests.experiments.memory.visit import GREATEST_LIMIT_BYTES, LIMIT_REPEATS, LIMIT_STEP_BYTES, MB, smallest_limit
from loadtests.timing.warmup import FEWEST_REQUESTS
from tests.support.locust_runs import keep_alive
from tests.support.records import NOON
from tests.support.servers import KEEP, serving

BLANK = LimitVisit(
    run="run",
    round=1,
    position=1,
    cell="cell",
    started_at=NOON,
    limit_bytes=None,
    step_bytes=LIMIT_STEP_BYTES,
    repeats=LIMIT_REPEATS,
    attempts=[],
)


def _running(url: str = "", end: str | None = None, *, may_compile: bool = False) -> RunningServer:
    return RunningServer(
        url=url,
        client_prefix=(),
        cpu_meter=None,
        memory_meter="tree:1",
        may_compile=may_compile,
        exit_reason=lambda: end,
    )


@pytest.mark.parametrize(
    ("readings", "settles"),
    [
        ([(10, 1), (30, 1), (30, 1), (30, 1)], 2),
        ([(30, 1), (30, 2), (30, 2)], 2),  # another worker, which has not allocated anything yet
        ([(10, 1), (30, 1), (10, 1), (10, 1)], 3),  # memory that was given back
    ],
)
def test_memory_is_read_once_neither_it_nor_the_number_of_processes_changes(
    readings: list[tuple[int, int]], settles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [MemoryReading(pss_bytes=mb * MB, processes=processes) for mb, processes in readings]
    left = iter(seen)
    monkeypatch.setattr(memory, "read_memory", lambda _: next(left))
    monkeypatch.setattr(memory, "STILL_S", 0.0)
    assert memory.settled(_running()) is seen[settles]


def test_the_load_is_as_many_requests_as_were_asked_for() -> None:
    with serving(keep_alive) as server:
        memory.load(_running(f"http://127.0.0.1:{server.address[1]}"), 50)
        assert server.requests == 50


def test_a_server_that_may_compile_its_code_is_loaded_until_it_has_and_says_so() -> None:
    assert memory.requests_for(_running()) == memory.REQUESTS
    assert memory.requests_for(_running(may_compile=True)) == FEWEST_REQUESTS > memory.REQUESTS


@pytest.mark.parametrize(
    ("answer", "end", "reason"),
    [
        (KEEP.replace(b"200 OK", b"503 No"), None, "a wrong response with status 503"),
        (KEEP.replace(b"hello", b"jello"), None, "a wrong response with status 200"),
        (KEEP, "killed for memory", "killed for memory"),
    ],
)
def test_a_server_under_load_fails_with_a_wrong_response_or_if_it_ends(
    answer: bytes, end: str | None, reason: str
) -> None:
    with serving(lambda client, _: client.send(answer)) as server, pytest.raises(FailedError, match=reason):
        memory.load(_running(f"http://127.0.0.1:{server.address[1]}", end), 50)


def _needing(needed_bytes: int, limit_bytes: int) -> str | None:
    return None if limit_bytes >= needed_bytes else "killed for memory"


@pytest.mark.parametrize("needed_mb", [8.5, 12, 23.9, 24, 61, 64, 65, 127, 500, 2047])
def test_the_limit_is_the_least_multiple_of_a_step_that_passes(needed_mb: float) -> None:
    needed_bytes = int(needed_mb * MB)
    found = smallest_limit(BLANK, lambda limit_bytes: _needing(needed_bytes, limit_bytes))
    assert found.limit_bytes is not None
    assert 0 <= found.limit_bytes - needed_bytes < LIMIT_STEP_BYTES
    assert found.limit_bytes % LIMIT_STEP_BYTES == 0
    assert [one.passed for one in found.attempts if one.limit_bytes == found.limit_bytes] == [True] * LIMIT_REPEATS


def test_a_stack_that_passes_under_no_limit_has_none() -> None:
    found = smallest_limit(BLANK, lambda _: "killed for memory")
    assert found.limit_bytes is None
    assert {one.why for one in found.attempts} == {"killed for memory"}
    assert found.attempts[-1].limit_bytes == GREATEST_LIMIT_BYTES


@pytest.mark.parametrize("seed", range(20))
def test_a_limit_that_passes_by_chance_is_not_accepted(seed: int) -> None:
    """Between 40 and 60 MB a start passes half of the time; the limit found has passed three times in a row."""
    chance = random.Random(seed)  # noqa: S311 -- not for secrets

    def attempt(limit_bytes: int) -> str | None:
        sure = limit_bytes >= 60 * MB or limit_bytes < 40 * MB
        return _needing(40 * MB, limit_bytes) if sure or chance.random() < 0.5 else "killed for memory"

    found = smallest_limit(BLANK, attempt)
    assert found.limit_bytes is not None
    assert _row_at_the_end(found) >= LIMIT_REPEATS - 1  # the bisection's own pass is the first


def _row_at_the_end(found: LimitVisit) -> int:
    """Return how many consecutive attempts passed under the limit at the end."""
    count = 0
    for one in reversed(found.attempts):
        if one.limit_bytes != found.limit_bytes or not one.passed:
            break
        count += 1
    return count
