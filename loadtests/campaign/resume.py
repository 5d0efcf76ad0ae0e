"""Resumption of an interrupted run, with the same plan on the same stacks, or a refusal that names what changed."""

import inspect
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import wraps
from typing import Any, ParamSpec

from msgspec.structs import replace

from common.aws.settings import FargateSettings
from common.catalog.sizes import Runtime
from common.cli.parameters import changed_of, refuse_given
from common.console import Terminal
from common.engine.client import engine
from common.errors import UsageError
from common.host.machine import machine, revision
from common.records.load import LoadSpec
from common.records.run import Run
from common.runtimes.candidates import Candidate
from common.runtimes.preparation import PlannedServer, approve_cost, prepare
from loadtests.campaign import catalog
from loadtests.campaign.experiment import Experiment
from loadtests.campaign.loop import carry_out, hold_machine
from loadtests.campaign.manifest import cell_of, command_line
from loadtests.campaign.parameters import GuestParameters, PathsParameters, RunParameters
from loadtests.campaign.store import MANIFEST, RunFolder, find_run_folder, misfits_named, run_folders, with_load
from loadtests.scenarios.own_requests import check_request
from loadtests.scenarios.scenario import MOST_USERS

IDENTITY = ("lock_sha256", "server_packages", "packages", "command", "image_id", "python", "source_digest")
"""The fields of a cell that must be unchanged; otherwise it would be another stack under the same name."""
DIGEST_SHOWN = 20
"""The number of characters of a long value that are shown."""

ExperimentOf = Callable[[Run], Experiment[Any, Any]]
"""Returns the experiment of a run."""
P = ParamSpec("P")


def resumable(command: Callable[P, None]) -> Callable[P, None]:
    """Have a command, whose ``run`` is ``RunParameters``, complete the run that ``RESUME=`` names, if it is given."""

    @wraps(command)
    def start_or_complete(*args: P.args, **kwargs: P.kwargs) -> None:
        call = inspect.signature(command).bind(*args, **kwargs)
        call.apply_defaults()
        run: RunParameters = call.arguments["run"]
        if run.resume is None:
            command(*args, **kwargs)
        else:
            _complete(command, call.arguments)

    return start_or_complete


def _complete(command: Callable[..., None], given: Mapping[str, Any]) -> None:
    """Resume the run that ``RESUME=`` names; errors as ``resume``.

    ``given`` holds the command's arguments by name. Raise ``UsageError`` if any parameter was given but those of
    Fargate, consent to a server elsewhere and the file of requests, since a resumed run keeps its own.
    """
    fargate: FargateSettings | None = given.get("fargate")
    guest: GuestParameters | None = given.get("guest")
    allowed = {"resume", "format", "ends_at_s"}
    allowed |= set() if fargate is None else {field.name for field in fields(fargate)}
    allowed |= set() if guest is None else {"foreign_url", "paths"}
    requests: PathsParameters | None = given.get("requests")
    allowed |= set() if requests is None else {"paths"}
    refuse_given(changed_of(command, given) - allowed, "RESUME= completes a run with its own parameters.")
    run: RunParameters = given["run"]
    assert run.resume is not None
    name = command.__name__.rstrip("_").replace("_", "-")
    own = guest or GuestParameters(paths=None if requests is None else requests.paths)
    resume(run.resume, name, catalog.experiment_of, run.terminal(), fargate=fargate, guest=own, ends_at_s=run.ends_at_s)


def resume(
    text: str,
    command: str,
    experiment_of: ExperimentOf,
    terminal: Terminal,
    *,
    fargate: FargateSettings | None = None,
    guest: GuestParameters = GuestParameters(),
    ends_at_s: float = math.inf,
) -> Any:  # noqa: ANN401 -- the summary of whichever experiment it is
    """Complete the run that ``RESUME=`` names, and return its summary.

    ``latest`` is the newest unfinished run of ``command``. ``fargate`` says where Fargate tasks run; with ``DRY_RUN=1``
    nothing is started and ``None`` is returned. Raise ``UsageError`` if there is no such run, or if a lock, package,
    image or core has changed, and the errors of ``carry_out``. A change of the project's revision or of the kernel is
    reported and recorded.
    """
    folder = _latest(command, experiment_of) if text == "latest" else find_run_folder(text, variable="RESUME")
    experiment = experiment_of(folder.run())
    if experiment.why_not_resumable is not None:
        raise UsageError(f"RESUME={text} {experiment.why_not_resumable}.")
    if experiment.command != command:
        raise UsageError(f"RESUME={text} was written by make {experiment.command}. Resume it with that command.")
    folder.require_unchanged()
    experiment = experiment_of(with_load(experiment.run, lambda load: guest.complete(_checked(load))))
    for stack in experiment.stacks():
        if stack.guest is not None:
            guest.require_consent(stack.guest)
    subjects = experiment.subjects(_fargate(experiment.run.runtime, fargate))
    servers = servers_left(experiment, subjects, folder)
    if not approve_cost(servers, terminal.say):
        return None
    with hold_machine(experiment.run.id, terminal):
        _prepare(experiment, subjects, folder, terminal)
        run = replace(experiment.run, command_line=[*experiment.run.command_line, command_line()])
        folder.describe(run)
        return carry_out(experiment_of(run), subjects, folder, terminal, ends_at_s=ends_at_s)


