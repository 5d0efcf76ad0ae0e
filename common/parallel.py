"""Call a function for several items at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_finished(
    work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with what ``work`` returned for it, as soon as it is available.

    If a call raises, or the caller is interrupted or stops early, the calls that have begun are finished and no others
    are made. With ``at_once=1`` the work is done in the caller's own thread, where an interrupt ends it at once.
    """
    if min(at_once, len(items)) <= 1:
        yield from ((item, work(item)) for item in items)
        return
    pool = ThreadPoolExecutor(max_workers=at_once)
    try:
        started = {pool.submit(work, item): item for item in items}
        for future in as_completed(started):
            yield started[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)
