"""The closed loop's counts agree with what the server did, whatever the server does."""

import errno
import gc
import itertools
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import gevent
import pytest

from loadtests.users import closed_loop, exchange
from loadtests.users.closed_loop import SLICE_S, ClosedLoop
from loadtests.users.connection import Connection, PreparedRequest
from loadtests.users.exchange import RETRY_S
from loadtests.users.responses import Failure, Request, json_string
from loadtests.users.tally import Tally, added_up
from tests.support.servers import BODY, CHUNKED, CLOSE, KEEP, Behaviour, Client, Server, serving

HELLO = Request("/hello", expect=json_string("hello world"), timeout_s=5)
USERS = 4
DEADLINE_S = 20.0


class Load:
    """A closed loop with some connections to a server."""

    def __init__(
        self, server: Server, *requests: Request, users: int = USERS, think: Callable[[], float] | None = None
    ) -> None:
        self.flushed = 0
        self.loop = ClosedLoop(flush=self.flush)
        targets = [self.loop.target(request, "127.0.0.1") for request in requests or (HELLO,)]
        address = (socket.AF_INET, server.address)
        self.connections = [Connection(address, targets, think=think) for _ in range(users)]
        for connection in self.connections:
            self.loop.add(connection)

    def flush(self) -> None:
        """Stand in for merging counts into Locust's statistics."""
        self.flushed = self.done.good

    @property
    def done(self) -> Tally:
        """Return all counts so far."""
        return added_up(self.loop.tallies.values())

    def until(self, enough: Callable[[], bool]) -> None:
        """Drive until the condition holds."""
        deadline_s = time.perf_counter() + DEADLINE_S
        while not enough():
            assert time.perf_counter() < deadline_s, f"not reached: {self.done}"
            gevent.sleep(0.002)

    def until_ended(self, count: int) -> None:
        """Drive until this many requests have ended."""
        self.until(lambda: self.done.good + self.done.wrong + self.done.lost >= count)

    def finish(self) -> None:
        """Let every request in flight end, then check that nothing is left over."""
        for connection in self.connections:
            self.loop.finish(connection)
        for connection in self.connections:
            connection.done.get(timeout=DEADLINE_S)
        self.check_sum()
        assert self.loop.open_now == 0

    def check_sum(self) -> None:
        """Check that every request begun has ended exactly once or is in flight."""
        done, loop = self.done, self.loop
        assert loop.sent == done.good + done.wrong + done.lost + loop.abandoned + loop.in_flight


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    deadline_s = time.perf_counter() + DEADLINE_S
    while not gc.isenabled():  # an engine without connections ends at its next turn
        assert time.perf_counter() < deadline_s
        gevent.sleep(0.01)


def test_a_server_that_waits_for_our_half_of_a_connection_to_close_never_waits_for_a_timeout() -> None:
    """Gunicorn's sync worker behaves so, and serves no other connection meanwhile."""
    alone = threading.Lock()

    def lingering(client: Client, _: int) -> bool:
        with alone, suppress(OSError):
            client.send(CLOSE)
            client.sock.shutdown(socket.SHUT_WR)
            client.sock.recv(1)
        return False

    with serving(lingering) as server:
        load = Load(server, users=1)
        load.until_ended(5)
        load.finish()
        assert not load.done.failures


def keep_alive(client: Client, _: int) -> bool:
    return client.send(KEEP)


def closing(client: Client, _: int) -> bool:
    client.send(CLOSE)
    return False


def chunked(client: Client, _: int) -> bool:
    return client.send(CHUNKED)


def in_pieces(client: Client, number: int) -> bool:
    cut = number % len(KEEP)
    client.send(KEEP[:cut])
    time.sleep(0.0005)
    return client.send(KEEP[cut:])


def byte_by_byte(client: Client, _: int) -> bool:
    return all(client.send(KEEP[index : index + 1]) for index in range(len(KEEP)))


def announced(client: Client, _: int) -> bool:
    return client.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + KEEP)


def until_close(client: Client, _: int) -> bool:
    client.send(b"HTTP/1.1 200 OK\r\n\r\n" + BODY)
    return False


