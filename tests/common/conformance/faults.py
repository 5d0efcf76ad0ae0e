"""What a faulty server is, and all of them: each is the correct one with one realistic fault."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.common.conformance.good_server import Good


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A faulty server, what of the suite is run against it, and the tests that must fail: these and no others."""

    server: type[Good]
    module: str
    among: str
    """Which tests of the module are run, as pytest's ``-k``; empty for all."""
    caught_by: frozenset[str]
    """Names of tests; with a case in brackets where only that case must fail."""
    keep_alive: bool
    """What the server declares."""


FAULTS: list[Fault] = []

_Server = TypeVar("_Server", bound=Good)


def caught(
    module: str, *tests: str, among: str = "", keep_alive: bool = True
) -> Callable[[type[_Server]], type[_Server]]:
    """Register the decorated server as one that exactly these tests, among those, catch."""

    def register(server: type[_Server]) -> type[_Server]:
        fault = Fault(
            server=server,
            module=f"test_{module}.py",
            among=among,
            caught_by=frozenset(f"test_{test}" for test in tests),
            keep_alive=keep_alive,
        )
        FAULTS.append(fault)
        return server

    return register