def _checked(load: LoadSpec) -> LoadSpec:
    """Return a recorded load; ``UsageError`` unless the command line would have accepted it."""
    if load.users > MOST_USERS:
        raise UsageError(f"invalid users {load.users} in {MANIFEST}: must be 1 to {MOST_USERS}. Start a new run.")
    try:
        for own in load.requests:
            check_request(own)
    except ValueError as error:
        raise UsageError(f"invalid request in {MANIFEST}: {error}. Start a new run.") from error
    return load


def servers_left(
    experiment: Experiment[Any, Any], subjects: Mapping[str, Candidate], folder: RunFolder
) -> Sequence[PlannedServer]:
    """Return the servers that are still to be brought up; ``UsageError`` if the records are inconsistent.

    Everything that the end of the run computes from them is computed here once, so that nothing is measured in vain.
    """
    visits = folder.visits()
    with misfits_named(folder.folder):
        summary = experiment.summarise(visits)
        for part in (experiment.tables, experiment.notes, experiment.conclusions, experiment.figures):
            list(part(summary))
        experiment.failure(summary)
        return () if experiment.is_complete(visits) else experiment.servers_left(visits, subjects)


def _fargate(runtime: Runtime, settings: FargateSettings | None) -> FargateSettings | None:
    """Return the settings if the runtime uses them; ``UsageError`` if they are missing, or given but unused."""
    if runtime is Runtime.DOCKER:
        engine()
    if runtime is Runtime.FARGATE and settings is not None:
        settings.check()
        return settings
    if settings is not None:
        settings.refuse_unused(runtime)
    return None


def _latest(command: str, experiment_of: ExperimentOf) -> RunFolder:
    """Return the newest unfinished run of a command; folders that cannot be read are skipped."""
    for folder in run_folders():
        with suppress(UsageError), misfits_named(folder.folder):
            experiment = experiment_of(folder.run())
            if experiment.command == command and not experiment.is_complete(folder.visits()):
                return folder
    raise UsageError(f"RESUME=latest: no run of make {command} is unfinished.")


def _prepare(
    experiment: Experiment[Any, Any], subjects: Mapping[str, Candidate], folder: RunFolder, terminal: Terminal
) -> None:
    """Prepare what the run needs, refuse if it has changed, and set damaged lines aside."""
    prepare(list({subject.name: subject for subject in subjects.values()}.values()), terminal.messages)
    if changes := [*_changes(experiment, subjects), *_machine_changes(experiment)]:
        raise UsageError(f"RESUME={folder.name}: {'; '.join(changes)}. Restore it, or start a new run.")
    for warning in _warnings(experiment.run):
        terminal.say(f"warning: {warning}")
    if damage := folder.set_aside_damage():
        terminal.say(damage)
    if half := experiment.half_made(folder.visits()):
        terminal.say(folder.set_aside_last(half))


def _changes(experiment: Experiment[Any, Any], subjects: Mapping[str, Candidate]) -> Iterator[str]:
    for cell in experiment.stacks():
        now = cell_of(subjects[cell.name], cell.conformance)
        for field in IDENTITY:
            if (was := getattr(cell, field)) != (present := getattr(now, field)) and was not in ([], {}, None):
                yield f"{field} of {cell.name} {_difference(was, present)}"


def _difference(was: object, present: object) -> str:
    if isinstance(was, dict) and isinstance(present, dict):
        name = min(key for key in was.keys() | present.keys() if was.get(key) != present.get(key))
        return f"was {name} {was.get(name)} and is {present.get(name)}"
    return f"was {_short(was)} and is {_short(present)}"


def _short(value: object) -> str:
    text = " ".join(value) if isinstance(value, list) else str(value)
    return f"{text[:DIGEST_SHOWN]}..." if len(text) > DIGEST_SHOWN + len("...") else text


def _machine_changes(experiment: Experiment[Any, Any]) -> Iterator[str]:
    here, recorded = machine(), experiment.run.machine
    for field in ("cpu_model", "cpu_identity", "memory_bytes"):
        was, present = getattr(recorded, field), getattr(here, field)
        if was not in (None, present):
            yield f"{field} was {was} and is {present}"
    if missing := experiment.cores() - os.sched_getaffinity(0):
        yield f"core {min(missing)} is no longer available"


def _warnings(run: Run) -> Iterator[str]:
    if run.revision != (now := revision()):
        yield f"the project's revision was {run.revision} and is {now}; what is measured may have changed"
    if run.machine.kernel != (kernel := machine().kernel):
        yield f"the kernel was {run.machine.kernel} and is {kernel}"
