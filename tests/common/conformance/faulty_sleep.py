"""Servers whose ``/sleep`` sleeps wrongly, or says it wrongly."""

import math
import threading
import time
from typing import ClassVar

from common.contract import MAX_DELAY_MS
from tests.common.conformance.faults import caught
from tests.common.conformance.good_server import Good


@caught("sleep", "sleep_is_never_shorter_than_asked", among="not bad_delay")
class FivePercentShort(Good):
    """Sleeps 5 % less than asked; at 10 ms and below that may hide in the time a request takes."""

    def wait(self, delay_s: float) -> None:
        """Too short."""
        self.stopping.wait(delay_s * 0.95)


@caught("sleep", "sleep_is_never_shorter_than_asked", among="not bad_delay")
class OneMillisecondShort(Good):
    """Sleeps 1 ms less than asked, as an event loop with a coarse clock does."""

    def wait(self, delay_s: float) -> None:
        """Too short. It ends in a spin, because a late wake-up would hide the fault."""
        until_s = time.perf_counter() + delay_s - 0.001
        self.stopping.wait(max(delay_s - 0.004, 0))
        while time.perf_counter() < until_s and not self.stopping.is_set():
            pass


@caught("sleep", "sleep_is_never_shorter_than_asked", "the_longest_delay_is_accepted", among="not bad_delay")
class NeverSleeps(Good):
    """Does not wait at all."""

    def wait(self, _delay_s: float) -> None:
        """Nothing."""


@caught("sleep", "sleep_is_not_much_longer_than_asked[50]", among="not_much_longer")
class WakesUpLate(Good):
    """Looks only once a second whether a sleep is over."""

    def wait(self, delay_s: float) -> None:
        """Too long."""
        self.stopping.wait(math.ceil(delay_s) + delay_s)


@caught("sleep", "the_longest_delay_is_accepted", among="longest")
class RefusesTheLongest(Good):
    """Accepts less than the longest delay, by one."""

    def parse(self, text: str) -> int:
        """60000 is refused."""
        if (delay_ms := super().parse(text)) == MAX_DELAY_MS:
            raise ValueError(text)
        return delay_ms


@caught("sleep", "sleep_says_the_delay_as_an_integer", among="says")
class EchoesTheText(Good):
    """Says what was asked in the words it was asked in."""

    def slept(self, text: str, _delay_ms: int) -> str:
        """007."""
        return f"slept for {text} ms"


@caught(
    "sleep",
    "sleep_says_the_delay_as_an_integer[08-8]",
    "sleep_says_the_delay_as_an_integer[00010-10]",
    among="says",
)
class ReadsOctal(Good):
    """Takes a leading zero for an octal number."""

    def parse(self, text: str) -> int:
        """Octal 10 is 8; 08 is none."""
        delay_ms = super().parse(text)
        return int(text, 8) if text.startswith("0") else delay_ms


@caught("sleep", "sleep_is_json_by_its_content_type", among="says or content_type")
class SleepInText(Good):
    """Labels its sleeps as text."""

    def sleep(self, text: str) -> None:
        """Text where the sleep was good."""
        self.content_type = "text/plain" if text.isascii() and text.isdigit() else self.content_type  # type: ignore[misc]
        super().sleep(text)


@caught("overlap", "sleeps_at_once_overlap", "hello_is_answered_during_a_sleep")
class BlocksEverybody(Good):
    """Sleeps in its event loop, so that everybody waits."""

    loop: ClassVar[threading.Lock] = threading.Lock()

    def route(self) -> None:
        """One request at a time."""
        with self.loop:
            super().route()


@caught("overlap", "sleeps_at_once_overlap")
class BlocksOtherSleeps(Good):
    """Has one thread for all sleeps, and others for the rest."""

    pool: ClassVar[threading.Lock] = threading.Lock()

    def wait(self, delay_s: float) -> None:
        """One sleep at a time."""
        with self.pool:
            super().wait(delay_s)


@caught("overlap", "sleeps_at_once_are_not_mixed_up")
class KeepsTheDelayInAGlobal(Good):
    """Tells everybody the delay that was asked for last."""

    delay_ms: ClassVar[int] = 0

    def parse(self, text: str) -> int:
        """The delay, kept where all requests see it."""
        type(self).delay_ms = super().parse(text)
        return self.delay_ms

    def slept(self, text: str, _delay_ms: int) -> str:
        """What is kept now."""
        return super().slept(text, self.delay_ms)