@pytest.mark.parametrize("behaviour", [keep_alive, chunked, in_pieces, byte_by_byte, announced])
def test_a_server_that_keeps_connections_is_counted_exactly(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        load = Load(server)
        load.until_ended(300)
        load.finish()
        assert load.done.good == load.loop.sent == server.requests
        assert load.done.body_bytes == load.done.good * len(BODY)
        assert (load.done.failures, load.loop.reconnects, server.accepted) == ({}, 0, USERS)


def test_two_answers_to_one_request_do_not_count_twice_whenever_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "QUIET_S", 0.2)  # so that even a delayed server sends the second answer within it

    def twice(client: Client, _: int) -> bool:
        client.send(KEEP)
        time.sleep(0.002)
        return client.send(KEEP)

    with serving(twice) as server:
        load = Load(server)
        load.until(lambda: load.done.failures[Failure.EXTRA_BYTES] >= 20)
        load.finish()
        assert load.done.good + load.done.wrong == load.loop.sent <= server.requests
        assert load.done.failures[Failure.EXTRA_BYTES] >= load.loop.sent - USERS


def test_a_body_without_end_does_not_fill_the_memory() -> None:
    def endless(client: Client, _: int) -> bool:
        client.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n"):
            pass
        return False

    with serving(endless) as server:
        load = Load(server, replace(HELLO, max_answer_bytes=10**6), users=2)
        load.until_ended(6)
        load.finish()
        assert load.done.failures == {Failure.TOO_LONG: load.loop.sent}


