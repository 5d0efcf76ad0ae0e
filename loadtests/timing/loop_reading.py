"""A reading with the counters of a loop, apart from ``reading`` since loops import gevent, which is slow to import."""

from dataclasses import replace

from common.host.meters import CpuReading
from loadtests.timing.reading import ArrivalCounters, CoreReading, Reading, take_reading
from loadtests.users.closed_loop import ClosedLoop
from loadtests.users.open_loop import OpenLoop


def read_loop(
    loop: ClosedLoop | None,
    *,
    users: int,
    server: CpuReading | None = None,
    cores: CoreReading | None = None,
) -> Reading:
    """Return what ``take_reading`` does with the counters of a loop, which stands still meanwhile."""
    reading = take_reading(server=server, cores=cores)
    if loop is None:
        return replace(reading, users=users)
    return replace(
        reading,
        users=users,
        tallies=tuple(tally.copy() for tally in loop.tallies.values()),
        sent=loop.sent,
        in_flight=loop.in_flight,
        reconnects=loop.reconnects,
        open_now=loop.open_now,
        open_min=loop.sockets.open_min,
        arrivals=_arrivals(loop) if isinstance(loop, OpenLoop) else None,
    )


def _arrivals(loop: OpenLoop) -> ArrivalCounters:
    return ArrivalCounters(
        rate_rps=loop.schedule.rate_rps,
        planned=loop.planned,
        queued=loop.queued,
        given_up=loop.given_up,
        waiting=loop.waiting,
        from_send=loop.from_send.copy(),
        send_lag=loop.send_lag.copy(),
    )
