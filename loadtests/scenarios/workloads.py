"""The workloads, each a few lines: what is sent and what must come back."""

from locust import User, tag, task

from loadtests.users.arrival_user import ArrivalUser
from loadtests.users.http_user import FastUser, KeepAliveUser
from loadtests.users.responses import Request, json_string

DELAY_MS = 100
LONGEST_DELAY_MS = 60_000
MARGIN_S = 10.0
"""How much longer than it was asked to sleep a server may take before a request counts as timed out."""


def hello() -> Request:
    """The smallest answer: what a stack costs by itself."""
    return Request("/hello", expect=json_string("hello world"))


def sleep(delay_ms: int) -> Request:
    """An answer that takes ``delay_ms`` without work: what waiting costs a stack."""
    return Request(
        f"/sleep/{delay_ms}",
        name="/sleep",
        expect=json_string(f"slept for {delay_ms} ms"),
        timeout_s=delay_ms / 1000 + MARGIN_S,
    )


def delay_ms(user: User) -> int:
    """How long ``--delay-ms`` has the server sleep."""
    delay_ms = getattr(user.environment.parsed_options, "delay_ms", None)
    return DELAY_MS if delay_ms is None else int(delay_ms)


class Hello(KeepAliveUser):
    """``/hello``, again and again."""

    @tag("hello")
    @task
    def hello(self) -> None:
        """The smallest answer."""
        self.sends(hello())


class Sleep(KeepAliveUser):
    """``/sleep``, again and again."""

    @tag("sleep")
    @task
    def sleep(self) -> None:
        """As long as ``--delay-ms`` says."""
        self.sends(sleep(delay_ms(self)))


class Mixed(Sleep):
    """Nine times ``/hello``, once ``/sleep``, in random order."""

    @tag("hello")
    @task(9)
    def hello(self) -> None:
        """The smallest answer."""
        self.sends(hello())


class Rate(ArrivalUser):
    """``/hello`` at ``--rate`` a second, whatever becomes of the answers."""

    tasks = Hello.tasks


class Ramp(ArrivalUser):
    """``/hello`` at a rate that rises from ``--rate`` until ``--objective`` breaks."""

    tasks = Hello.tasks


class Sleepers(Sleep):
    """``/sleep`` on ever more connections, from ``-u``, until the 99th percentile exceeds the delay by a tenth."""


class TlsHello(FastUser):
    """``Hello`` over Locust's FastHttpUser, for a server that speaks TLS."""

    tasks = Hello.tasks


class TlsSleep(FastUser):
    """``Sleep`` over Locust's FastHttpUser, for a server that speaks TLS."""

    tasks = Sleep.tasks


class TlsMixed(FastUser):
    """``Mixed`` over Locust's FastHttpUser, for a server that speaks TLS."""

    tasks = Mixed.tasks
