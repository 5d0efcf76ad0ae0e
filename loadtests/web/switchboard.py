"""The folder through which Locust, which shows the form, and the command that starts stacks agree on the stack.

They are two processes, so that stacks are never brought up by the process that measures. Each writes one file, whole or
not at all, which the other reads.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct

from common.catalog.sizes import Size
from common.records.run import Cell
from common.records.schema import says

USER = "benchmark"
PASSWORD_VARIABLE = "API_BENCHMARK_WEB_PASSWORD"  # noqa: S105 -- the name of a variable
"""The name of the one user who can log in, and the variable that passes the password to Locust."""


class Wanted(Struct, frozen=True, kw_only=True):
    """The stack that the form asks for."""

    number: Annotated[int, says("Counts the requests, so that each is answered once.")]
    framework: str
    server: str
    image: Annotated[str | None, says("Null in the process runtime.")]
    vcpu: str
    memory: str | None


class State(StrEnum):
    """The state of a stack."""

    STARTING = "starting"
    UP = "up"
    FAILED = "failed"


class Offer(Struct, frozen=True, kw_only=True):
    """The stack that is up, or the reason why none is."""

    number: Annotated[int, says("Number of the request that it answers; 0 for what the command began with.")]
    state: State
    message: Annotated[str, says("What is going on, or what went wrong.")]
    name: str = ""
    wanted: Wanted | None = None
    url: str = ""
    cpu_meter: str | None = None
    size: Size = Size()
    server_cores: list[int] = []
    cell: Cell | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchboard:
    """The folder with the two files."""

    folder: Path

    def ask(self, wanted: Wanted) -> None:
        """Ask for a stack."""
        self._write("wanted.json", wanted)

    def asked(self) -> Wanted | None:
        """Return what was asked for last."""
        file = self.folder / "wanted.json"
        return msgspec.json.decode(file.read_bytes(), type=Wanted) if file.exists() else None

    def offer(self, offer: Offer) -> None:
        """Say what is up."""
        self._write("offer.json", offer)

    def offered(self) -> Offer:
        """Return what is up."""
        file = self.folder / "offer.json"
        if not file.exists():
            return Offer(number=0, state=State.STARTING, message="nothing is up yet")
        return msgspec.json.decode(file.read_bytes(), type=Offer)

    def _write(self, name: str, record: Struct) -> None:
        part = self.folder / f".{name}.part"
        part.write_bytes(msgspec.json.encode(record))
        part.replace(self.folder / name)
