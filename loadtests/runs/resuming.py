"""A run taken up again where it was ended: the same plan on the same things, or a refusal that names what changed."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace
from rich.console import Console

from common.candidates import Candidate, Runtime, again
from common.engine import engine
from common.errors import UsageError
from common.machine import machine, revision
from common.preparation import prepare
from common.records import Run
from loadtests.runs.manifest import called, cell_of
from loadtests.runs.results import Results, run_folder

IDENTITY = ("lock_sha256", "server_packages", "packages", "command", "image_id", "python")
"""Fields of a cell that must not have changed: other ones would be another stack under the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A run to go on with."""

    run: Run
    results: Results

    @classmethod
    def read(cls, text: str) -> "Resumed":
        """The run that ``RESUME=`` names; ``UsageError`` where it is none, or none that can be resumed."""
        results = Results(folder=run_folder(text, variable="RESUME"))
        run = results.run()
        if run.design != "rounds":
            raise UsageError(f"RESUME={text} is a comparison ({run.design}), not a load test. Run make compare anew.")
        if Runtime(run.runtime).here is Runtime.DOCKER:
            engine()
        return cls(run=run, results=results)

    def continued(self, console: Console) -> tuple[Run, dict[str, Candidate]]:
        """The run as it goes on, and what to bring up for its cells; a damaged last line is set aside.

        ``UsageError`` names every lock, package, image or core that is not what it was; a change of the project's
        revision or of the kernel is told and recorded.
        """
        candidates = {cell.name: again(cell) for cell in self.run.cells if cell.control_of is None}
        prepare([one for one in candidates.values() if one.unavailable is None], console)
        if changed := [*_machine_changes(self.run), *_changes(self.run, candidates)]:
            raise UsageError(f"RESUME={self.run.id}: {'; '.join(changed)}. Restore that, or begin a new run.")
        for warning in (*_warnings(self.run), self.results.set_aside_damage()):
            if warning:
                console.print(warning, soft_wrap=True, markup=False)
        run = replace(self.run, command_line=[*self.run.command_line, called()])
        self.results.describe(run)
        return run, candidates


def _changes(run: Run, candidates: dict[str, Candidate]) -> Iterator[str]:
    for cell in run.cells:
        if cell.control_of is None:
            now = cell_of(candidates[cell.name], cell.conformance)
            for field in IDENTITY:
                if (was := getattr(cell, field)) != (is_ := getattr(now, field)) and was not in ([], {}):
                    yield f"{field} of {cell.name} {_difference(was, is_)}"


def _difference(was: object, is_: object) -> str:
    if isinstance(was, dict) and isinstance(is_, dict):
        name = min(key for key in was.keys() | is_.keys() if was.get(key) != is_.get(key))
        return f"was {name} {was.get(name)} and is {is_.get(name)}"
    return f"was {_short(was)} and is {_short(is_)}"


def _short(value: object) -> str:
    text = " ".join(value) if isinstance(value, list) else str(value)
    return f"{text[:20]}..." if len(text) > 24 else text  # noqa: PLR2004 -- a digest's beginning tells it apart


def _machine_changes(run: Run) -> Iterator[str]:
    here = machine()
    for field in ("cpu_model", "memory_bytes"):
        if (was := getattr(run.machine, field)) != (is_ := getattr(here, field)):
            yield f"{field} was {was} and is {is_}"
    if missing := {*run.server_cores, *run.generator_cores} - os.sched_getaffinity(0):
        yield f"core {min(missing)} cannot be used any more"


def _warnings(run: Run) -> Iterator[str]:
    if run.revision != (now := revision()):
        yield f"the project's revision was {run.revision} and is {now}: what is measured may have changed"
    if run.machine.kernel != (kernel := machine().kernel):
        yield f"the kernel was {run.machine.kernel} and is {kernel}"


def refuse_settings(verb: Callable[..., None], given: Mapping[str, object]) -> None:
    """``UsageError`` where a variable of ``verb`` was set beside ``RESUME=``, whose run has its own."""
    defaults = {name: one.default for name, one in inspect.signature(verb).parameters.items()}
    if names := [name.upper() for name, value in given.items() if name != "resume" and value != defaults[name]]:
        raise UsageError(f"RESUME= goes on with a run as it was begun: leave out {'=, '.join(names)}=.")
