"""What a user sees while something long is going on: one moving line on a terminal, one line a step elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
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
from rich.text import Text

PLAIN_WIDTH = 150
"""Columns of what is printed into a file or a pipe."""


def terminal() -> Console:
    """Where verbs print: the terminal, or lines wide enough for every table."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


class _TimeLeft(ProgressColumn):
    """The time left that was last told, or what the remaining steps take if they take as long as those done."""

    def render(self, task: Task) -> Text:
        if (ends_at_s := task.fields["ends_at_s"]) is not None:
            return Text(f"at most {format_clock(max(0.0, ends_at_s - time.monotonic()))} left")
        if not task.completed or task.elapsed is None or task.total is None:
            return Text("")
        return Text(f"{format_clock(task.elapsed / task.completed * (task.total - task.completed))} left")


class _Board(Progress):
    """The moving line, below whatever else is to be seen meanwhile."""

    above: RenderableType = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.above:
            yield self.above
        yield from super().get_renderables()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProgress:
    """A series of steps under way."""

    progress: _Board
    task: TaskID
    console: Console

    def start(self, step: str) -> None:
        """Say which step begins."""
        self.progress.update(self.task, description=step)

    def done(self, line: str) -> None:
        """Count the step; say what came of it."""
        self.progress.advance(self.task)
        if self.console.is_terminal:
            self.progress.update(self.task, last=line)
        else:
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)

    def expect(self, total: int, left_s: float | None) -> None:
        """Say how many steps there are at most by now, and how long the rest will take at most."""
        ends_at_s = None if left_s is None else time.monotonic() + left_s
        self.progress.update(self.task, total=total, ends_at_s=ends_at_s)

    def show(self, above: RenderableType) -> None:
        """Put a table above the moving line of a terminal."""
        self.progress.above = above


@contextmanager
def live_progress(what: str, total: int, console: Console) -> Iterator[LiveProgress]:
    """A display of ``total`` steps, gone from the terminal afterwards."""
    columns = (SpinnerColumn(), TextColumn("{task.fields[what]}"), BarColumn(bar_width=20), MofNCompleteColumn(),
               _TimeLeft(), TextColumn("{task.description}"), TextColumn("[dim]{task.fields[last]}"))  # fmt: skip
    with _Board(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total, what=what, last="", ends_at_s=None)
        yield LiveProgress(progress=progress, task=task, console=console)


def format_clock(duration_s: float) -> str:
    """A duration as minutes and seconds: ``7:05``."""
    return f"{int(duration_s) // 60}:{int(duration_s) % 60:02d}"
