"""A run taken up again where it was ended: the same plan on the same things, or a refusal that names what changed."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace
from rich.console import Console

from common.engine.client import engine
from common.errors import UsageError
from common.host.machine import machine, revision
from common.records.run import Run
from common.runtimes.candidates import Candidate, Runtime, candidate_from_cell
from common.runtimes.preparation import prepare
from loadtests.analysis.dropping import ROUNDS
from loadtests.runs.manifest import called, cell_of
from loadtests.runs.progress import progress
from loadtests.runs.results import RESULTS, Results, run_folder
from loadtests.runs.sides import Side, both
from loadtests.runs.whose import refuse_other

IDENTITY = ("lock_sha256", "server_packages", "packages", "command", "image_id", "python", "source_digest")
"""Fields of a cell that must not have changed: other ones would be another stack under the same name."""
BESIDE = frozenset({"resume", "fail_if_slower"})
"""What may be set when a run goes on: neither changes what is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A run to go on with."""

    run: Run
    results: Results

    @classmethod
    def read(cls, text: str, *, comparison: bool = False) -> "Resumed":
        """The run that ``RESUME=`` names, by ``latest`` the newest unfinished one.

        ``UsageError`` where it is none, or not of the kind asked for.
        """
        results = _latest(comparison) if text == "latest" else Results(folder=run_folder(text, variable="RESUME"))
        refuse_other(results.folder, f"RESUME={text}", "a load test or a comparison", comparisons=True)
        run = results.run()
        if _is_comparison(run) != comparison:
            kind = f"a comparison ({run.design})" if _is_comparison(run) else "a load test"
            raise UsageError(f"RESUME={text} is {kind}. Go on with: {results.to_go_on}")
        if comparison and len(run.sides) != len(run.cells):
            raise UsageError(f"RESUME={text} does not say what A= and B= were, as older runs do not. Begin a new one.")
        if Runtime(run.runtime).local is Runtime.DOCKER:
            engine()
        return cls(run=run, results=results)

    def continued(self, console: Console) -> tuple[Run, dict[str, Candidate]]:
        """The run as it goes on, and what to bring up for its cells; a damaged last line is set aside.

        ``UsageError`` names every lock, package, image or core that is not what it was; a change of the project's
        revision or of the kernel is told and recorded.
        """
        candidates = _candidates(self.run)
        prepare([one for one in candidates.values() if one.unavailable is None], console)
        if changed := [*_machine_changes(self.run), *_changes(self.run, candidates)]:
            raise UsageError(f"RESUME={self.run.id}: {'; '.join(changed)}. Restore that, or begin a new run.")
        told = [*_warnings(self.run), self.results.set_aside_damage()]
        if self.run.design == "duet":
            told.append(self.results.set_aside_half_round(len(self.run.cells)))
        for warning in filter(None, told):
            console.print(warning, soft_wrap=True, markup=False)
        run = replace(self.run, command_line=[*self.run.command_line, called()])
        self.results.describe(run)
        return run, candidates


def _latest(comparison: bool) -> Results:  # noqa: FBT001 -- the one thing asked
    """The newest run with windows still to be made; what other verbs keep beside these is passed over."""
    for file in sorted(RESULTS.glob("*/run.json"), reverse=True):
        results = Results(folder=file.parent)
        with suppress(UsageError):
            run = results.run()
            of_the_kind = _is_comparison(run) == bool(run.sides) == comparison
            if of_the_kind and progress(run, results.windows()).todo:
                return results
    verb = "compare" if comparison else "loadtest"
    raise UsageError(f"RESUME=latest: no {'comparison' if comparison else 'load test'} is unfinished. Run: make {verb}")


def _is_comparison(run: Run) -> bool:
    return run.design != ROUNDS


def _candidates(run: Run) -> dict[str, Candidate]:
    """What to bring up for each cell but controls, by its name."""
    if not run.sides:
        return {cell.name: candidate_from_cell(cell) for cell in run.cells if cell.control_of is None}
    a, b = (Side.parse(text, variable) for text, variable in zip(run.sides, "AB", strict=True))
    return {one.name: one for one in both(a, b, Runtime(run.runtime), run.server_asked)}


def _changes(run: Run, candidates: dict[str, Candidate]) -> Iterator[str]:
    for cell in run.cells:
        if cell.control_of is None:
            now = cell_of(candidates[cell.name], cell.conformance)
            for field in IDENTITY:
                if (was := getattr(cell, field)) != (is_ := getattr(now, field)) and was not in ([], {}, None):
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
    if names := [name.upper() for name, value in given.items() if name not in BESIDE and value != defaults[name]]:
        raise UsageError(f"RESUME= goes on with a run as it was begun: leave out {'=, '.join(names)}=.")
