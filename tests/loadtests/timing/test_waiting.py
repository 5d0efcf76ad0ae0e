"""Waiting looks until something is reached or the time is over, and says which."""

import time

from loadtests.timing.window import wait_until


def test_what_is_reached_already_is_not_waited_for() -> None:
    begun_s = time.perf_counter()
    assert wait_until(lambda: True, 0, look_every_s=60)
    assert time.perf_counter() - begun_s < 1


def test_waiting_ends_once_it_is_reached() -> None:
    looks = iter([False, False, True, False])
    assert wait_until(lambda: next(looks), 60, look_every_s=0.001)
    assert next(looks) is False


def test_waiting_ends_when_the_time_is_over() -> None:
    begun_s = time.perf_counter()
    assert not wait_until(lambda: False, 0.1, look_every_s=0.01)
    assert 0.1 <= time.perf_counter() - begun_s < 5
