"""Servers whose ``/sleep`` has a wrong duration or a wrong body."""

import math
import threading
import time
from typing import ClassVar

from common.contract import MAX_DELAY_MS
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good


@caught("sleep", "sleep_of_over_a_second_lasts_as_long_as_it_states", among="not bad_delay and not longest")
class CapsSleeps(Good):
    """Sleeps for at most a second."""

    def wait(self, delay_s: float) -> None:
        """Sleep too short."""
        super().wait(min(delay_s, 1.0))


@caught("sleep", "sleep_of_over_a_second_lasts_as_long_as_it_states", among="not bad_delay and not longest")
class WrapsAroundAtASecond(Good):
    """Passes only the microseconds of the last second to its timer."""

    def wait(self, delay_s: float) -> None:
        """Drop whole seconds."""
        super().wait(delay_s % 1)


@caught("sleep", "sleep_of_over_a_second_lasts_as_long_as_it_states", among="not bad_delay")
class WritesThousandsSeparators(Good):
    """Formats numbers for readers."""

    def slept(self, _text: str, delay_ms: int) -> str:
        """State 1,100."""
        return f"slept for {delay_ms:,} ms"


@caught("sleep", "sleep_of_over_a_second_lasts_as_long_as_it_states", among="not bad_delay and not never_shorter")
class FivePercentShort(Good):
    """Sleeps 5 % less than requested; up to 50 ms, the time that the rest of the request takes can hide that."""

    def wait(self, delay_s: float) -> None:
        """Sleep too short."""
        self.stopping.wait(delay_s * 0.95)


@caught("sleep", "sleep_is_never_shorter_than_requested", among="not bad_delay and not over_a_second")
class OneMillisecondShort(Good):
    """Sleeps 1 ms less than requested, like an event loop with a coarse clock."""

    def wait(self, delay_s: float) -> None:
        """Sleep too short, and end in a busy loop, because a late wake-up would hide the fault."""
        until_s = time.perf_counter() + delay_s - 0.001
        self.stopping.wait(max(delay_s - 0.004, 0))
        while time.perf_counter() < until_s and not self.stopping.is_set():
            pass


@caught(
    "sleep",
    "sleep_is_never_shorter_than_requested",
    "sleep_of_over_a_second_lasts_as_long_as_it_states",
    "longest_delay_is_accepted",
    among="not bad_delay",
)
class NeverSleeps(Good):
    """Does not sleep at all."""

    def wait(self, _delay_s: float) -> None:
        """Return at once."""


@caught("sleep", "sleep_is_not_much_longer_than_requested[50]", among="not_much_longer")
class WakesUpLate(Good):
    """Checks only once a second whether a sleep is over."""

    def wait(self, delay_s: float) -> None:
        """Sleep too long."""
        self.stopping.wait(math.ceil(delay_s) + delay_s)


@caught("sleep", "longest_delay_is_accepted", among="longest")
class RefusesTheLongest(Good):
    """Accepts only delays below the maximum."""

    def parse(self, text: str) -> int:
        """Refuse 60000."""
        if (delay_ms := super().parse(text)) == MAX_DELAY_MS:
            raise ValueError(text)
        return delay_ms


@caught("sleep", "sleep_states_the_delay_as_an_integer", among="states")
class EchoesTheText(Good):
    """States the delay as it was written in the request."""

    def slept(self, text: str, _delay_ms: int) -> str:
        """Return the text of the request."""
        return f"slept for {text} ms"


@caught(
    "sleep",
    "sleep_states_the_delay_as_an_integer[08-8]",
    "sleep_states_the_delay_as_an_integer[00010-10]",
    among="states",
)
class ReadsOctal(Good):
    """Takes a number with a leading zero as octal."""

    def parse(self, text: str) -> int:
        """Parse 00010 as 8, and refuse 08."""
        delay_ms = super().parse(text)
        return int(text, 8) if text.startswith("0") else delay_ms


@caught("sleep", "sleep_has_content_type_json", among="states or content_type")
class SleepInText(Good):
    """Sends its sleeps with the content type of plain text."""

    def sleep(self, text: str) -> None:
        """Change the content type for a valid delay."""
        self.content_type = "text/plain" if text.isascii() and text.isdigit() else self.content_type  # type: ignore[misc]
        super().sleep(text)


@caught("overlap", "concurrent_sleeps_overlap", "hello_is_answered_during_a_sleep")
class BlocksEverybody(Good):
    """Sleeps in its event loop, so that every request waits."""

    loop: ClassVar[threading.Lock] = threading.Lock()

    def route(self) -> None:
        """Handle one request at a time."""
        with self.loop:
            super().route()
            self.wfile.flush()  # before another request has its turn


@caught("overlap", "concurrent_sleeps_overlap", "hello_is_answered_during_a_sleep")
class BlocksAfterAWhile(BlocksEverybody):
    """Blocks like that, but takes its time to begin, as on a busy machine."""

    def route(self) -> None:
        """Let requests that come a moment later go first."""
        if self.path.startswith("/sleep/"):
            time.sleep(0.15)
        super().route()


@caught("overlap", "concurrent_sleeps_overlap")
class BlocksOtherSleeps(Good):
    """Has one thread for all sleeps, and others for other requests."""

    pool: ClassVar[threading.Lock] = threading.Lock()

    def wait(self, delay_s: float) -> None:
        """Sleep once at a time."""
        with self.pool:
            super().wait(delay_s)


@caught("overlap", "concurrent_sleeps_are_not_mixed_up")
class KeepsTheDelayInAGlobal(Good):
    """States the delay that was requested last, by any client."""

    delay_ms: ClassVar[int] = 0

    def parse(self, text: str) -> int:
        """Store the delay where all requests share it."""
        type(self).delay_ms = super().parse(text)
        return self.delay_ms

    def slept(self, text: str, _delay_ms: int) -> str:
        """State the stored delay."""
        return super().slept(text, self.delay_ms)


@caught("overlap", "sleep_is_not_cut_short_by_another_that_ends")
class WakesEverySleeper(Good):
    """Has one alarm for all sleeps and does not check whose time has come."""

    alarm: ClassVar[threading.Condition] = threading.Condition()

    def wait(self, delay_s: float) -> None:
        """Sleep until any sleep ends."""
        with self.alarm:
            self.alarm.wait(delay_s)
            self.alarm.notify_all()


@caught("overlap", "concurrent_sleeps_overlap", "concurrent_sleeps_are_not_mixed_up", among="concurrent")
class RefusesConcurrentSleeps(Good):
    """Answers 503 to a sleep while another is in progress, which takes no longer than sleeping at the same time."""

    busy: ClassVar[threading.Lock] = threading.Lock()

    def wait(self, delay_s: float) -> None:
        """Sleep if nobody else does."""
        if self.busy.acquire(blocking=False):
            try:
                super().wait(delay_s)
            finally:
                self.busy.release()
        else:
            self.answer(503, self.encode({"error": "busy"}))
            self.close_connection = True
