"""What a user sees while something long is going on: one moving line on a terminal, one line a step elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
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


class _TimeLeft(ProgressColumn):
    """The time that the remaining steps take if they take as long as those done."""

    def render(self, task: Task) -> Text:
        if not task.completed or task.elapsed is None or task.total is None:
            return Text("")
        left_s = task.elapsed / task.completed * (task.total - task.completed)
        return Text(f"{left_s // 60:.0f}:{left_s % 60:02.0f} left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A series of steps under way."""

    progress: Progress
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


@contextmanager
def live(what: str, total: int, console: Console) -> Iterator[Live]:
    """A display of ``total`` steps, gone from the terminal afterwards."""
    columns = (SpinnerColumn(), TextColumn("{task.fields[what]}"), BarColumn(bar_width=20), MofNCompleteColumn(),
               _TimeLeft(), TextColumn("{task.description}"), TextColumn("[dim]{task.fields[last]}"))  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total, what=what, last="")
        yield Live(progress=progress, task=task, console=console)
