"""The output of commands: results on standard output; messages, and the progress of long work, on standard error."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from common.tables import Form, as_csv, as_markdown, harmless, markdown_text, parts

PLAIN_WIDTH = 150
"""Line width in columns when the output is a file or a pipe."""


callers_words: ContextVar[Callable[[str], str]] = ContextVar("callers_words", default=str)
"""Puts messages, which are written for make, in the words of whoever called."""


class _Console(Console):
    """A console that leaves a broken pipe to the command line."""

    @override
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of a text, in which what was recorded somewhere moves no cursor and sets no title."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    @override
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 -- rich calls it while it handles the error


def _console(*, stderr: bool) -> Console:
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else PLAIN_WIDTH
    return _Console(markup=False, emoji=False, highlight=False, stderr=stderr, width=width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The consoles to which a command prints. Neither reads markup or emoji codes, which a path may look like."""

    results: Console = field(default_factory=partial(_console, stderr=False))
    """For results: tables, JSON, paths."""
    messages: Console = field(default_factory=partial(_console, stderr=True))
    """For progress, warnings and errors."""
    form: Form = Form.TEXT
    """The format of results."""

    def say(self, message: str) -> None:
        """Print a message in one line, in the words of the caller."""
        self.messages.print(in_one_line(callers_words.get()(message)), soft_wrap=True)

    def show(self, table: RenderableType) -> None:
        """Print a table in the form asked for; on a narrow terminal in parts, so that no name is cut."""
        if not isinstance(table, Table):
            self.results.print(table)
        elif self.form is Form.CSV:
            self.write(as_csv(table))
        elif self.form is Form.MARKDOWN:
            self.write(as_markdown(table))
        else:
            for part in parts(table, self.results):
                self.results.print(part)

    def note(self, sentence: str) -> None:
        """Print what has to be known beside a table: below it, and where only data is asked for, as a message."""
        match self.form:
            case Form.TEXT:
                self.results.print(f"  {sentence}", soft_wrap=True)
            case Form.MARKDOWN:
                self.write(f"- {markdown_text(sentence)}\n")
            case Form.CSV | Form.JSON:
                self.say(sentence)

    def write(self, text: str) -> None:
        """Print what ``as_csv``, ``as_markdown`` or ``as_json`` made for other programs, to the last character."""
        self.results.file.write(text)
        self.results.file.flush()


def in_one_line(text: str) -> str:
    """Return text with escapes for what would end its line, move the cursor or reverse the order of characters."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


class _TimeLeft(ProgressColumn):
    """The time left: the limit last given to ``expect``, else an estimate from the mean duration of a step so far."""

    def render(self, task: Task) -> Text:
        if (ends_at_s := task.fields["ends_at_s"]) is not None:
            return Text(f"at most {format_clock(max(0.0, ends_at_s - time.monotonic()))} left")
        if not task.completed or task.elapsed is None or task.total is None:
            return Text("")
        return Text(f"{format_clock(task.elapsed / task.completed * (task.total - task.completed))} left")


class _ProgressBelowTable(Progress):
    """A progress line with room for a table above it."""

    above: RenderableType = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.above:
            yield self.above
        yield from super().get_renderables()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProgress:
    """The display of a series of steps, for the code that runs them."""

    progress: _ProgressBelowTable
    task: TaskID
    console: Console

    @property
    def made(self) -> int:
        """The number of steps that are done."""
        return int(self.progress.tasks[0].completed)

    def start(self, step: str) -> None:
        """Show which step is running."""
        self.progress.update(self.task, description=step)

    def done(self, line: str) -> None:
        """Count the step as done and show ``line``, its outcome."""
        self.progress.advance(self.task)
        if self.console.is_terminal:
            self.progress.update(self.task, last=line)
        else:
            self.console.print(line, soft_wrap=True)

    def expect(self, total: int, left_s: float | None) -> None:
        """Set the largest number of steps that can still happen and, if known, the longest they can take."""
        ends_at_s = None if left_s is None else time.monotonic() + left_s
        self.progress.update(self.task, total=total, ends_at_s=ends_at_s)

    def show(self, above: RenderableType) -> None:
        """Show a table above the progress line of a terminal; do nothing elsewhere."""
        self.progress.above = above


@contextmanager
def live_progress(title: str, total: int, console: Console) -> Iterator[LiveProgress]:
    """Display the progress of ``total`` steps, and clear it from the terminal at the end.

    ``title`` names the whole task at the start of the line.
    """
    columns = (SpinnerColumn(), TextColumn("{task.fields[title]}"), BarColumn(bar_width=20), MofNCompleteColumn(),
               _TimeLeft(), TextColumn("{task.description}", markup=False),
               TextColumn("{task.fields[last]}", style="dim", markup=False))  # fmt: skip
    with _ProgressBelowTable(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total, title=title, last="", ends_at_s=None)
        yield LiveProgress(progress=progress, task=task, console=console)


def format_clock(duration_s: float) -> str:
    """Return a duration as minutes and seconds: ``7:05``."""
    return f"{int(duration_s) // 60}:{int(duration_s) % 60:02d}"
