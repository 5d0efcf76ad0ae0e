"""A fixed piece of work, timed on the server's cores, so that changes in the machine show."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from common.host.core_times import core_times
from common.records.window import Canary

REPEATS = 5
TURNS = 4000
_DOCUMENT = {"message": "hello world", "values": list(range(40)), "nested": {"key": ["text"] * 10}}


def time_reference_work(canary: Canary, cores: Sequence[int]) -> Canary:
    """Return ``canary`` with the median times of the work on ``cores``.

    This takes some tenths of a second. Medians keep a single interruption from deciding. The process's own cores are
    restored afterwards.
    """
    load_average = os.getloadavg()[0]
    with _pinned(cores):
        _work()  # warms up caches and the clock speed
        before = core_times(cores)
        times = [_timed() for _ in range(REPEATS)]
        stolen_s = core_times(cores).since(before).steal_s
    cpu_s, wall_s = (sorted(column)[REPEATS // 2] for column in zip(*times, strict=True))
    return replace(canary, cpu_s=cpu_s, wall_s=wall_s, steal_s=stolen_s, load_average=load_average)


def _timed() -> tuple[float, float]:
    cpu_s, wall_s = time.thread_time(), time.perf_counter()
    _work()
    return time.thread_time() - cpu_s, time.perf_counter() - wall_s


def _work() -> None:
    """Do what a Python server does: create objects and strings, encode JSON, hash some kilobytes."""
    digest = hashlib.sha256()
    for turn in range(TURNS):
        text = json.dumps(_DOCUMENT | {"turn": turn})
        digest.update(text.encode())
        assert json.loads(text)["turn"] == turn


@contextmanager
def _pinned(cores: Sequence[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
