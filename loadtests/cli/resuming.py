"""``RESUME=``, by which a measuring command completes an interrupted run instead of starting one."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import is_dataclass
from functools import wraps
from typing import Any, ParamSpec

from common.aws.settings import FargateSettings
from common.cli.parameters import changed
from common.errors import UsageError
from loadtests.campaign.resume import resume
from loadtests.cli.parameters import FARGATE, RunParameters
from loadtests.registry import experiment_of

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

    ``given`` holds the command's arguments by name. Raise ``UsageError`` if any parameter but those of Fargate was
    given, since a resumed run keeps its own.
    """
    fargate: FargateSettings | None = given.get("fargate")
    allowed = {"resume", "format"} | (frozenset() if fargate is None else FARGATE)
    refuse_given(command, given, but=allowed, reason="RESUME= completes a run with its own parameters.")
    run: RunParameters = given["run"]
    assert run.resume is not None
    name = command.__name__.rstrip("_").replace("_", "-")
    resume(run.resume, name, experiment_of, run.terminal(), fargate=fargate)


def refuse_given(
    command: Callable[..., None], given: Mapping[str, object], *, but: Collection[str], reason: str
) -> None:
    """Raise ``UsageError`` with the reason if parameters ``but`` for these differ from the command's defaults.

    ``given`` holds the command's arguments by name.
    """
    if names := sorted(_changed(command, given).difference(but)):
        raise UsageError(f"{reason} Leave out {', '.join(f'{name.upper()}=' for name in names)}.")


def _changed(command: Callable[..., None], given: Mapping[str, object]) -> set[str]:
    """Return the names of the parameters that differ from the command's defaults, those of groups included."""
    names, parameters = set[str](), inspect.signature(command).parameters
    for name, value in given.items():
        default = parameters[name].default
        if is_dataclass(value):
            names |= changed(value, default)
        elif value != default:
            names.add(name)
    return names
