"""The workloads, each a few lines: what is sent and what must come back."""

from collections.abc import Sequence

from loadtests.users.answers import Request, json_string
from loadtests.users.arrival_user import ArrivalUser
from loadtests.users.http_user import KeepAliveUser

DELAY_MS = 100
LONGEST_DELAY_MS = 60_000
MARGIN_S = 10.0
"""How much longer than it was asked to sleep a server may take before a request counts as timed out."""


def hello(weight: float = 1) -> Request:
    """The smallest answer: what a stack costs by itself."""
    return Request("/hello", expect=json_string("hello world"), weight=weight)


def sleep(delay_ms: int, weight: float = 1) -> Request:
    """An answer that takes ``delay_ms`` without work: what waiting costs a stack."""
    return Request(
        f"/sleep/{delay_ms}",
        name="/sleep",
        expect=json_string(f"slept for {delay_ms} ms"),
        timeout_s=delay_ms / 1000 + MARGIN_S,
        weight=weight,
    )


class Hello(KeepAliveUser):
    """``/hello``, again and again."""

    requests = (hello(),)


class _Delayed(KeepAliveUser):
    """Has the option ``--delay-ms`` to hand."""

    abstract = True

    @property
    def delay_ms(self) -> int:
        """How long the server is asked to sleep."""
        return int(getattr(self.environment.parsed_options, "delay_ms", None) or DELAY_MS)


class Sleep(_Delayed):
    """``/sleep``, again and again."""

    def plan(self) -> Sequence[Request]:
        """Sleeps as long as ``--delay-ms`` says."""
        return (sleep(self.delay_ms),)


class Mixed(_Delayed):
    """Nine times ``/hello``, once ``/sleep``, in random order."""

    def plan(self) -> Sequence[Request]:
        """Sleeps as long as ``--delay-ms`` says."""
        return (hello(weight=9), sleep(self.delay_ms))


class Rate(ArrivalUser):
    """``/hello`` at ``--rate`` a second, whatever becomes of the answers."""

    requests = (hello(),)


class Ramp(ArrivalUser):
    """``/hello`` at a rate that rises from ``--rate`` until ``--objective`` breaks."""

    requests = (hello(),)


class Sleepers(Sleep):
    """``/sleep`` on ever more connections, from ``-u``, until the 99th percentile exceeds the delay by a tenth."""
