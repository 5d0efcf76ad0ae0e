"""The folder through which Locust, which shows the form, and the command that starts stacks agree on the stack.

They are two processes, so that stacks are never brought up by the process that measures. Each writes its own files,
whole or not at all, which the other reads.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Struct

from common.catalog.frameworks import App
from common.catalog.sizes import Runtime, Size
from common.host.folders import write_file
from common.records.run import Cell
from common.records.schema import says

USER = "benchmark"
PASSWORD_VARIABLE = "API_BENCHMARK_WEB_PASSWORD"  # noqa: S105 -- the name of a variable
"""The name of the one user who can log in, and the variable that passes the password to Locust."""
RecordType = TypeVar("RecordType", bound=Struct)


class Choice(Struct, frozen=True, kw_only=True):
    """A framework on the form."""

    default: Annotated[str, says("Its default server here.")]
    servers: Annotated[dict[str, list[str]], says("Images by server; none in the process runtime.")]
    apps: Annotated[tuple[App, ...], says("The apps in its folder, which scenarios load.")] = (App.APP,)


class Menu(Struct, frozen=True, kw_only=True):
    """Everything that the form offers."""

    runtime: Runtime
    frameworks: dict[str, Choice]
    cores: Annotated[int, says("Number of cores that servers can be given.")]


class Wanted(Struct, frozen=True, kw_only=True):
    """The stack that the form asks for."""

    number: Annotated[int, says("Counts the requests, so that each is answered once.")]
    framework: str
    server: str
    image: Annotated[str | None, says("Null in the process runtime.")]
    size: Size
    app: App = App.APP


class State(StrEnum):
    """The state of a stack."""

    STARTING = "starting"
    UP = "up"
    FAILED = "failed"


class Offer(Struct, frozen=True, kw_only=True):
    """The stack that is up, or was up last, and its state."""

    number: Annotated[int, says("Number of the request that it answers; 0 for what the command began with.")]
    state: State
    message: Annotated[str, says("What is going on, or what went wrong.")]
    problem: Annotated[str, says("Why it is not the stack that was asked for; empty where it is.")] = ""
    name: str = ""
    url: str = ""
    cpu_meter: str | None = None
    size: Size = Size()
    server_cores: list[int] = []
    generator_cores: list[int] = []
    split_siblings: bool = False
    cell: Cell | None = None


NOTHING_UP = Offer(number=0, state=State.STARTING, message="nothing is up yet")


class Outcome(Struct, frozen=True, kw_only=True):
    """The end of all tests."""

    runs: Annotated[list[str], says("Ids of the runs that are on disk.")]
    lost: Annotated[list[str], says("Sentences about tests that could not be written.")]


class _Closing(Struct, frozen=True):
    """The command is about to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchboard:
    """The folder with the files."""

    folder: Path

    def show(self, menu: Menu) -> None:
        """Say what the form can offer."""
        self._write("menu.json", menu)

    def menu(self) -> Menu:
        """Return what the form can offer."""
        menu = self._read("menu.json", Menu)
        assert menu is not None, "it is written before Locust starts"
        return menu

    def ask(self, wanted: Wanted) -> None:
        """Ask for a stack."""
        self._write("wanted.json", wanted)

    def asked(self) -> Wanted | None:
        """Return what was asked for last."""
        return self._read("wanted.json", Wanted)

    def offer(self, offer: Offer) -> None:
        """Say what is up."""
        self._write("offer.json", offer)

    def offered(self) -> Offer:
        """Return what is up."""
        return self._read("offer.json", Offer) or NOTHING_UP

    def close(self) -> None:
        """Ask for the end of the test under way, and for the outcome."""
        self._write("closing.json", _Closing())

    @property
    def is_closing(self) -> bool:
        """Whether the command is about to end."""
        return (self.folder / "closing.json").exists()

    def conclude(self, outcome: Outcome) -> None:
        """Say what has become of the tests."""
        self._write("outcome.json", outcome)

    def outcome(self) -> Outcome | None:
        """Return what has become of the tests; ``None`` before that is known."""
        return self._read("outcome.json", Outcome)

    def _read(self, name: str, kind: type[RecordType]) -> RecordType | None:
        try:
            return msgspec.json.decode((self.folder / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None

    def _write(self, name: str, record: Struct) -> None:
        write_file(self.folder / name, msgspec.json.encode(record))