@pytest.mark.parametrize("behaviour", [closing, until_close])
def test_a_server_that_closes_is_counted_exactly(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        load = Load(server)
        load.until_ended(300)
        load.finish()
        assert load.done.good == load.loop.sent == server.requests == server.accepted
        assert load.done.failures == {}
        assert load.loop.reconnects == server.accepted - USERS


def every_fifth(other: Behaviour) -> Behaviour:
    return lambda client, number: other(client, number) if number % 5 == 0 else keep_alive(client, number)


def half(client: Client) -> bool:
    client.send(KEEP[:-3])
    return False


def half_then_reset(client: Client) -> bool:
    client.send(KEEP[:-3])
    return client.reset()


FAULTS: dict[str, tuple[Callable[[Client], bool], set[str]]] = {
    "wrong body": (lambda client: client.send(KEEP.replace(b"world", b"w0rld")), {Failure.WRONG_BODY}),
    "status 503": (lambda client: client.send(KEEP.replace(b"200 OK", b"503 No")), {"status 503"}),
    "malformed": (lambda client: client.send(b"HTTP/1.1 two hundred\r\n\r\n"), {Failure.MALFORMED}),
    "upgrade": (
        lambda client: client.send(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        {Failure.MALFORMED},
    ),
    "extra bytes": (lambda client: client.send(KEEP + b"x"), {Failure.EXTRA_BYTES}),
    "two answers": (lambda client: client.send(KEEP + KEEP), {Failure.EXTRA_BYTES}),
    "cut short": (half, {Failure.CUT_SHORT}),
    "closed": (lambda _: False, {Failure.CLOSED}),
    "reset": (Client.reset, {Failure.RESET}),
    "reset in the middle": (half_then_reset, {Failure.RESET, Failure.CUT_SHORT}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_a_failure_with_its_name_and_nothing_else_is(name: str) -> None:
    fault, reasons = FAULTS[name]
    with serving(every_fifth(lambda client, _: fault(client))) as server:
        load = Load(server)
        load.until_ended(200)
        load.finish()
        done = load.done
        assert load.loop.sent == server.requests
        assert done.wrong + done.lost == done.failures.total() == server.requests // 5
        assert set(done.failures) <= reasons
        assert done.good == server.requests - server.requests // 5


def test_a_half_close_after_an_answer_fails_the_next_request_and_reconnects() -> None:
    def half_close(client: Client, number: int) -> bool:
        client.send(KEEP)
        if number % 5 == 0:
            client.sock.shutdown(socket.SHUT_WR)
        return True

    with serving(half_close) as server:
        load = Load(server)
        load.until_ended(100)
        load.finish()
        assert set(load.done.failures) == {Failure.CLOSED}
        assert load.loop.reconnects >= load.done.lost - USERS > 0


def test_a_slow_answer_is_a_timeout_and_its_connection_is_not_reused() -> None:
    def sometimes_silent(client: Client, number: int) -> bool:
        return True if number % 5 == 0 else client.send(KEEP)

    with serving(sometimes_silent) as server:
        load = Load(server, Request("/hello", expect=json_string("hello world"), timeout_s=2))
        load.until_ended(25)
        load.finish()
        assert load.done.failures == {Failure.TIMEOUT: server.requests // 5}
        assert load.loop.sent == server.requests


@pytest.mark.parametrize("behaviour", [keep_alive, closing])
def test_a_vanished_server_gives_refusals_at_a_bounded_rate_until_it_is_back(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        load = Load(server)
        load.until_ended(100)
        _, port = server.address
        server.vanish()
        load.until(lambda: load.done.failures[Failure.REFUSED] >= 20)
        before, started_s = load.loop.sent, time.perf_counter()
        load.until(lambda: load.loop.sent > before + 20)
        assert load.loop.sent - before <= USERS * (1 + (time.perf_counter() - started_s) / RETRY_S)
        assert load.loop.open_now == 0
        with socket.create_server(("127.0.0.1", port)) as listener:
            again = Server(behaviour, listener)
            thread = gevent.get_hub().threadpool.spawn(again.accept)
            good = load.done.good
            load.until(lambda: load.done.good > good + 100)
            load.finish()
            again.vanish()
            thread.get(timeout=DEADLINE_S)


@pytest.mark.parametrize("behaviour", [keep_alive, closing])
def test_a_socket_that_cannot_be_opened_fails_its_request(
    behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = itertools.count(1)

    def sometimes(opened: Callable[[Connection], int]) -> Callable[[Connection], int]:
        return lambda connection: opened(connection) if next(attempts) % 5 else errno.EMFILE

    monkeypatch.setattr(Connection, "connect", sometimes(Connection.connect))
    monkeypatch.setattr(Connection, "reconnect", sometimes(Connection.reconnect))
    with serving(behaviour) as server:
        load = Load(server, users=8)
        load.until_ended(40)
        load.finish()
        assert load.done.failures == {"system error EMFILE": (next(attempts) - 1) // 5}
        assert load.done.good == server.requests


def test_a_connection_that_a_busy_server_does_not_accept_is_not_open() -> None:
    def serve_some(listener: socket.socket) -> None:
        for left in reversed(range(40)):
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                if not left:
                    listener.listen(0)  # from now on, nearly all connections have to wait
                sock.sendall(CLOSE)

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = threading.Thread(target=serve_some, args=[listener])
        server.start()
        load = Load(Server(closing, listener), replace(HELLO, timeout_s=10 * DEADLINE_S))
        load.until(lambda: load.done.good >= 40 and load.loop.open_now < USERS)
        assert load.done.good == 40
        for connection in load.connections:
            load.loop.remove(connection)
        server.join(DEADLINE_S)


def test_stopping_loses_nothing() -> None:
    with serving(keep_alive) as server:
        load = Load(server)
        load.until_ended(300)
        load.until(lambda: load.loop.in_flight == USERS)  # a connection pauses for a moment after its first answer
        for connection in load.connections:
            load.loop.remove(connection)
        load.check_sum()
        assert load.loop.abandoned == USERS
        assert load.flushed == load.done.good
        assert server.requests - USERS <= load.done.good <= server.requests


def test_a_removed_connection_is_closed_and_the_others_go_on() -> None:
    with serving(keep_alive) as server:
        load = Load(server)
        load.until_ended(5)
        load.loop.remove(load.connections[0])
        good = load.done.good
        load.until_ended(good + 50)
        assert (load.loop.connections, load.loop.open_now) == (USERS - 1, USERS - 1)
        load.finish()


def test_several_requests_are_drawn_by_weight_and_counted_by_name() -> None:
    with serving(keep_alive) as server:
        some = Request("/a", expect=BODY, weight=9)
        few = Request("/b", expect=BODY, name="b")
        load = Load(server, some, few)
        load.until_ended(2000)
        load.finish()
        good = {name: tally.good for (_, name), tally in load.loop.tallies.items()}
        assert sum(good.values()) == server.requests
        assert 0.05 < good["b"] / sum(good.values()) < 0.15


def test_a_connection_closed_during_a_pause_is_not_a_failure() -> None:
    def quiet_close(client: Client, _: int) -> bool:
        client.send(KEEP)
        return False

    with serving(quiet_close) as server:
        load = Load(server, think=lambda: 0.02)
        started_s = time.perf_counter()
        load.until_ended(5 * USERS)
        assert time.perf_counter() - started_s >= 4 * 0.02
        load.finish()
        assert load.done.failures == {}
        assert load.loop.reconnects > 0


def test_a_large_request_and_a_large_answer_pass_in_many_pieces() -> None:
    size = 3_000_000
    request = Request("/", expect=b"x" * size, method="POST", body=b"y" * size)

    def swallow_and_send(client: Client, _: int) -> bool:
        time.sleep(0.02)  # so that the request fills the sockets' buffers
        left = size
        while left:
            left -= len(client.sock.recv(min(65536, left)))
        return client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    with serving(swallow_and_send, read_bytes=1) as server:
        load = Load(server, request, users=1)
        load.until_ended(3)
        load.finish()
        assert load.done.failures == {}
        assert load.done.body_bytes == load.done.good * size == server.requests * size


def test_other_greenlets_get_their_turn_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy loop must not keep timers waiting; with ``gevent.sleep(0)`` they fired half a second late."""

    def busy(_: ClosedLoop) -> None:
        end_s = time.perf_counter() + SLICE_S
        while time.perf_counter() < end_s:
            pass

    with serving(keep_alive) as server:
        load = Load(server)
        load.until_ended(10)
        with monkeypatch.context() as patch:
            patch.setattr(ClosedLoop, "_slice", busy)
            started_s = time.perf_counter()
            gevent.sleep(0.01)
            late_s = time.perf_counter() - started_s - 0.01
        load.finish()
        assert late_s < 0.25


@pytest.mark.parametrize(("yields_at_s", "handled"), [(math.inf, 10), (0.0035, 4), (0.0, 10), (1.0, 10)])
def test_the_loop_yields_at_a_time_that_is_asked_for(
    yields_at_s: float, handled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With answers at any time, each of which takes a millisecond to handle, on a clock that stands still otherwise."""
    loop, now_s = ClosedLoop(flush=lambda: None), 0.0

    def handle(_: object) -> None:
        nonlocal now_s
        now_s += 0.001

    monkeypatch.setattr(closed_loop, "clock", lambda: now_s)
    monkeypatch.setattr(loop.sockets, "poll", lambda _: [(1, 1)])
    monkeypatch.setattr(loop, "_handle", handle)
    loop.yields_at_s = yields_at_s
    loop._slice()
    assert now_s == pytest.approx(handled * 0.001)


def test_memory_does_not_grow_with_requests() -> None:
    with serving(keep_alive) as server:
        load = Load(server)
        load.until_ended(500)
        before = len(gc.get_objects())
        load.until_ended(load.done.good + 3000)
        assert len(gc.get_objects()) - before < 100
        load.finish()


@pytest.mark.parametrize("behaviour", [keep_alive, closing, in_pieces])
def test_nothing_is_sent_between_hold_and_release(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        load = Load(server)
        for _ in range(3):
            load.until_ended(load.loop.sent + 20)
            load.loop.hold()
            load.until(lambda: not load.loop.in_flight)
            sent = load.loop.sent
            gevent.sleep(0.03)
            assert load.loop.sent == sent == load.done.good
            load.loop.release()
        load.finish()
        assert not load.done.failures


def test_connections_that_are_closed_while_held_are_opened_again_and_nothing_has_failed() -> None:
    with serving(keep_alive) as server:
        load = Load(server)
        load.until_ended(20)
        load.loop.hold()
        load.until(lambda: not load.loop.in_flight)
        for sock in server.clients:
            sock.shutdown(socket.SHUT_RDWR)
        load.loop.release()
        load.until_ended(load.loop.sent + 20)
        load.finish()
        assert (load.loop.reconnects, load.done.failures) == (USERS, {})


def test_a_connection_can_end_while_it_is_held() -> None:
    with serving(keep_alive) as server:
        load = Load(server)
        load.until_ended(20)
        load.loop.hold()
        load.until(lambda: not load.loop.in_flight)
        load.finish()


def test_the_garbage_collector_stays_off_until_the_last_loop_of_the_process_has_ended() -> None:
    with serving(keep_alive) as first, serving(keep_alive) as second:
        one, other = Load(first), Load(second)
        for load in (one, other):
            load.until_ended(20)
        one.finish()
        one.until(lambda: one.loop._greenlet is None)
        assert not gc.isenabled()
        other.finish()
        other.until(gc.isenabled)


def test_a_loop_keeps_nothing_of_the_requests_of_users_that_have_gone() -> None:
    loop = ClosedLoop(flush=lambda: None)

    def prepared() -> int:
        return sum(isinstance(one, PreparedRequest) for one in gc.get_objects())

    before = prepared()
    for _ in range(100):
        loop.target(Request("/hello", expect=lambda _: True), "127.0.0.1")
    assert prepared() <= before


def test_each_user_learns_its_own_answer_and_all_are_counted_together() -> None:
    loop = ClosedLoop(flush=lambda: None)
    one, other = (loop.target(HELLO, "127.0.0.1") for _ in range(2))
    assert one is not other
    assert one.tally is other.tally
