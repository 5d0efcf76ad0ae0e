"""Several calls run at a time; after an error, those that have begun are finished and no others are made."""

import threading

import pytest

from common.parallel import each_finished

DEADLINE_S = 10


def test_each_item_comes_with_its_result_as_soon_as_that_is_there() -> None:
    second_seen = threading.Event()

    def square(number: int) -> int:
        assert number == 2 or second_seen.wait(DEADLINE_S)
        return number * number

    results = each_finished(square, [3, 2], at_once=2)
    assert next(results) == (2, 4)
    second_seen.set()
    assert list(results) == [(3, 9)]


def test_no_more_than_so_many_run_at_once() -> None:
    lock, most, running = threading.Lock(), 0, 0
    both_run = threading.Barrier(2)

    def work(_: int) -> None:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        both_run.wait(DEADLINE_S)
        with lock:
            running -= 1

    assert len(list(each_finished(work, range(6), at_once=2))) == 6
    assert most == 2


@pytest.mark.parametrize(("items", "at_once"), [([1, 2], 1), ([1], 4)])
def test_one_at_a_time_is_done_in_the_callers_thread(items: list[int], at_once: int) -> None:
    found = list(each_finished(lambda _: threading.get_ident(), items, at_once=at_once))
    assert found == [(item, threading.get_ident()) for item in items]


def test_after_an_error_what_has_begun_is_finished_and_the_rest_is_not_begun() -> None:
    begun, finished, failed = list[int](), list[int](), threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            failed.set()
            raise ValueError("refused")
        assert failed.wait(DEADLINE_S)
        threading.Event().wait(0.2)
        finished.append(number)

    with pytest.raises(ValueError, match="refused"):
        list(each_finished(work, range(50), at_once=2))
    assert sorted(begun) == sorted([0, *finished])
    assert len(begun) < 5
