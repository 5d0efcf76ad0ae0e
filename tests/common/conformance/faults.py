"""The registry of faulty servers, each of which is the correct server with one realistic fault."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.common.conformance.good_server import Good


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A faulty server, the tests that are run against it, and those of them that must fail, and no others."""

    server: type[Good]
    module: str
    among: str
    """The tests of the module that are run, as for pytest's ``-k``; empty for all."""
    caught_by: frozenset[str]
    """The names of the tests that must fail, with a case in brackets if only that case must fail."""
    keep_alive: bool
    """Whether the server declares that it keeps connections open."""


FAULTS: list[Fault] = []

_Server = TypeVar("_Server", bound=Good)


def caught(
    module: str, *tests: str, among: str = "", keep_alive: bool = True
) -> Callable[[type[_Server]], type[_Server]]:
    """Register the decorated server as faulty: of the tests selected by ``among``, exactly ``tests`` must fail.

    ``module`` is the name of a module of the suite without ``test_``, below a folder where it is in one.
    """
    folder, slash, name = module.rpartition("/")

    def register(server: type[_Server]) -> type[_Server]:
        fault = Fault(
            server=server,
            module=f"{folder}{slash}test_{name}.py",
            among=among,
            caught_by=frozenset(f"test_{test}" for test in tests),
            keep_alive=keep_alive,
        )
        FAULTS.append(fault)
        return server

    return register
